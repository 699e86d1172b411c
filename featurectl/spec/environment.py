"""`${NAME}` and `${NAME:-default}` in texts; filled only when a connection is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from featurectl.errors import UsageError

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>[^}]*))?\}")
# A password may hold `/` or `:`, and before a `/` also an `@`: a bit too much is hidden, never too little.
_USER = re.compile(r"(?<=://)[^:/@?#]*(?::[^@]*)?@(?:[^/?#]*@)*")
_BARE_USER = re.compile(r"(\$\{\w+\}:?)+@")
_SECRET = re.compile(r"://[^:/@?#]*:[^@]+@|[?&](ssl)?(password|passwd|pwd)=[^&]", re.IGNORECASE)
_WORD = re.compile(
    r"(?<=://)([^:/@?#\s]*:)([^@\s]+)(?=@)|([?&](?:ssl)?(?:password|passwd|pwd)=)([^&\s'\"}]+)", re.IGNORECASE
)
_QUERY = re.compile(r"\?(\$\{[^}]*\}|[^}])*")


def has_variable(text: str) -> bool:
    """Return whether an environment variable stands in a text.

    >>> has_variable("redis://${HOST}"), has_variable("costs $5")
    (True, False)
    """
    return "${" in text


def shown_location(text: str) -> str:
    """Return a location as errors show it: as it is written, without a user, password or query written out in it.

    >>> shown_location("${WAREHOUSE_URL}"), shown_location("postgresql://ana:secret@host/db?password=secret")
    ('${WAREHOUSE_URL}', 'postgresql://host/db')
    >>> shown_location("redis://${USER}:${PASSWORD}@${HOST:-localhost}/0"), shown_location("folder/deep")
    ('redis://${USER}:${PASSWORD}@${HOST:-localhost}/0', 'folder/deep')
    """
    if "://" not in text and not has_variable(text):
        return text
    return _QUERY.sub("", _USER.sub(lambda user: user[0] if _BARE_USER.fullmatch(user[0]) else "", text))


def has_password(text: str) -> bool:
    """Return whether a password stands in a location, the defaults of its variables included.

    >>> has_password("postgresql://ana:${PASSWORD}@host/db"), has_password("postgresql://ana@host:5432/db")
    (False, False)
    >>> has_password("postgresql://ana:secret@host/db"), has_password("${URL:-postgresql:///db?password=secret}")
    (True, True)
    """
    return _SECRET.search(_VARIABLE.sub(lambda variable: variable["default"] or "", text)) is not None


@lru_cache(maxsize=64)  # many problems may stand in one long line
def hide_passwords(line: str) -> str:
    """Return a line of a file with a star for each character of the passwords in its locations.

    >>> hide_passwords("url: 'postgresql://ana:secret@host/db', more: redis://:${PW}@host")
    "url: 'postgresql://ana:******@host/db', more: redis://:${PW}@host"
    >>> hide_passwords("registry: ${URL:-postgresql:///db?password=secret}")
    'registry: ${URL:-postgresql:///db?password=******}'
    """
    return _WORD.sub(_stars, line)


def _stars(found: re.Match[str]) -> str:
    before, word = found[1] or found[3] or "", found[2] or found[4]
    return before + (word if _VARIABLE.sub("", word) == "" and ":-" not in word else "*" * len(word))


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
