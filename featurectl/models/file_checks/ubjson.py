"""UBJSON, as XGBoost writes it: read without any library, with arrays as numpy's."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

_DEEPEST: Final = 100
_WHOLE: Final = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8"}
_NUMBERS: Final = {**_WHOLE, "d": ">f4", "D": ">f8"}
_PLAIN: Final = {"Z": None, "T": True, "F": False}


def read_ubjson(content: bytes) -> Any:
    """Return the document that UBJSON holds.

    Raises:
        ValueError: it is cut off, or no UBJSON.
    """
    reader = _Reader(content)
    try:
        found = reader.value(reader.mark(), 0)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("it is cut off, or no UBJSON") from error
    if reader.place != len(content):
        raise ValueError("something comes after its end")
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def mark(self) -> str:
        self.place += 1
        return chr(self._content[self.place - 1])

    def value(self, mark: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"it is deeper than {_DEEPEST}")
        match mark:
            case "{":
                return self._object(depth)
            case "[":
                return self._array(depth)
            case "S":
                return self._text()
            case _ if mark in _NUMBERS:
                return self._numbers(mark, 1)[0].item()
            case _ if mark in _PLAIN:
                return _PLAIN[mark]
            case _:
                raise ValueError(f"it is no UBJSON: {mark!r} at {self.place - 1:,}")

    def _numbers(self, mark: str, count: int) -> Any:
        kind = np.dtype(_NUMBERS[mark])
        if count > (len(self._content) - self.place) // kind.itemsize:
            raise ValueError("it is cut off: an array is longer than what is left")
        found = np.frombuffer(self._content, dtype=kind, count=count, offset=self.place)
        self.place += count * kind.itemsize
        return found

    def _length(self) -> int:
        mark = self.mark()
        if mark not in _WHOLE:
            raise ValueError(f"it is no UBJSON: a length of type {mark!r}")
        length = int(self._numbers(mark, 1)[0])
        if not 0 <= length <= len(self._content) - self.place:
            raise ValueError(f"it is cut off: a length of {length:,}")
        return length

    def _text(self) -> str:
        length = self._length()
        self.place += length
        return self._content[self.place - length : self.place].decode()

    def _array(self, depth: int) -> Any:
        mark = self.mark()
        if mark == "$":
            kind = self.mark()
            if self.mark() != "#" or kind not in _NUMBERS:
                raise ValueError(f"it is no UBJSON: an array of type {kind!r}")
            return self._numbers(kind, self._length())
        if mark == "#":
            return [self.value(self.mark(), depth + 1) for _ in range(self._length())]
        found = []
        while mark != "]":
            found.append(self.value(mark, depth + 1))
            mark = self.mark()
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while chr(self._content[self.place]) != "}":
            name = self._text()
            if name in found:
                raise ValueError(f"it has two of {name!r}")
            found[name] = self.value(self.mark(), depth + 1)
        self.place += 1
        return found
