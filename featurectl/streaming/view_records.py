"""An event becomes a record in the lists of each view of its source: whose it is, and what the view keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, cast

import msgpack

from featurectl.expressions.row import to_closure
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import KeyValue
from featurectl.online.codec import pack_key
from featurectl.online.stream_state.layout import ListLayout, layout_of
from featurectl.online.stream_state.record import EventRecord, pack_record
from featurectl.streaming.event_decoder import EventDecoder, EventRow

_HASH_BYTES: Final = 8


class StampedEvent(NamedTuple):
    """An event that counts: its place, when it was true, when it could be known, and its columns."""

    partition: int
    offset: int
    event_us: int
    available_us: int
    row: EventRow


class ViewRecords:
    """Makes the records of one view version; `layout` is what its lists keep."""

    def __init__(self, view: FeatureView, decoder: EventDecoder, layout: ListLayout | None = None) -> None:
        self.layout = layout or layout_of(view)
        slots = decoder.places
        self._where = None if view.where is None else _closure(view.where, decoder)
        self._keys = [slots[name] for name in view.key_columns]
        self._key_types = tuple(view.key_types.values())
        self._ties = [slots[name] for name in view.source.tiebreak]
        self._inputs = [_closure(item.expression, decoder) for item in view.inputs]
        self._name = EventNames(view.source, decoder) if self.layout.has_dedup else None

    def entity(self, row: EventRow) -> bytes | None:
        """Return the packed key of an event's entity; None where the view does not have the event.

        That is one that `where` leaves out, or one whose key has a null.
        """
        if self._where is not None and self._where(row) is not True:
            return None
        key = [row[place] for place in self._keys]
        return None if None in key else pack_key(cast("Sequence[KeyValue]", key), self._key_types)

    def record(self, event: StampedEvent) -> EventRecord:
        """Return what the view keeps of an event."""
        row = event.row
        return EventRecord(
            event.partition,
            event.offset,
            event.event_us,
            event.available_us,
            0 if self._name is None else self._name.hash(event),
            tuple([row[place] for place in self._ties]),
            tuple([read(row) for read in self._inputs]),
        )

    def element(self, event: StampedEvent) -> bytes:
        """Return the bytes of what the view keeps of an event."""
        return pack_record(self.record(event), self.layout)


class EventNames:
    """Hashes of what names an event of a source: equal for copies, and of its own where a part of the name is null."""

    def __init__(self, source: Source, decoder: EventDecoder) -> None:
        self._places = [decoder.places[name] for name in source.dedup_key]

    def hash(self, event: StampedEvent) -> int:
        """Return 64 bits of BLAKE2b of the columns of the `dedup_key` as a MessagePack array.

        Of an event whose name has a null, of its partition and offset: a null equals nothing.
        """
        values = (event.row[place] for place in self._places)
        name = [value + 0.0 if isinstance(value, float) else value for value in values]  # -0.0 is 0.0
        packed: bytes = msgpack.packb([None, event.partition, event.offset] if None in name else name)
        return int.from_bytes(blake2b(packed, digest_size=_HASH_BYTES).digest(), "big")


def _closure(expression: Expression, decoder: EventDecoder) -> Callable[[Sequence[object]], object]:
    assert expression.tree is not None, "an untyped expression"
    return to_closure(expression.tree, decoder.places)
