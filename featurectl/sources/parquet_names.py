"""The names of a Parquet file's columns without Polars, from the Thrift structure (compact protocol) at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAGIC: Final = b"PAR1"
_TAIL: Final = 8  # the length of the structure, in 4 bytes, and the magic
_MOST_BYTES: Final = 64 << 20
_MOST_BITS: Final = 63  # of a number
_BOOLEAN, _BINARY, _LIST, _SET, _MAP, _STRUCT = 2, 8, 9, 10, 11, 12  # types of the protocol; 1 is a boolean, too
_FIXED: Final = {3: 1, 7: 8}  # those of a size that is known: a byte, a double
_SCHEMA, _NAME, _CHILDREN = 2, 4, 5  # fields of FileMetaData and of SchemaElement


def read_parquet_names(file: Path) -> list[str] | None:
    """Return the names of a Parquet file's columns, of nested ones the outermost; None: it seems to be no such file."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(-_TAIL, os.SEEK_END)
            tail = opened.read(_TAIL)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != _MAGIC or length > min(size, _MOST_BYTES):
                return None
            opened.seek(size - length)
            return _outermost(_elements(_Compact(data=opened.read(length))))
    except (OSError, ValueError, IndexError, StopIteration, RecursionError):
        return None


def _outermost(elements: Iterator[tuple[str, int]]) -> list[str]:
    """Return the children of the first of some elements, which lie depth first, each with how many it has."""
    _, outermost = next(elements)
    names = []
    for _ in range(outermost):
        name, below = next(elements)
        names.append(name)
        while below:
            below += next(elements)[1] - 1
    return names


def _elements(footer: _Compact) -> Iterator[tuple[str, int]]:
    for number, kind in footer.fields():
        if number != _SCHEMA or kind != _LIST:
            footer.skip(kind)
            continue
        for _ in range(footer.items()[0]):
            yield _element(footer)
        return


def _element(footer: _Compact) -> tuple[str, int]:
    name, children = "", 0
    for number, kind in footer.fields():
        if number == _NAME:
            name = footer.take(footer.number()).decode()
        elif number == _CHILDREN:
            children = footer.signed()
        else:
            footer.skip(kind)
    return name, children


@dataclass(slots=True, kw_only=True)
class _Compact:
    """Bytes of the compact protocol, read from one end to the other."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise ValueError(count)
        self.at += count
        return found

    def number(self) -> int:
        """Return a number of seven bits a byte, the lowest first."""
        found, shift = 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return found
            if shift > _MOST_BITS:
                raise ValueError(shift)

    def signed(self) -> int:
        found = self.number()
        return (found >> 1) ^ -(found & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Give the number and the type of each field of a struct; who gets one has to read or skip its value."""
        number = 0
        while head := self.take(1)[0]:
            number = number + (head >> 4) if head >> 4 else self.signed()
            yield number, head & 0x0F

    def items(self) -> tuple[int, int]:
        """Return how many items a list has, and their type."""
        head = self.take(1)[0]
        count = head >> 4
        return (self.number() if count == 0x0F else count), head & 0x0F

    def skip(self, kind: int) -> None:
        """Go past a value, a field's; a boolean lies in the type."""
        if kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind in (_LIST, _SET):
            count, inner = self.items()
            for _ in range(count):
                self.skip(inner) if inner > _BOOLEAN else self.take(1)
        elif kind == _MAP:
            raise ValueError(kind)  # a footer has none
        elif kind == _BINARY:
            self.take(self.number())
        elif kind in _FIXED:
            self.take(_FIXED[kind])
        elif kind > _BOOLEAN:
            self.number()
