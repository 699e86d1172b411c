"""The last events of the log are compared with the topic's messages at their offsets, as a partition begins.

A topic that came back from a copy older than the log gives offsets again that the log has of other events: once it ends
where it ended before, nothing but the messages tells. The worker's reader goes on a few messages before its place, so
that no other reading is needed. Only what can't be the same event is an error: where a message is gone, or can't be
read, or a column has no value on one side, or means what a setting of the source says, nothing is said.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.core.units import instant_us
from featurectl.language.definitions.source import Source
from featurectl.offline.event_log import OFFSET
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.logged_events import log_rows
from featurectl.streaming.partition_start import PartitionReading
from featurectl.streaming.read_events import StampedBatch
from featurectl.streaming.retirement import parse_name
from featurectl.streaming.topics.base import MessageBatch, MessageDelivery, TakeLimits, TopicReader
from featurectl.streaming.topics.faults import OtherMessageError, RetentionError
from featurectl.streaming.view_records import StampedEvent

if TYPE_CHECKING:
    from featurectl.streaming.avro_events import IdProblem

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_ELSEWHERE: Final = ("Etc/GMT+12", "Etc/GMT-14")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Awaited:
    """Which messages of a partition are to come: the events that the log has of their offsets, in their order.

    None: it is to be seen that the topic goes up to the end of the log, which its reader says at that place.
    """

    reading: PartitionReading
    events: pl.DataFrame | None

    @property
    def first(self) -> int:
        return (self.reading.logged_end or 0) if self.events is None else int(self.events[OFFSET][0])

    @property
    def last(self) -> int:
        return self.first if self.events is None else int(self.events[OFFSET][-1])


class ComparedMessages:
    """Gives the messages of a reader from the places of partitions on, whose last logged ones it has seen before."""

    def __init__(
        self, reader: TopicReader, source: Source, decoder: EventDecoder, id_problem: IdProblem | None = None
    ) -> None:
        self._reader, self._source, self._decoder, self._id_problem = reader, source, decoder, id_problem
        self._is_of_file = _is_of_file(source)
        self._columns = [*(source.columns or {})] if self._is_of_file else [source.event_time or ""]
        self._other: EventDecoder | None = None
        self._awaited: dict[int, _Awaited] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether messages are awaited."""
        return bool(self._awaited)

    def begin(self, partition: int, reading: PartitionReading) -> None:
        """Have the reader go on with a partition."""
        self._awaited.pop(partition, None)
        events, place = reading.last_logged, reading.position
        if reading.logged_end is not None or (events is not None and events.height):
            self._awaited[partition] = awaited = _Awaited(reading=reading, events=events)
            place = awaited.first
        self._reader.seek(partition, place)

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Return what the reader gives, from the places of partitions on.

        Raises:
            OtherMessageError: a message is another event than the log has of its offset.
            StoreError: as the reader.
        """
        try:
            delivery = self._reader.take(limits)
        except RetentionError as error:
            if not self._give_up(error.partition):
                raise
            return MessageDelivery()  # they were removed meanwhile
        for partition in delivery.revoked:
            self._awaited.pop(partition, None)
        if not self._awaited:
            return delivery
        batches: list[MessageBatch] = []
        went_back: set[int] = set()
        for batch in delivery.batches:
            if batch.partition not in self._awaited:
                batches += [] if batch.partition in went_back else [batch]
            elif (found := self._found(batch, went_back)) is not None:
                batches.append(found)
        for partition in delivery.ends:
            self._give_up(partition)  # nothing is there any more
        return replace(delivery, batches=batches)

    def _give_up(self, partition: int) -> bool:
        """Go on at the place of a partition, and return whether messages of it were awaited."""
        awaited = self._awaited.pop(partition, None)
        if awaited is None:
            return False
        self._reader.seek(partition, awaited.reading.position)
        return True

    def _found(self, batch: MessageBatch, went_back: set[int]) -> MessageBatch | None:
        """Return what `_seen` does; what an id of Avro means can't be asked for seconds where it can't be once."""
        try:
            return self._seen(batch, went_back)
        except OtherMessageError:
            raise
        except StoreError:
            for partition in [*self._awaited]:
                self._give_up(partition)
                went_back.add(partition)
            return None

    def _seen(self, batch: MessageBatch, went_back: set[int]) -> MessageBatch | None:
        """Return what of a batch lies behind the place of its partition, once all awaited messages were seen."""
        awaited = self._awaited[batch.partition]
        self._compare(awaited, batch)
        if batch.end <= awaited.last:
            return None
        place = awaited.reading.position
        if batch.first <= place <= batch.end:
            del self._awaited[batch.partition]
            return _cut(batch, place) if place < batch.end else None
        self._give_up(batch.partition)
        went_back.add(batch.partition)
        return None

    def _compare(self, awaited: _Awaited, batch: MessageBatch) -> None:
        messages = dict(zip(batch.offsets, batch.values, strict=True))
        for logged in [] if awaited.events is None else awaited.events.iter_rows(named=True):
            value = messages.get(logged[OFFSET])
            if value is None:  # removed, or in another batch
                continue
            sure = self._sure_values(value)
            other = [name for name, of in sure.items() if logged[name] is not None and not _is_same(logged[name], of)]
            if other and (self._is_of_file or all(_is_in(value, sure[at]) > _is_in(value, logged[at]) for at in other)):
                topic = parse_name(awaited.reading.name).topic
                raise OtherMessageError(topic, batch.partition, logged[OFFSET], other)

    def _sure_values(self, value: bytes) -> Mapping[str, object]:
        """Return the columns of an event as the log has them, without nulls and what depends on the source's words."""
        own, other = self._logged(value, self._decoder), self._logged(value, self._elsewhere())
        if own is None or other is None:
            return {}
        return {name: of for name, of in own.items() if of is not None and _is_same(of, other[name])}

    def _logged(self, value: bytes, decoder: EventDecoder) -> Mapping[str, object] | None:
        row = decoder.decode(value)
        if isinstance(row, BadEvent):
            return None
        events = [StampedEvent(partition=0, offset=0, event_us=0, available_us=0, row=row)]
        found = log_rows(StampedBatch(events=events, rejected=()), "", self._source).row(0, named=True)
        return {name: found[name] for name in self._columns}

    def _elsewhere(self) -> EventDecoder:
        """Return what reads events as if the source said another time zone, and other of NaN."""
        if self._other is None:
            zone = next(name for name in _ELSEWHERE if name != self._source.timezone)
            nan: Literal["null", "keep"] = "keep" if self._source.nan == "null" else "null"
            self._other = EventDecoder(replace(self._source, timezone=zone, nan=nan), self._id_problem)
        return self._other


