"""A batch of messages becomes events: those that count, and those that are rejected, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from featurectl.language.definitions.source import Source
from featurectl.online.stream_state.base import GenerationCut, ListAppend, StampRange
from featurectl.online.stream_state.layout import AHEAD_US
from featurectl.streaming.entity_keys import EntityKey
from featurectl.streaming.erased_events import NO_STREAM_ERASURES, ErasedEvents, StreamErasures
from featurectl.streaming.event_checks import AHEAD, EventChecks
from featurectl.streaming.event_decoder import BadEvent, EventDecoder, EventRow
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.topics.base import MessageBatch
from featurectl.streaming.view_records import RecordContent, StampedEvent

if TYPE_CHECKING:
    from featurectl.streaming.avro_events import IdProblem


class ReadEvent(NamedTuple):
    """An event without a stamp: its offset, when it was true, and its columns."""

    offset: int
    event_us: int
    row: EventRow


# As the classes make them of their fields, which takes twice as long.
_read_event = cast("Callable[[tuple[object, ...]], ReadEvent]", partial(tuple.__new__, ReadEvent))
_stamped_event = cast("Callable[[tuple[object, ...]], StampedEvent]", partial(tuple.__new__, StampedEvent))


class RejectedEvent(NamedTuple):
    """An event that does not count, with its stamp, the reason, the column that is wrong ("": none), and its bytes."""

    offset: int
    stamp_us: int
    reason: str
    column: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """What a batch of messages holds: events by their offsets, and which are rejected, by their places in it."""

    messages: MessageBatch
    events: Sequence[ReadEvent]
    bad: Mapping[int, BadEvent]
    warned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedBatch:
    """The events of a batch with their stamps, and those that are rejected, both by offset; `erased` are in neither.

    Events of erased keys are left out as if their offsets had none. `erased` has those that could be read.
    """

    events: Sequence[StampedEvent]
    rejected: Sequence[RejectedEvent]
    erased: Sequence[StampedEvent] = ()
    left_out: int = 0


class EventReader:
    """Reads the events of a source, whose entities have some `keys`, and leaves out those of erased keys."""

    def __init__(
        self,
        source: Source,
        id_problem: IdProblem | None = None,
        erased: StreamErasures = NO_STREAM_ERASURES,
        keys: Collection[EntityKey] = (),
    ) -> None:
        self.decoder = EventDecoder(source, id_problem)
        self._erased = ErasedEvents(erased, self.decoder)
        self._checks = EventChecks(source, self.decoder, keys)

    def read(self, messages: MessageBatch) -> EventBatch:
        """Return the events of a batch."""
        found: list[ReadEvent] = []
        places: list[int] = []
        bad: dict[int, BadEvent] = {}
        decode, event_us = self.decoder.decode, self.decoder.event_us
        for place, (offset, value) in enumerate(zip(messages.offsets, messages.values, strict=True)):
            row = decode(value)
            if isinstance(row, BadEvent):
                bad[place] = row
            else:
                found.append(_read_event((offset, event_us(row), row)))
                places.append(place)
        failed = self._checks.failed([event.row for event in found])
        bad |= {places[number]: why for number, why in failed.rejected.items()}
        if failed.rejected:
            found = [event for number, event in enumerate(found) if number not in failed.rejected]
        return EventBatch(messages=messages, events=found, bad=bad, warned=failed.warned)

    def stamp(self, batch: EventBatch, partition: int, stamps: Sequence[StampRange]) -> StampedBatch:
        """Return the events with their stamps; one that is dated too far ahead of its own is rejected now.

        Args:
            batch: What was read.
            partition: Its number in the register.
            stamps: Of all offsets of the batch, in order.
        """
        offsets, values = batch.messages.offsets, batch.messages.values
        known = stamps_of(offsets, stamps) if batch.bad or len(stamps) > 1 else {}
        rejected = (
            [
                RejectedEvent(offset, known[offset], batch.bad[place].reason, batch.bad[place].column, value)
                for place, (offset, value) in enumerate(zip(offsets, values, strict=True))
                if place in batch.bad
            ]
            if batch.bad
            else []
        )
        only = stamps[0].stamp
        events: list[StampedEvent] = []
        ahead: dict[int, int] = {}
        for offset, event_us, row in batch.events:
            stamp = known[offset] if known else only
            if event_us > stamp + AHEAD_US:
                ahead[offset] = stamp
            else:
                events.append(_stamped_event((partition, offset, event_us, stamp, row)))
        if ahead:
            by_offset = dict(zip(offsets, values, strict=True))
            rejected += [RejectedEvent(at, stamp, AHEAD, "", by_offset[at]) for at, stamp in ahead.items()]
        stamped = StampedBatch(events=events, rejected=sorted(rejected))
        return self._without_erased(stamped) if self._erased else stamped

    def _without_erased(self, batch: StampedBatch) -> StampedBatch:
        """Return the events and the rejected ones that are not of erased keys."""
        erased = [event for event in batch.events if self._erased.has(event.row, event.event_us, event.available_us)]
        bad = {each.offset for each in batch.rejected if self._erased.has_bytes(each.value, each.stamp_us)}
        if not erased and not bad:
            return batch
        gone = {event.offset for event in erased}
        return StampedBatch(
            events=[event for event in batch.events if event.offset not in gone],
            rejected=[each for each in batch.rejected if each.offset not in bad],
            erased=erased,
            left_out=len(erased) + len(bad),
        )


def appends_of(
    events: Sequence[StampedEvent], generations: Sequence[GenerationCut], records: GenerationRecords
) -> list[ListAppend]:
    """Return what some events append to the lists of generations.

    Raises:
        StoreError: what makes the records of a generation is not known here, or can't be read.
    """
    appends: list[ListAppend] = []
    rows = [event.row for event in events]
    whole: dict[RecordContent, list[bytes]] = {}  # views that keep the same of an event have the same bytes of it
    for generation in [each.generation for each in generations]:
        made = records.of(generation)
        entities = [*map(made.entity, rows)]
        if None not in entities:
            if made.content not in whole:
                whole[made.content] = [*map(made.element, events)]
            elements = whole[made.content]
        else:
            elements = [made.element(event) for event, key in zip(events, entities, strict=True) if key is not None]
        keys = [key for key in entities if key is not None]
        if keys:
            appends.append(ListAppend(generation=generation, entities=keys, elements=elements))
    return appends


def stamps_of(offsets: Sequence[int], stamps: Sequence[StampRange]) -> Mapping[int, int]:
    """Return the stamp of each offset, of ranges in order that have them all.

    >>> stamps_of([3, 5, 9], [StampRange(first=3, end=6, stamp=70), StampRange(first=6, end=10, stamp=80)])
    {3: 70, 5: 70, 9: 80}
    """
    ranges: Iterator[StampRange] = iter(stamps)
    known: dict[int, int] = {}
    current = next(ranges, None)
    for offset in offsets:
        while current is not None and offset >= current.end:
            current = next(ranges, None)
        assert current is not None, f"offset {offset} has no stamp"
        known[offset] = current.stamp
    return known
