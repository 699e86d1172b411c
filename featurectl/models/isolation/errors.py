"""Errors on their way out of the process that reads a model's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.core.errors import DataError, FeaturectlError, UsageError
from featurectl.models.isolation.messages import Message

_NO_MEMORY: Final = "memory"
_ERRORS: Final[Mapping[str, type[FeaturectlError]]] = {"usage": UsageError, "data": DataError}


def error_of(answer: Message) -> Exception:
    """Return the error that an answer names; what a library has raised is a ValueError."""
    kind, message = str(answer["kind"]), str(answer["message"])
    if kind == _NO_MEMORY:
        return MemoryError(message)
    if kind not in _ERRORS:
        return ValueError(message)
    return _ERRORS[kind](message, code=str(answer["code"]), hint=str(answer["hint"]))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a library says that there is no more memory; those in C++ do by a text."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in ("bad_alloc", "allocate memory"))


def error_message(error: BaseException) -> Message:
    """Return an error as an answer names it."""
    if is_out_of_memory(error):
        return {"kind": _NO_MEMORY, "message": ""}
    if isinstance(error, FeaturectlError):
        kind = next((name for name, of in _ERRORS.items() if isinstance(error, of)), "data")
        return {"kind": kind, "message": error.message, "code": error.code, "hint": error.hint}
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return {"kind": "library", "message": line[:300]}
