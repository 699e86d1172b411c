"""The secrets of addresses: found in them, and taken out of texts that others wrote, as those of drivers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN: Final = "***"
_SHORTEST: Final = 4  # characters of a piece of a secret that is worth hiding: shorter ones stand in any text
_BEGIN: Final = r"[a-zA-Z][a-zA-Z0-9+.-]*://"
_ADDRESS: Final = re.compile(rf"(?<![a-zA-Z0-9+.-]){_BEGIN}[^\s'\"<>]+")
_QUOTED: Final = re.compile(rf"(?<=')({_BEGIN}[^'\n]+)'|(?<=\")({_BEGIN}[^\"\n]+)\"")
_WHOLE: Final = re.compile(rf"{_BEGIN}[^\n]+")
_QUERY_VALUE: Final = re.compile(r"[?&;]([^=&;?]*)=([^&;]*)")
_CUT: Final = re.compile(r"[@/:?#&=;,\s]+")
_PARAMETER: Final = re.compile(
    r"table|user(name)?|host|port|db|dbname|mode|uri|region|protocol|application_name|ssl(mode|_cert_reqs)|.*timeout",
    re.IGNORECASE,
)  # parameters whose values may be shown, when they are such
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.]{0,30}")
_VARIABLE: Final = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|auth$|pgpass|webhook|(api|account|access|routing)_?keys?$",
    re.IGNORECASE,
)


def address_secrets(text: str) -> set[str]:
    """Return what is secret in the addresses of a text: passwords, logins without one, values of most parameters.

    >>> sorted(address_secrets("to postgresql://ana:pw@1/x@db.host/d?password=other&table=scores"))
    ['other', 'pw@1/x']
    >>> address_secrets("s3://bucket/a@b and redis://token1@host")
    {'token1'}
    >>> "it's <1>" in address_secrets("redis://:it's <1>@host"), address_secrets('to "redis://:2 of@host", or')
    (True, {'2 of'})
    """
    found: set[str] = set()
    for address in _addresses(text):
        _, _, rest = address.partition("://")
        login, mark, _ = rest.rpartition("@")
        first = re.split(r"[/?#]", login, maxsplit=1)[0]
        if mark and (":" in first or first == login):
            user, colon, password = login.partition(":")
            found.add(password if colon else user)
        found |= {value for name, value in _QUERY_VALUE.findall(rest) if not _is_plain(name, value)}
    return {secret for secret in found if secret and "${" not in secret}


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
    """
    named = {name: value for name, value in environ.items() if _VARIABLE.search(name)}
    values = [value for value in named.values() if "://" not in value and not value.startswith("/")]
    words = {word.strip() for value in values for word in value.split(",")}
    urls = [value for value in environ.values() if "://" in value]
    return {word for word in words if len(word) >= _SHORTEST}.union(*map(address_secrets, urls))


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets: each, as it is or in the spelling of URLs, and their longer pieces, as stars.

    Only whole words are hidden, and none of fewer than four characters: other texts hold such, too. A driver that can't
    read an address quotes the piece that it stumbled over.

    >>> hide("bad port 'x' in pw@1:x; no p%40ss", ["pw@1:x", "p@ss"])
    "bad port 'x' in ***; no ***"
    """
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    for form in forms:  # one after the other: a long one may begin behind a shorter one that overlaps it
        if form in text:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", HIDDEN, text)
    return text


def hide_address_secrets(text: str, address: str) -> str:
    """Return what somebody said of an address without the secrets in it."""
    return hide(text, address_secrets(address))


def _forms(secret: str) -> set[str]:
    spelled = {secret, unquote(secret), unquote_plus(secret), quote(secret, safe=""), quote_plus(secret)}
    cuts = {(form, cut.start(), cut.end()) for form in spelled for cut in _CUT.finditer(form)}
    ends = {form[:begin] for form, begin, _ in cuts} | {form[end:] for form, _, end in cuts}
    pieces = {piece for form in spelled for piece in _CUT.split(form)}
    return {form for form in spelled | ends | pieces if len(form) >= _SHORTEST}
