"""Keys and rows as PostgreSQL reads them in binary, of a whole chunk at once: no step of Python for each row."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from psycopg import Connection, Cursor, pq
from psycopg.adapt import Dumper

from featurectl.online.encode.cells import EncodedCells, FixedCells, Ragged, WholeNumbers, join_pieces, literal

_COPY_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no more of a header
_COPY_END: Final = b"\xff\xff"
_TWO_FIELDS: Final = b"\0\2"
_BYTEA: Final = 17
_BYTEAS: Final = 1001


@dataclass(frozen=True, slots=True)
class ByteaArray:
    """The bytes of a `bytea[]` that is sent as it is."""

    data: bytes


class ByteaArrayDumper(Dumper):
    """Says how a `ByteaArray` is sent."""

    format = pq.Format.BINARY
    oid = _BYTEAS

    def dump(self, obj: ByteaArray) -> bytes:
        """Return the bytes."""
        return obj.data


def bytea_cursor(session: Connection[Any]) -> Cursor[Any]:
    """Return a cursor that can send a `ByteaArray`."""
    cursor = session.cursor()
    cursor.adapters.register_dumper(ByteaArray, ByteaArrayDumper)
    return cursor


def bytea_array(items: Ragged) -> ByteaArray:
    """Return the bytes of each row as an element of an array, none of them null."""
    count = len(items.lengths)
    shape = struct.pack(">3i", 0, 0, _BYTEA) if not count else struct.pack(">5i", 1, 0, _BYTEA, count, 1)
    return ByteaArray(shape + join_pieces([_lengths(items), items], count).data.tobytes())


def copied_pairs(keys: Ragged, rows: Ragged) -> bytes:
    """Return what `COPY ... (format binary)` reads as lines of a key and a row each."""
    pieces: list[EncodedCells] = [literal(_TWO_FIELDS), _lengths(keys), keys, _lengths(rows), rows]
    return _COPY_BEGIN + join_pieces(pieces, len(keys.lengths)).data.tobytes() + _COPY_END


def ragged_of(items: list[bytes]) -> Ragged:
    """Return some bytes, one after the other in one array."""
    lengths: WholeNumbers = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
    return Ragged(np.frombuffer(b"".join(items), dtype=np.uint8), lengths)


def _lengths(items: Ragged) -> FixedCells:
    return FixedCells(items.lengths.astype(">i4").view(np.uint8).reshape(-1, 4))
