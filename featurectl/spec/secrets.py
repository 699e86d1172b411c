"""The secrets of addresses: found in them, and taken out of texts that others wrote, as those of drivers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN: Final = "***"
_SHORTEST: Final = 4  # characters of a piece of a secret that is worth hiding: shorter ones stand in any text
_ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")
_QUERY_VALUE: Final = re.compile(r"[?&;]([^=&;?]*)=([^&;]*)")
_CUT: Final = re.compile(r"[@/:?#&=;,\s]+")
_SECRET_NAME: Final = re.compile(
    r"pass(word|wd|phrase)?|pwd?|secret|token|credential|sas|sig(nature)?|auth|webhook|(api|account|access|routing)_?keys?",
    re.IGNORECASE,
)


def address_secrets(text: str) -> set[str]:
    """Return what is secret in the addresses of a text: passwords, logins without one, values of telling parameters.

    >>> sorted(address_secrets("to postgresql://ana:pw@1/x@db.host/d?password=other&table=scores"))
    ['other', 'pw@1/x']
    >>> address_secrets("s3://bucket/a@b and redis://token1@host")
    {'token1'}
    """
    found: set[str] = set()
    for address in _ADDRESS.findall(text):
        _, _, rest = address.partition("://")
        login, mark, _ = rest.rpartition("@")
        first = re.split(r"[/?#]", login, maxsplit=1)[0]
        if mark and (":" in first or first == login):
            user, colon, password = login.partition(":")
            found.add(password if colon else user)
        found |= {value for name, value in _QUERY_VALUE.findall(rest) if _SECRET_NAME.search(name)}
    return {secret for secret in found if secret and "${" not in secret}


def variable_secrets(environ: Mapping[str, str]) -> set[str]:
    """Return what is secret among environment variables: by their names, or in the addresses that they hold.

    >>> sorted(variable_secrets({"API_KEYS": "key-1,key-2", "DB": "postgresql://a:secret@h/d", "HOME": "/root"}))
    ['key-1', 'key-2', 'secret']
    """
    named = {name: value for name, value in environ.items() if _SECRET_NAME.search(name)}
    words = {word.strip() for value in named.values() if "://" not in value for word in value.split(",")}
    urls = [value for value in environ.values() if "://" in value]
    return {word for word in words if len(word) >= _SHORTEST} | address_secrets("\n".join(urls))


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets: each, as it is or in the spelling of URLs, and their longer pieces, as stars.

    A driver that can't read an address quotes the piece that it stumbled over.

    >>> hide("bad port 'x' in pw@1:x; no p%40ss", ["pw@1:x", "p@ss"])
    "bad port 'x' in ***; no ***"
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def hide_address_secrets(text: str, address: str) -> str:
    """Return what somebody said of an address without the secrets in it."""
    return hide(text, address_secrets(address))


def _forms(secret: str) -> set[str]:
    spelled = {secret, unquote(secret), unquote_plus(secret), quote(secret, safe=""), quote_plus(secret)}
    pieces = {piece for form in spelled for piece in _CUT.split(form) if len(piece) >= _SHORTEST}
    return {form for form in spelled | pieces if form}
