"""What an object store says when it refuses, in one line: the libraries for them tell it in pages."""

from __future__ import annotations

import re
from typing import Final

_COLOR: Final = re.compile("\x1b\\[[0-9;]*m")
_MESSAGE: Final = re.compile(r"<Message>\s*(.*?)\s*</Message>", re.DOTALL)
_CODE: Final = re.compile(r"<Code>\s*(.*?)\s*</Code>", re.DOTALL)
_STATUS: Final = re.compile(r"status code\W+(\d{3}(?: [A-Z][A-Za-z]+)*)")
_ASKED: Final = re.compile(r"Error performing [A-Z]+ (https?://[^/\s]+)")
_CREDENTIALS: Final = ("169.254.", "metadata.google.internal")  # who is asked for them where the environment has none


def refusal_of(error: Exception) -> str:
    """Return why an object store refused, or did not answer; of another error its first line.

    >>> refusal_of(OSError("Error performing PUT http://127.0.0.1:9/b/x in 2ms - HTTP error: error sending request"))
    'no answer from http://127.0.0.1:9'
    >>> refusal_of(OSError("... status code: 403 Forbidden: <Code>NoSuchKey</Code><Message>It is gone.</Message>"))
    'It is gone (NoSuchKey)'
    >>> refusal_of(OSError("Error performing GET http://h/b in 2ms - Server returned status code: 403 Forbidden: "))
    'http://h answers 403 Forbidden'
    >>> refusal_of(OSError("schema mismatch"))
    'schema mismatch'
    """
    text = _COLOR.sub("", str(error)).strip()
    asked = _ASKED.search(text)
    host = asked[1] if asked else "the object store"
    if any(name in host for name in _CREDENTIALS):
        return "the environment has no credentials for the object store"
    if message := _MESSAGE.search(text):
        code = _CODE.search(text)
        return f"{message[1].rstrip('.')} ({code[1]})" if code else message[1]
    if status := _STATUS.search(text):
        return f"{host} answers {status[1]}"
    if asked and "error sending request" in text:
        return f"no answer from {host}"
    return (text.splitlines() or [type(error).__name__])[0]
