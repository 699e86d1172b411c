"""The secrets of addresses: found in them, and taken out of texts that others wrote, as those of drivers."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN: Final = "***"
_SHORTEST: Final = 4  # characters of a piece of a secret that is worth hiding: shorter ones stand in any text
_AFTER_CUT: Final = " \t\r\n.…'\"`)]}"  # what stands behind a text that was cut off
_LONG: Final = 12  # characters of one that stands in no other word by chance
_BEGIN: Final = r"[a-zA-Z][a-zA-Z0-9+.-]*://"
_ADDRESS: Final = re.compile(rf"(?<![a-zA-Z0-9+.-]){_BEGIN}[^\s'\"<>]+")
_QUOTED: Final = re.compile(rf"(?<=')({_BEGIN}[^'\n]+)'|(?<=\")({_BEGIN}[^\"\n]+)\"")
_WHOLE: Final = re.compile(rf"{_BEGIN}[^\n]+")
_QUERY_VALUE: Final = re.compile(r"[?&;]([^=&;?]*)=([^&;]*)")
_BEFORE: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"  # no letter, but that of an escape of JSON or of Python
_HTTP: Final = ("http", "https")
_CUT: Final = re.compile(r"[@/:?#&=;,\s]+")
_PARAMETER: Final = re.compile(
    r"table|user(name)?|host|port|db|dbname|mode|uri|region|protocol|application_name|ssl(mode|_cert_reqs)|.*timeout|"
    r"warehouse|role|authenticator|query_tag",
    re.IGNORECASE,
)  # parameters whose values may be shown, when they are such
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.]{0,30}")
_VARIABLE: Final = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|auth$|pgpass|webhook|(api|account|access|routing|event)_?keys?$",
    re.IGNORECASE,
)
_SERVICE: Final = re.compile(r"endpoint|proxy", re.IGNORECASE)


def address_secrets(text: str) -> set[str]:
    """Return what is secret in the addresses of a text: passwords, logins without one, values of most parameters.

    A login of HTTP is one as it is sent, too, in base64.

    >>> sorted(address_secrets("to postgresql://ana:pw@1/x@db.host/d?password=other&table=scores"))
    ['other', 'pw@1/x']
    >>> address_secrets("s3://bucket/a@b and redis://token1@host")
    {'token1'}
    >>> sorted(address_secrets("https://ana:p%40ss@host/hook"))
    ['YW5hOnBAc3M=', 'p%40ss']
    >>> "it's <1>" in address_secrets("redis://:it's <1>@host"), address_secrets('to "redis://:2 of@host", or')
    (True, {'2 of'})
    """
    found: set[str] = set()
    for address in _addresses(text):
        scheme, _, rest = address.partition("://")
        if login := _login_of(rest):
            user, colon, password = login.partition(":")
            found.add(password if colon else user)
            if scheme.endswith(_HTTP):
                found |= {password or user, basic_login(unquote(user), unquote(password))}
        found |= {value for name, value in _QUERY_VALUE.findall(rest) if not _is_plain(name, value)}
    return {secret for secret in found if secret and "${" not in secret}


def address_users(text: str) -> set[str]:
    """Return the names of users in the addresses of a text.

    >>> address_users("http://ana:pw@host and https://host/a")
    {'ana'}
    """
    logins = (_login_of(address.partition("://")[2]) for address in _addresses(text))
    return {user for login in logins if (user := login.partition(":")[0])}


def _login_of(rest: str) -> str:
    """Return what stands before the host in an address without its scheme; empty where nothing does."""
    login, mark, _ = rest.rpartition("@")
    first = re.split(r"[/?#]", login, maxsplit=1)[0]
    return login if mark and (":" in first or first == login) else ""


def basic_login(user: str, password: str) -> str:
    """Return a login as HTTP, and some mail servers, get it: in base64.

    >>> basic_login("ana", "pw")
    'YW5hOnB3'
    """
    return b64encode(f"{user}:{password}".encode()).decode()


def without_logins(text: str) -> str:
    """Return a text whose addresses name neither users nor passwords.

    >>> without_logins("GET http://ana:p/w@1@127.0.0.1:9/b/x, s3://bucket/a@b: no answer from https://key@host.")
    'GET http://127.0.0.1:9/b/x, s3://bucket/a@b: no answer from https://host.'
    """

    def bare(address: re.Match[str]) -> str:
        scheme, mark, rest = address[0].partition("://")
        login = _login_of(rest)
        return f"{scheme}{mark}{rest[len(login) + 1 :] if login else rest}"

    return _ADDRESS.sub(bare, text)


def _addresses(text: str) -> set[str]:
    """Return the addresses in a text: with what would end them elsewhere, where the text is one, or quotes it."""
    found = {*_ADDRESS.findall(text), *(one or other for one, other in _QUOTED.findall(text))}
    return found | {text} if _WHOLE.fullmatch(text) and text.count("://") == 1 else found


def _is_plain(name: str, value: str) -> bool:
    """Return whether a parameter of an address says what it must to be understood, and nothing else."""
    return value.isdigit() or (_PARAMETER.fullmatch(name) is not None and _PLAIN.fullmatch(value) is not None)


def variable_secrets(environ: Mapping[str, str]) -> set[str]:
    """Return what is secret among environment variables: by their names, or in the addresses that they hold.

    >>> sorted(variable_secrets({"API_KEYS": "key-1,key-2", "DB": "postgresql://a:secret@h/d", "HOME": "/root"}))
    ['key-1', 'key-2', 'secret']
    >>> sorted(variable_secrets({"AWS_ENDPOINT_URL": "s3+https://key-id:secret@host"}))
    ['a2V5LWlkOnNlY3JldA==', 'secret']
    """
    named = {name: value for name, value in environ.items() if _VARIABLE.search(name)}
    values = [value for value in named.values() if "://" not in value and not value.startswith("/")]
    words = {word.strip() for value in values for word in value.split(",")}
    urls = [value for value in environ.values() if "://" in value]
    return {word for word in words if len(word) >= _SHORTEST}.union(*map(address_secrets, urls))


def variable_users(environ: Mapping[str, str]) -> set[str]:
    """Return the users of services that libraries speak to, by environment variables: these may be keys.

    Only what such a service says is freed of them: elsewhere `data` is a folder.

    >>> variable_users({"AWS_ENDPOINT_URL": "https://key-id:secret@host", "DB": "postgresql://ana@host/d"})
    {'key-id'}
    """
    return set[str]().union(*(address_users(value) for name, value in environ.items() if _SERVICE.search(name)))


def hide(text: str, secrets: Iterable[str]) -> str:
    r"""Return a text without secrets: each, as it is or as URLs, JSON, HTML and Python write it, and its pieces.

    Stars stand in their place. Only whole words are hidden, but for those that no other word holds by chance, and none
    of fewer than four characters: other texts hold such, too. A driver that can't read an address quotes the piece that
    it stumbled over.

    >>> hide("bad port 'x' in pw@1:x; no p%40ss", ["pw@1:x", "p@ss"])
    "bad port 'x' in ***; no ***"
    >>> hide(r'{"said":"\np\"w d"}', ['p"w d'])
    '{"said":"\\n***"}'
    """
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    for form in forms:  # one after the other: a long one may begin behind a shorter one that overlaps it
        if form in text:
            before, after = ("", "") if len(form) >= _LONG else (_BEFORE, "(?![A-Za-z0-9])")
            text = re.sub(f"{before}{re.escape(form)}{after}", HIDDEN, text)
    return text


def hide_repeated(text: str, secrets: Iterable[str]) -> str:
    """Return what a server says, which may repeat what it was sent and cut it off in the middle, without secrets.

    >>> hide_repeated("ERR unknown: 'AUTH' 'canary-71", ["canary-7193"])
    "ERR unknown: 'AUTH' '***"
    >>> hide_repeated("no: canary-7...", ["canary-7193"]), hide_repeated("a scanary.", ["canary-7193"])
    ('no: ***...', 'a scanary.')
    """
    secrets = list(secrets)
    text = hide(text, secrets)
    end = text.rstrip(_AFTER_CUT)
    forms = {form for secret in secrets for form in _forms(secret)}
    starts = {form[:size] for form in forms for size in range(_SHORTEST, len(form)) if end.endswith(form[:size])}
    cut = len(max(starts, key=len, default=""))
    if cut == 0 or end[:-cut][-1:].isalnum():  # a word that only ends so
        return text
    return f"{end[:-cut]}{HIDDEN}{text[len(end) :]}"


def hide_address_secrets(text: str, address: str) -> str:
    """Return what somebody said of an address without the secrets in it."""
    return hide(text, address_secrets(address))


@lru_cache(maxsize=256)  # a server hides the same ones in each line that it writes
def _forms(secret: str) -> frozenset[str]:
    spelled = {secret, unquote(secret), unquote_plus(secret), quote(secret, safe=""), quote_plus(secret)}
    cuts = {(form, cut.start(), cut.end()) for form in spelled for cut in _CUT.finditer(form)}
    ends = {form[:begin] for form, begin, _ in cuts} | {form[end:] for form, _, end in cuts}
    pieces = {piece for form in spelled for piece in _CUT.split(form)}
    forms = {form for form in spelled | ends | pieces if len(form) >= _SHORTEST}
    return frozenset(forms.union(*map(_escaped, forms)))


def _escaped(form: str) -> set[str]:
    """Return a text as JSON and Python write it between quotes, and as HTML does."""
    python = {repr(form)[1:-1], form.replace("\\", "\\\\").replace("'", "\\'")}
    page = {html.escape(form), html.escape(form).replace("&#x27;", "&#39;"), html.escape(form, quote=False)}
    return python | page | {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)}
