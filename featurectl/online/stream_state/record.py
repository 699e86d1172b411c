"""A raw record in a list: one event of one entity in one view, named by its partition and offset.

byte  0      format: 1
bytes 1-2    number of the partition in the register, unsigned, big-endian, as all that follows
bytes 3-10   offset, unsigned
bytes 11-18  event_time: microseconds since 1970-01-01T00:00:00Z, signed
bytes 19-26  available_at, the stamp, likewise
then         where the source has a `dedup_key`: 8 bytes, a hash of the values that name the event
then         a MessagePack array: the tiebreak columns, then the view's inputs, with values as rows have them
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, cast

import msgpack

from featurectl.core.errors import StoreError
from featurectl.online.corrupt_rows import BROKEN
from featurectl.online.stream_state.layout import ListLayout

RECORD: Final = 1
_PREFIX: Final = struct.Struct(">BHQqq")
_NAMED_PREFIX: Final = struct.Struct(">BHQqqQ")
pack_prefix: Final = (
    _PREFIX.pack
)  # of a record without a `dedup_key`: RECORD, partition, offset, event_us, available_us


class EventRecord(NamedTuple):
    """An event of an entity; values are as MessagePack has them: times in microseconds, dates in days, decimals texts.

    `name_hash` is that of the columns of the `dedup_key`, 0 where the source has none.
    """

    partition: int
    offset: int
    event_us: int
    available_us: int
    name_hash: int
    ties: tuple[object, ...]
    values: tuple[object, ...]


_record = cast("Callable[[tuple[object, ...]], EventRecord]", partial(tuple.__new__, EventRecord))


def pack_record(record: EventRecord, layout: ListLayout) -> bytes:
    """Return the bytes of a record."""
    partition, offset, event_us, available_us, name_hash, ties, values = record
    body: bytes = msgpack.packb((*ties, *values) if ties else values)
    if layout.has_dedup:
        return _NAMED_PREFIX.pack(RECORD, partition, offset, event_us, available_us, name_hash) + body
    return _PREFIX.pack(RECORD, partition, offset, event_us, available_us) + body


def unpack_record(data: bytes, layout: ListLayout) -> EventRecord:
    """Return a record of a list.

    Raises:
        StoreError: it is none of this layout.
    """
    prefix = _NAMED_PREFIX if layout.has_dedup else _PREFIX
    if data[:1] != bytes([RECORD]):
        raise later_list(data[0] if data else 0)
    try:
        known = prefix.unpack_from(data)
        body = msgpack.unpackb(data[prefix.size :])  # few bytes: to copy them takes less than a view of them
    except (struct.error, ValueError) as error:
        raise broken_list("a record's bytes are too few, or no MessagePack") from error
    ties = len(layout.ties)
    if not isinstance(body, list) or len(body) != ties + len(layout.inputs):
        raise broken_list("a record has other values than its layout")
    name_hash = known[5] if layout.has_dedup else 0
    _, partition, offset, event_us, available_us = known[:5]
    named = (tuple(body[:ties]), tuple(body[ties:])) if ties else ((), tuple(body))
    return _record((partition, offset, event_us, available_us, name_hash, *named))


def tie_order(record: EventRecord) -> tuple[tuple[int, object], ...]:
    """Return by what a record is ordered among others of its instants: a null is last, NaN before it."""
    return tuple(
        (2, 0) if value is None else (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)
        for value in record.ties
    )


def broken_list(what: str) -> StoreError:
    """Return the error that a list holds something that it can't hold."""
    hint = "featurectl stream rebuild VIEW writes it anew; does another program write its keys?"
    return StoreError(f"the online store holds a broken list of events: {what}", code=BROKEN, hint=hint)


def later_list(found: int) -> StoreError:
    """Return the error that a list holds an element of a format that this version does not read."""
    hint = "use the version of featurectl whose workers wrote it, or a later one"
    return StoreError(f"the online store holds an element of format {found} in a list", code="FC602", hint=hint)
