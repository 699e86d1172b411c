"""What a process and the one that started it say to each other: data, of a length that is said before.

Nothing that comes back is code, or becomes any: the other side has read a file that nobody knows.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Mapping
from typing import Any, Final

import msgpack
import numpy as np
import numpy.typing as npt

_LENGTH: Final = struct.Struct(">Q")
_PIECE: Final = 1 << 20
_MOST: Final = 1 << 33
_ANY_PATH: Final = "surrogatepass"  # the name of a file need be no text
Message = Mapping[str, Any]


class ClosedError(Exception):
    """The other side is gone."""


class LateError(Exception):
    """The other side has not answered in time."""


def write_message(file: int, message: Message) -> None:
    """Write a message whole.

    Raises:
        ClosedError: nobody reads it any more.
    """
    content = msgpack.packb(dict(message), unicode_errors=_ANY_PATH)
    view = memoryview(_LENGTH.pack(len(content)) + content)
    try:
        while view:
            view = view[os.write(file, view[:_PIECE]) :]
    except BrokenPipeError as error:
        raise ClosedError from error


def read_message(file: int, seconds: float | None = None) -> Message:
    """Return the next message; `seconds` None waits for ever.

    Raises:
        ClosedError: there will be none.
        LateError: there was none in time.
    """
    end = None if seconds is None else time.monotonic() + seconds
    (length,) = _LENGTH.unpack(_read(file, _LENGTH.size, end))
    if length > _MOST:
        raise ClosedError
    found = msgpack.unpackb(_read(file, length, end), strict_map_key=False, unicode_errors=_ANY_PATH)
    if not isinstance(found, dict):
        raise ClosedError
    return found


def _read(file: int, length: int, end: float | None) -> bytes:
    found = bytearray()
    while len(found) < length:
        if end is not None and not select.select([file], [], [], max(end - time.monotonic(), 0))[0]:
            raise LateError
        piece = os.read(file, min(length - len(found), _PIECE))
        if not piece:
            raise ClosedError
        found += piece
    return bytes(found)


def packed(values: npt.NDArray[Any]) -> dict[str, object]:
    """Return an array of numbers as a part of a message."""
    return {"type": values.dtype.str, "shape": list(values.shape), "bytes": np.ascontiguousarray(values).tobytes()}


def unpacked(part: Any) -> npt.NDArray[Any]:
    """Return the array of a part of a message, of numbers and nothing else.

    Raises:
        ValueError: it is none.
    """
    kind = np.dtype(str(part["type"]))
    if kind.kind not in "biuf":
        raise ValueError(f"an array of {kind}")
    return np.frombuffer(part["bytes"], dtype=kind).reshape([int(size) for size in part["shape"]])