def _is_of_file(source: Source) -> bool:
    """Return whether what is read of a body is what was written.

    A body of Avro whose id nobody looks up may be of another schema than the file's of today, by which fields of one
    type change their places. Of it only the event time is compared, and only where that is written as a number: it is
    another where the number that was logged is nowhere in the body.
    """
    stream = source.stream
    return stream is None or stream.format != "avro" or bool(stream.registry)


def _is_in(body: bytes, time: object) -> bool:
    r"""Return whether a body of Avro has a time as a number: microseconds or milliseconds, or the days of a date.

    >>> from datetime import timedelta
    >>> [_is_in(b"\0\x90N", date(1970, 1, 1) + timedelta(days)) for days in (5_000, 5_001)]
    [True, False]
    """
    if not isinstance(time, date):
        return False
    if not isinstance(time, datetime):
        return _varint(time.toordinal() - _EPOCH_DAY) in body
    micros = instant_us(time)
    return _varint(micros) in body or (micros % 1_000 == 0 and _varint(micros // 1_000) in body)


def _varint(number: int) -> bytes:
    """Return a number as Avro writes it: zigzag, seven bits a byte.

    >>> [_varint(number).hex() for number in (0, -1, 1, 64, -65)]
    ['00', '01', '02', '8001', '8101']
    """
    left, found = (number << 1) ^ (number >> 63), bytearray()
    while left > 127:
        found.append(left & 127 | 128)
        left >>= 7
    return bytes([*found, left])


def _cut(batch: MessageBatch, first: int) -> MessageBatch:
    """Return a batch from an offset on."""
    if first == batch.first:
        return batch
    begin = bisect_left(batch.offsets, first)
    return replace(
        batch,
        first=first,
        offsets=batch.offsets[begin:],
        keys=batch.keys[begin:],
        values=batch.values[begin:],
        sent_at_us=batch.sent_at_us[begin:],
    )


def _is_same(one: object, other: object) -> bool:
    """Return whether values are the same; those that are no numbers are.

    >>> [_is_same(float("nan"), float("nan")), _is_same(-0.0, 0.0), _is_same([1.0, None], [1.0, 2.0])]
    [True, True, False]
    """
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other
