"""How long an object store is waited for, and what it says when it refuses: three libraries speak to it.

A request that gets no byte for `READ_S` is tried again, as are those that it answers with 5xx, until `RETRY_S` have
gone by since the first: an operation ends within `READ_S + RETRY_S`, whatever the store does. A library may make more
than one of them for a call.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Any, Final

from featurectl.core.secrets import (
    hide_address_secrets,
    hide_repeated,
    variable_secrets,
    variable_users,
    without_logins,
)

CONNECT_S: Final = 5.0
READ_S: Final = 20.0
RETRY_S: Final = 30.0
REQUEST_S: Final = 120.0  # of one request that goes on being answered
RETRIES: Final = 5
_ALLOW_HTTP: Final = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP", "ALLOW_HTTP")
_YES: Final = ("1", "true", "on", "yes", "y")
_COLOR: Final = re.compile("\x1b\\[[0-9;]*m")
_BRANCH: Final = re.compile(r"(?<!\s)\s*↳\s*")
_POLARS_HINT: Final = " (set POLARS_VERBOSE=1 to see full path)"
_LONGEST: Final = 500  # characters of a reason
_MESSAGE: Final = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_CODE: Final = re.compile(r"<Code>(.*?)</Code>", re.DOTALL)
_STATUS: Final = re.compile(r"status code\W+(\d{3}(?: [A-Z][A-Za-z]+)*)")
_ASKED: Final = re.compile(r"Error performing [A-Z]+ (https?://[^/\s]+)")
_LOGIN: Final = re.compile(r"(?<=://).*@")
_CREDENTIALS: Final = ("169.254.", "metadata.google.internal")  # who is asked for them where the environment has none


_UNANSWERED: Final = re.compile(
    r"error sending request|operation timed out|error decoding response body|request or response body error"
    r"|connection closed before message completed|no answer from "
)


def polars_options(path: str) -> dict[str, Any] | None:
    """Return what Polars is given for a path in an object store; None of one in a folder."""
    if "://" not in path:
        return None
    client = {"connect_timeout": _ms(CONNECT_S), "read_timeout": _ms(READ_S), "timeout": _ms(REQUEST_S)}
    return {**client, "max_retries": RETRIES, "retry_timeout_ms": int(RETRY_S * 1000)}


def delta_options(location: str) -> dict[str, str] | None:
    """Return what deltalake is given for a table in an object store; None of one in a folder.

    It knows no time-out of a read, and reads no more than logs.
    """
    if "://" not in location:
        return None
    client = {"connect_timeout": _ms(CONNECT_S), "timeout": _ms(READ_S)}
    return {**client, "max_retries": f"{RETRIES}", "retry_timeout": _ms(RETRY_S)}


def client_options() -> dict[str, Any]:
    """Return how obstore speaks to a store; what is given here takes the place of what the environment says of it."""
    waits = {"connect_timeout": CONNECT_S, "read_timeout": READ_S, "timeout": REQUEST_S}
    given: dict[str, Any] = {name: timedelta(seconds=seconds) for name, seconds in waits.items()}
    if any(os.environ.get(name, "").lower() in _YES for name in _ALLOW_HTTP):
        given["allow_http"] = True
    return given


def retry_config() -> dict[str, Any]:
    """Return how often and how long obstore tries again."""
    return {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)}


def _ms(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"


def is_unanswered(error: Exception) -> bool:
    """Return whether a failure is that an object store does not answer: it will not answer the next request either.

    >>> is_unanswered(OSError("HTTP error: error sending request")), is_unanswered(OSError("schema mismatch"))
    (True, False)
    """
    return _UNANSWERED.search(_plain(error)) is not None


def _plain(error: Exception) -> str:
    """Return a failure's words; deltalake draws its cause as a tree in color, Polars has a hint of its own."""
    return _BRANCH.sub(": ", _COLOR.sub("", str(error))).replace(_POLARS_HINT, "").strip()


def refusal_of(error: Exception) -> str:
    r"""Return why an object store refused, or did not answer; of another error its first line.

    Neither names the login of an endpoint: libraries show its address whole, and a server may repeat what it was sent.

    >>> refusal_of(OSError("Error performing PUT http://127.0.0.1:9/b/x in 2ms - HTTP error: error sending request"))
    'no answer from http://127.0.0.1:9'
    >>> refusal_of(OSError("... status code: 403 Forbidden: <Code>NoSuchKey</Code><Message>It is gone.</Message>"))
    'It is gone (NoSuchKey)'
    >>> refusal_of(OSError("<Code>NoContainer</Code><Message>It is not there.\nRequestId:ef4\nTime:1</Message>"))
    'It is not there (NoContainer)'
    >>> refusal_of(OSError("Error performing GET http://h/b in 2ms - Server returned status code: 403 Forbidden: "))
    'http://h answers 403 Forbidden'
    >>> refusal_of(OSError("Error performing GET http://ana:p'w@h/b in 2ms - HTTP error: error sending request"))
    'no answer from http://h'
    >>> refusal_of(OSError("no such file: v1/part.parquet (set POLARS_VERBOSE=1 to see full path)"))
    'no such file: v1/part.parquet'
    """
    return without_secrets(_reason(error))


def without_secrets(text: str) -> str:
    """Return what a library says of an object store without logins, and without what is secret in the environment."""
    return hide_repeated(without_logins(text), variable_secrets(os.environ) | variable_users(os.environ))


def _reason(error: Exception) -> str:
    text = _plain(error)
    asked = _ASKED.search(text)
    host = _LOGIN.sub("", asked[1]) if asked else "the object store"
    if any(name in host for name in _CREDENTIALS):
        return "the environment has no credentials for the object store"
    if message := _MESSAGE.search(text):
        code = _CODE.search(text)
        reason = (message[1].strip().splitlines() or [""])[0].strip()  # Azure says the number of the request below it
        return f"{reason.rstrip('.')} ({code[1].strip()})" if code else reason
    if status := _STATUS.search(text):
        return f"{host} answers {status[1]}"
    if asked and is_unanswered(error):
        return f"no answer from {host}"
    first = (text.splitlines() or [type(error).__name__])[0]
    return hide_address_secrets(first, first)[:_LONGEST]
