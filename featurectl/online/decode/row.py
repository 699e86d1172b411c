"""One packed row -> its values and instants in Python; of many at once `columns.py` is the fast form of this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgpack

from featurectl.core.errors import StoreError
from featurectl.online.base import OnlineRow
from featurectl.online.codec import PLAIN, ROW_FORMATS, SCHEMA_BYTES, SHORT_FORMATS, header_bytes, unpack_header
from featurectl.online.corrupt_rows import NO_ROW, BrokenRowError, RowPlace, checked_values
from featurectl.online.decode.values import decoder
from featurectl.online.row_schema import RowSchema

_SCHEMA: Final = slice(*SCHEMA_BYTES)


def row_schema_id(data: bytes, place: RowPlace | None = None) -> int:
    """Return the schema id of a row; `place` is for messages.

    Raises:
        BrokenRowError: the bytes are too few to be a row.
        StoreError: a row of a later format.
    """
    if len(data) < header_bytes(data):
        what = f"it has {len(data)} bytes, fewer than a row's head" if data else NO_ROW
        raise BrokenRowError(what, place)
    if data[0] not in ROW_FORMATS:
        raise StoreError(
            f"the online store holds a row of format {data[0]}; this version reads formats 1 to {ROW_FORMATS[-1]}",
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
    if data[0] not in (PLAIN, short := SHORT_FORMATS[schema.newer_by]):
        raise BrokenRowError(f"it is of format {data[0]}, and rows of its view are of format {PLAIN} or {short}")
    event_time, available_at, computed_at = unpack_header(data)
    if computed_at is None:
        raise BrokenRowError("it has no instant of its computation")
    packed = checked_values(msgpack.unpackb(memoryview(data)[header_bytes(data) :]), schema.features)
    return OnlineRow(
        event_time=event_time,
        available_at=available_at,
        computed_at=computed_at,
        values={
            name: value if value is None else decoder(dtype)(value)
            for (name, dtype), value in zip(schema.features.items(), packed, strict=True)
            if schema.means(name, wanted.get(name))
        },
    )
