"""An event becomes a record in the lists of each view of its source: whose it is, and what the view keeps of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import Final, NamedTuple, cast

import msgpack

from featurectl.core.dtypes import MOST_KEY_BYTES, STRING
from featurectl.expressions.row import to_closure
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import KeyValue
from featurectl.online.codec import pack_key
from featurectl.online.stream_state.layout import ListLayout, layout_of
from featurectl.online.stream_state.record import RECORD, EventRecord, pack_prefix, pack_record
from featurectl.streaming.event_decoder import EventDecoder, EventRow

_HASH_BYTES: Final = 8


class StampedEvent(NamedTuple):
    """An event that counts: its place, when it was true, when it could be known, and its columns."""

    partition: int
    offset: int
    event_us: int
    available_us: int
    row: EventRow


@dataclass(frozen=True, slots=True)
class RecordContent:
    """What records keep of the events of one source; those of equal contents have the same bytes."""

    inputs: tuple[Expression, ...]
    ties: tuple[str, ...]
    has_dedup: bool


class ViewRecords:
    """Makes the records of one view version; `layout` is what its lists keep, of inputs that the view has.

    `entity` gives the packed key of the entity of an event's columns; None where the view does not have the event, as
    `where` leaves it out, or its key has a null or is too long for a store. `element` gives the bytes of what the view
    keeps of an event, which is its `content`. Not for several threads.
    """

    def __init__(self, view: FeatureView, decoder: EventDecoder, layout: ListLayout | None = None) -> None:
        self.layout = layout or layout_of(view)
        key = _key_reader([decoder.places[name] for name in view.key_columns], [*view.key_types.values()])
        self.entity = key if view.where is None else _key_where(_closure(view.where, decoder), key)
        self._ties = _columns([itemgetter(decoder.places[name]) for name in view.source.tiebreak])
        named = {item.name: item.expression for item in view.inputs}
        inputs = tuple(named[name] for name in self.layout.inputs)
        self.content = RecordContent(inputs, tuple(self.layout.ties), self.layout.has_dedup)
        self._inputs = _inputs(inputs, decoder)
        self._name = EventNames(view.source, decoder) if self.layout.has_dedup else None
        self.element = self._element()

    def record(self, event: StampedEvent) -> EventRecord:
        """Return what the view keeps of an event."""
        partition, offset, event_us, available_us, row = event
        name = 0 if self._name is None else self._name.hash(event)
        return EventRecord(partition, offset, event_us, available_us, name, self._ties(row), self._inputs(row))

    def _element(self) -> Callable[[StampedEvent], bytes]:
        """Return what gives the bytes of a record: `pack_record` of it, in one step where nothing names or ties it."""
        if self.layout.has_dedup or self.layout.ties:
            return lambda event: pack_record(self.record(event), self.layout)
        pack, inputs = msgpack.Packer().pack, self._inputs

        def packed(event: StampedEvent) -> bytes:
            partition, offset, event_us, available_us, row = event
            body: bytes = pack(inputs(row))
            return pack_prefix(RECORD, partition, offset, event_us, available_us) + body

        return packed


_Key = Callable[[EventRow], bytes | None]
_Columns = Callable[[EventRow], tuple[object, ...]]


def _columns(readers: Sequence[Callable[[EventRow], object]]) -> _Columns:
    if not readers:
        return lambda _: ()
    if len(readers) == 1:
        [only] = readers
        return lambda row: (only(row),)
    return lambda row: tuple([read(row) for read in readers])


def _inputs(expressions: Sequence[Expression], decoder: EventDecoder) -> _Columns:
    """Return what reads the inputs of a view: columns as they are at once."""
    trees = [expression.tree for expression in expressions]
    places = [decoder.places[str(tree.value)] for tree in trees if tree is not None and tree.op == "col"]
    if len(places) == len(trees) > 1:
        return itemgetter(*places)
    return _columns([_closure(expression, decoder) for expression in expressions])


def _key_reader(places: Sequence[int], types: Sequence[str]) -> _Key:
    """Return what packs the key of an event's entity, None where a part of it is null or it is too long for a store."""
    if len(places) == 1 and types[0] == STRING:
        [place] = places

        def packed(row: EventRow) -> bytes | None:
            text = row[place]
            if text is None:
                return None
            encoded = str(text).encode()
            return _fitting(b"s%d:%b" % (len(encoded), encoded))

        return packed

    def packed_all(row: EventRow) -> bytes | None:
        key = [row[place] for place in places]
        return None if None in key else _fitting(pack_key(cast("Sequence[KeyValue]", key), types))

    return packed_all


def _fitting(key: bytes) -> bytes | None:
    return key if len(key) <= MOST_KEY_BYTES else None


def _key_where(where: Callable[[EventRow], object], key: _Key) -> _Key:
    return lambda row: key(row) if where(row) is True else None


class NullKeys:
    """Counts the events that views leave out, as a part of the key of their entity is null; `views` are by name.

    Such an event is not rejected: another view of its source may have another entity.
    """

    def __init__(self, views: Mapping[str, FeatureView], decoder: EventDecoder) -> None:
        keyed = {name: view for name, view in views.items() if view.key_columns}
        self._places = {name: tuple(decoder.places[of] for of in view.key_columns) for name, view in keyed.items()}
        self._wheres = {name: _closure(view.where, decoder) for name, view in keyed.items() if view.where is not None}

    def count(self, rows: Sequence[EventRow]) -> Counter[str]:
        """Return how many events each view would have taken, but for their key; views that lack none are left out."""
        without: dict[tuple[int, ...], list[EventRow]] = {}
        for places in {*self._places.values()}:
            one, *others = places
            if others:
                without[places] = [row for row in rows if None in [row[place] for place in places]]
            else:
                without[places] = [row for row in rows if row[one] is None]
        counts: Counter[str] = Counter()
        for name, places in self._places.items():
            where = self._wheres.get(name)
            if taken := sum(where is None or where(row) is True for row in without[places]):
                counts[name] = taken
        return counts


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
