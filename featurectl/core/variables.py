"""`${NAME}` and `${NAME:-default}` in texts; filled only when a connection is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from featurectl.core.address_parameters import unknown_parameters
from featurectl.core.errors import UsageError

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>(?:(?!\$\{)[^}])*))?\}")
_PORT = re.compile(r"[^:]*:\d*")
_BARE_USER = re.compile(r"(\$\{\w+\}:?)+")
_DOTTED = r"(?:\w+\.)+[\w-]*(?:credential|key|secret|token)"  # of pyiceberg: s3.secret-access-key
_NAMES = (
    rf"(?:(?:ssl)?(?:password|passwd|pwd)|token|secret|sig|signature|credential|(?:api|access|account)_?key|{_DOTTED})"
)
_BARE_LOGIN = re.compile(r"[A-Za-z0-9._%+-]*:(?=[^/@\s]*@)")  # `user:password@` of an address without its scheme
_LONGEST_WORD = 1_000  # characters of a password that is looked at for what may be shown of it
_TOKEN = re.compile(r"\S+")
_LOGIN = re.compile(r"(?<=://)[^:/@?#\s]*?(?::|%3a)", re.IGNORECASE)
_QUERY_WORD = re.compile(
    rf"((?:[?&;]|(?<![^\s'\"{{,]))[\w.-]{{0,30}}{_NAMES}=)('[^']*'?|(?:\$\{{[^}}\s]*\}}|[^&;\s'\"}}])+)",
    re.IGNORECASE,
)
_NOTIFIER = re.compile(r"\b(?:slack|webhook|pagerduty)['\"]?\s*:\s*(?:[!&]\S*\s+)*")
_QUOTED = r"\"(?:[^\"\\]|\\.)*|'(?:[^']|'')*"  # to the closing quote, which is not among it, or the end of the line
_IN_BLOCK = re.compile(rf"{_QUOTED}|(?:(?!\s#)[^\n])*")
_IN_FLOW = re.compile(rf"{_QUOTED}|(?:\$\{{[^}}\n]*\}}|[^,}}\n])*")
_FLOW = re.compile(r"(?<!\$)\{")
_OPTION = re.compile(
    rf"((?<![\w-])--[\w-]{{0,30}}(?:{_NAMES}|api-key|credential)[\w-]{{0,30}}[ =])(.*)$", re.IGNORECASE
)
_QUERY = re.compile(r"\?(\$\{[^{}]*\}|[^}])*")


def has_variable(text: str) -> bool:
    """Return whether an environment variable stands in a text.

    >>> has_variable("redis://${HOST}"), has_variable("costs $5")
    (True, False)
    """
    return "${" in text


def named_variables(text: str) -> list[tuple[str, str | None]]:
    """Return the variables of a text in their order, each with its default; None: it has none.

    >>> named_variables("redis://${HOST:-localhost}/${DB}")
    [('HOST', 'localhost'), ('DB', None)]
    """
    return [(found["name"], found["default"]) for found in _VARIABLE.finditer(text)]


def shown_location(text: str) -> str:
    """Return a location as errors show it: as it is written, without a user, password or query written out in it.

    >>> shown_location("${WAREHOUSE_URL}"), shown_location("postgresql://ana:secret@host/db?password=secret")
    ('${WAREHOUSE_URL}', 'postgresql://host/db')
    >>> shown_location("redis://${USER}:${PASSWORD}@${HOST:-localhost}/0"), shown_location("folder/deep")
    ('redis://${USER}:${PASSWORD}@${HOST:-localhost}/0', 'folder/deep')
    """
    if "://" not in text and not has_variable(text):
        return text
    scheme, mark, rest = text.partition("://")
    return _QUERY.sub("", f"{scheme}{mark}{_without_login(rest)}")


def _without_login(rest: str) -> str:
    """Return what stands behind `://` without user and password: a bit too much is hidden, never too little.

    A password may hold any of `@ / : ? #`, and so may what follows it: it ends with the last `@` that there is, and
    when that may be one of a query, nothing is shown.
    """
    login, mark, place = rest.rpartition("@")
    if not mark or _BARE_USER.fullmatch(login):
        return rest
    first = re.split(r"[/?#]", login, maxsplit=1)[0]
    if first != login and ":" not in first and "@" not in first:  # the `@` of a path, or of a query, which goes
        return rest
    before, query, _ = login.partition("?")
    return "..." if query and ("@" in before or _PORT.fullmatch(first)) else place


def has_password(text: str) -> bool:
    """Return whether a password stands in a location, the defaults of its variables included.

    >>> has_password("postgresql://ana:${PASSWORD}@host/db"), has_password("postgresql://ana@host:5432/db")
    (False, False)
    >>> has_password("postgresql://ana:secret@host/db"), has_password("ana:secret@host/db")
    (True, True)
    """
    filled = _VARIABLE.sub(lambda variable: variable["default"] or "", text)
    login = (
        re.search(r"://[^:/@?#]*?(?::|%3a)", filled, re.IGNORECASE) if "://" in filled else _BARE_LOGIN.match(filled)
    )
    return (login is not None and login.end() < filled.rfind("@")) or bool(secret_parameter(text))


def secret_parameter(text: str) -> str:
    """Return the name of a parameter whose value stands in a location and may be a secret; empty: there is none.

    >>> secret_parameter("${URL:-snowflake://ana@acct?passcode=123456}"), secret_parameter("snowflake://a?token=${T}")
    ('passcode', '')
    """
    filled = _VARIABLE.sub(lambda variable: variable["default"] or "", text)
    return next((name for name, _ in unknown_parameters(filled)), "")


@lru_cache(maxsize=64)  # many problems may stand in one long line
def hide_passwords(line: str) -> str:
    """Return a line of a file with a star for each character of the passwords in its locations and notifiers.

    >>> hide_passwords("url: 'postgresql://ana:secret@host/db', more: redis://:${PW}@host")
    "url: 'postgresql://ana:******@host/db', more: redis://:${PW}@host"
    >>> hide_passwords("registry: ${URL:-postgresql:///db?password=secret}")
    'registry: ${URL:-postgresql:///db?password=******}'
    >>> hide_passwords("{name: ops, pagerduty: 'key', to: x}"), hide_passwords("command: notify --api-token 'key'")
    ("{name: ops, pagerduty: '***', to: x}", 'command: notify --api-token *****')
    >>> hide_passwords("url: ana:secret@host/db"), hide_passwords("snowflake://a?role=r&passcode=${P}x&token=${T}")
    ('url: ana:******@host/db', 'snowflake://a?role=r&passcode=*****&token=${T}')
    >>> hide_passwords("url: Server=h;Uid=u;Pwd=x9;"), hide_passwords('url: "host=h dbname=x password=' + "'x 9'" + '"')
    ('url: Server=h;Uid=u;Pwd=**;', 'url: "host=h dbname=x password=*****"')
    >>> hide_passwords('webhook: "https://h/a,b}c"'), hide_passwords("{slack: ${URL}, to: x}")
    ('webhook: "***************"', '{slack: ${URL}, to: x}')
    """
    line = _hide_notifiers(line)
    line = _OPTION.sub(lambda found: found[1] + _stars(found[2]), line)
    without = _QUERY_WORD.sub(lambda found: found[1] + _stars(found[2]), line)  # such a value may hold an `@`
    parameters = _TOKEN.sub(_hide_parameters, without) if "://" in without else without
    logins = _TOKEN.sub(_hide_login, without) if "@" in without else without
    # Each is looked for in the whole line: a password may hold a `?` and a `#`, and a parameter an `@`.
    return "".join("*" if "*" in pair else pair[0] for pair in zip(parameters, logins, strict=True))


def _hide_notifiers(line: str) -> str:
    """Return a line with the addresses and keys of notifiers as stars, up to where their values end in YAML."""
    parts, place, flow = list[str](), 0, _FLOW.search(line)
    while found := _NOTIFIER.search(line, place):
        is_in_flow = flow is not None and flow.start() < found.start()
        value = (_IN_FLOW if is_in_flow else _IN_BLOCK).match(line, found.end())
        written = value[0] if value else ""
        start = found.end() + (written[:1] in ("'", '"'))
        end = found.end() + len(written.rstrip())
        parts += [line[place:start], _stars(line[start:end])]
        place = end
    return "".join(parts) + line[place:]


def _hide_parameters(token: re.Match[str]) -> str:
    """Return a word of a line with the values of parameters that may be secrets as stars."""
    text = token[0]
    if "://" not in text or len(text) > _LONGEST_WORD:
        return text
    for name, value in unknown_parameters(text):
        written = value if _VARIABLE.fullmatch(value) else value.rstrip("'\"},]")
        mark = {"#": "#", "?": ""}.get(name, f"{name}=")
        text = text.replace(f"{mark}{written}", f"{mark}{_stars(written)}")
    return text


def _hide_login(token: re.Match[str]) -> str:
    """Return a word of a line with its password, which ends with the last `@`, as stars."""
    text = token[0]
    found = _LOGIN.search(text) if "://" in text else _BARE_LOGIN.search(text)
    end = text.rfind("@")
    if found is None or end <= found.end():
        return text
    return text[: found.end()] + _stars(text[found.end() : end]) + text[end:]


def _stars(word: str) -> str:
    if len(word) > _LONGEST_WORD:
        return "*" * len(word)
    return word if _VARIABLE.sub("", word) == "" and ":-" not in word else "*" * len(word)


def as_written(text: str, template: str, filled: str) -> str:
    """Return a text in which a location stands as its file has it: with the names of variables, not their values.

    `template` is the location in the file, `filled` the same with its variables filled.

    >>> as_written("/srv/a/x.csv: no such file", "${DATA}/a/*.csv", "/srv/a/*.csv")
    '${DATA}/a/x.csv: no such file'
    >>> as_written("data/x.csv", "data/*.csv", "data/*.csv")
    'data/x.csv'
    """
    end = max((match.end() for match in _VARIABLE.finditer(template)), default=0)
    value = filled.removesuffix(template[end:])
    return text.replace(value, template[:end]) if end and value else text


def bad_variable(text: str) -> str:
    """Return the first `${` of a text that is no variable, with what follows it, or an empty text.

    >>> bad_variable("${A}/${B:-c}/${1}")
    '${1}'
    """
    rest = _VARIABLE.sub("", text)
    start = rest.find("${")
    return rest[start : start + 20] if start >= 0 else ""


def expand_set(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with those of its variables filled that are set or have a default.

    >>> expand_set("${A}/${B:-b}/${C}", {"A": "a"}), expand_set("${A:-b}", {"A": ""})
    ('a/b/${C}', '')
    """

    def value(found: re.Match[str]) -> str:
        filled: str | None = environ.get(found["name"], found["default"])
        return found[0] if filled is None else filled

    return _VARIABLE.sub(value, text)


def expand(text: str, environ: Mapping[str, str], place: str) -> str:
    """Return the text with its variables filled.

    Raises:
        UsageError: a variable is not set and has no default; `place` says where it is asked for.

    >>> expand("redis://${HOST:-localhost}/0", {}, "environment dev, online")
    'redis://localhost/0'
    """

    def value(match: re.Match[str]) -> str:
        found = environ.get(match["name"], match["default"])
        if found is None:
            raise UsageError(
                f"the environment variable {match['name']} is not set ({place})",
                hint=f"export {match['name']}=..., or write a default: ${{{match['name']}:-...}}",
            )
        return found

    return _VARIABLE.sub(value, text)
