"""One packed row -> its values and instants in Python; of many at once `columns.py` is the fast form of this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgpack

from featurectl.core.errors import StoreError
from featurectl.online.base import OnlineRow
from featurectl.online.codec import (
    AVAILABLE_BYTES,
    COMPUTED_BYTES,
    EVENT_BYTES,
    HEADER_BYTES,
    SCHEMA_BYTES,
    unpack_instant,
)
from featurectl.online.corrupt_rows import NO_ROW, BrokenRowError, RowPlace, checked_values
from featurectl.online.decode.values import decoder
from featurectl.online.row_schema import FORMAT, RowSchema

_EVENT: Final = slice(*EVENT_BYTES)
_AVAILABLE: Final = slice(*AVAILABLE_BYTES)
_COMPUTED: Final = slice(*COMPUTED_BYTES)
_SCHEMA: Final = slice(*SCHEMA_BYTES)


def row_schema_id(data: bytes, place: RowPlace | None = None) -> int:
    """Return the schema id of a row; `place` is for messages.

    Raises:
        BrokenRowError: the bytes are too few to be a row.
        StoreError: a row of a later format.
    """
    if len(data) < HEADER_BYTES:
        what = f"it has {len(data)} bytes, fewer than a row's head" if data else NO_ROW
        raise BrokenRowError(what, place)
    if data[0] != FORMAT:
        raise StoreError(
            f"the online store holds a row of format {data[0]}; this version reads format {FORMAT}",
            code="FC602",
            hint="use the version of featurectl that pushed it, or a later one",
        )
    return int.from_bytes(data[_SCHEMA], "big")


def unpack_row(
    data: bytes, schema: RowSchema, meanings: Mapping[str, str] | None = None, place: RowPlace | None = None
) -> OnlineRow:
    """Return a row in Python values; a decimal is a `Decimal`, a timestamp a `datetime` in UTC, a date a `date`.

    Values whose meaning is not the one in `meanings` are left out; `place` is for messages.

    Raises:
        BrokenRowError: it is no row of this schema.
    """
    try:
        return _unpacked(data, schema, meanings or {})
    except BrokenRowError as error:
        raise BrokenRowError(error.what, place) from error
    except (ValueError, ArithmeticError) as error:
        raise BrokenRowError("its values can't be read", place) from error


def _unpacked(data: bytes, schema: RowSchema, wanted: Mapping[str, str]) -> OnlineRow:
    computed_at = unpack_instant(data[_COMPUTED])
    if computed_at is None:
        raise BrokenRowError("it has no instant of its computation")
    packed = checked_values(msgpack.unpackb(memoryview(data)[HEADER_BYTES:]), schema.features)
    return OnlineRow(
        event_time=unpack_instant(data[_EVENT]),
        available_at=unpack_instant(data[_AVAILABLE]),
        computed_at=computed_at,
        values={
            name: value if value is None else decoder(dtype)(value)
            for (name, dtype), value in zip(schema.features.items(), packed, strict=True)
            if schema.means(name, wanted.get(name))
        },
    )
