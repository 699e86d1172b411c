"""A worker: it takes what a topic has, stamps it, writes it to the lists of the views, and logs it.

One turn after another; a turn that fails leaves nothing that the next one does not do again. Which partitions it has is
for dividing the work alone: what two workers do with one partition at the same time is done once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Final

from featurectl.core.dataclass import dataclass
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import RETENTION_US
from featurectl.language.definitions.view import FeatureView
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    GenerationCut,
    KnownStamps,
    ReadingPosition,
    StampRange,
    StreamSource,
)
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from featurectl.streaming.compaction_queue import CompactionQueue
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.log_writer import QUIET_US, LogWriter
from featurectl.streaming.logged_events import merged_ranges, taken_ranges
from featurectl.streaming.partition_start import PartitionReading, PartitionStart, WorkerTopic
from featurectl.streaming.read_events import EventReader, StampedBatch, appends_of, rejection_kind
from featurectl.streaming.topics.base import MessageBatch, TakeLimits

if TYPE_CHECKING:
    from featurectl.streaming.avro_events import IdProblem

_LOG_EVERY_S: Final = 5.0
_AGAIN_SHARE: Final = 0.1
_BEAT_EVERY_S: Final = 0.05
_LAST_TRIES: Final = 10
_KEEP_S: Final = RETENTION_US / 1_000_000
_MOST_UNLOGGED: Final = 1_000_000
_LATE_US: Final = 60_000_000
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStream:
    """What a worker works on: a source, the views that read it, by `view@version`, and where its state is.

    `id_problem` says why the events of an Avro schema's id are not read; None: ids are not looked up.
    """

    source: Source
    views: Mapping[str, FeatureView]
    place: StreamSource
    state: StreamState
    id_problem: IdProblem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPace:
    """How often a worker does what it does beside taking events; `clock` gives seconds that only grow.

    Messages that are logged stay in the topic for `keep_s`: workers of another environment may read it as well.
    A commit to the log that came second is tried again after a part of `log_every_s`, as `random` (0 to 1) says.
    """

    clock: Callable[[], float]
    wall_us: Callable[[], int]
    log_every_s: float = _LOG_EVERY_S
    beat_every_s: float = _BEAT_EVERY_S
    most_unlogged: int = _MOST_UNLOGGED
    keep_s: float = _KEEP_S
    random: Callable[[], float] = random.random


@dataclass(slots=True, kw_only=True)
class WorkerCounts:
    """What a worker has done since it began. `begun_anew`: how often it took up partitions again after a loss.

    `late` are events whose time lies more than a minute before their stamp, `reasons` count the rejected ones by kind,
    and `logged_at_s` is when the log last said what was taken, by the wall, 0.0 where it never did.
    """

    events: int = 0
    late: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    logged: int = 0
    compacted: int = 0
    begun_anew: int = 0
    logged_at_s: float = 0.0


class StreamWorker:
    """Works on one source; `step` does one turn. Not for several threads."""

    def __init__(self, stream: WorkerStream, topic: WorkerTopic, log: LogWriter, pace: WorkerPace) -> None:
        self.stream, self.topic, self.log, self._pace = stream, topic, log, pace
        self._events = EventReader(stream.source, stream.id_problem)
        self._records = GenerationRecords(stream.place, stream.state, stream.views, self._events.decoder)
        self.compaction = CompactionQueue(self._records.layout)
        self.counts = WorkerCounts()
        self.readings: dict[int, PartitionReading] = {}
        self.start = PartitionStart(topic, log, pace.wall_us)
        self._connection: StreamConnection | None = None
        self._logged_at = self._beat_at = pace.clock()
        self.log_fails = False  # the last try to write it
        self.again: set[int] = set()  # partitions that are to begin anew

    @property
    def connection(self) -> StreamConnection:
        """The connection to the store; one that was lost is opened anew, and all partitions begin anew."""
        if self._connection is None:
            self._connection = self.stream.state.connect(self.stream.place)
            self.again |= set(self.readings)
        return self._connection

    @property
    def unlogged(self) -> int:
        """How many events wait for the log."""
        return sum(of.taken.events for of in list(self.readings.values()))  # of any thread

    def step(self, limits: TakeLimits) -> int:
        """Do one turn, and return how many events it took.

        Raises:
            StoreError: the topic, the store or the log can't be used now; the next turn begins where this one did.
        """
        try:
            if sum(of.taken.size for of in self.readings.values()) >= self._pace.most_unlogged:
                self.write_log()  # nothing is taken as long as that fails
            taken = self._take(self.connection, limits)
            self._do_the_rest(self.connection)
        except ConnectionLostError:
            self.counts.begun_anew += 1
            self._disconnect()
            return 0
        return taken

    def _take(self, connection: StreamConnection, limits: TakeLimits) -> int:
        taken = 0
        try:
            self._begin_all()
            delivery = self.topic.reader.take(limits)
            for partition in delivery.revoked:
                self.readings.pop(partition, None)
                self.again.discard(partition)
            self.again |= set(delivery.gained)  # the reader says so once, whatever fails here
            self._begin_all()
            for of in self.readings.values():
                of.at_end = False
            for batches in _one_of_each(delivery.batches):
                taken += self._apply(connection, [batch for batch in batches if self._follows(batch)])
            for partition, end in delivery.ends.items():
                reading = self.readings.get(partition)
                if reading is not None:
                    reading.at_end = end == reading.position
        except BaseException:  # what comes after this leaves the places in the partitions as they are
            self.again |= set(self.readings)
            raise
        return taken

    def _begin_all(self) -> None:
        again = sorted(self.again)
        if len(again) > 1:
            self.start.meet(again, self.connection)
        for partition in again:
            self.begin(partition)
        self.again.clear()

    def _do_the_rest(self, connection: StreamConnection) -> None:
        now = self._pace.clock()
        if now - self._beat_at >= self._pace.beat_every_s:
            self._beat_at = now
            self._beat(connection)
        if now - self._logged_at >= self._pace.log_every_s:
            self.write_log()
        self.counts.compacted += self.compaction.step(connection)

    def write_log(self, *, is_last: bool = False) -> bool:
        """Log what was taken; return whether that was done, not refused as another commit came between.

        `is_last`: the log is to say as of when nothing more came, however short it was.
        """
        self._logged_at = self._pace.clock()
        self.log_fails = True
        taken = {of.name: of.taken for of in self.readings.values()}
        commit = self.log.commit(taken, self.connection, quiet_us=1 if is_last else QUIET_US)
        self.log_fails = False
        if commit is None:  # others have that turn: those who try again do so at other times
            self._logged_at -= self._pace.log_every_s * (1 - _AGAIN_SHARE * self._pace.random())
            return False
        self.counts.logged += commit.rows
        self.counts.logged_at_s = self._pace.wall_us() / _SECOND_US
        ends = {partition: commit.ends.get(of.name, 0) for partition, of in self.readings.items()}
        for partition, of in self.readings.items():
            end = ends[partition]
            of.taken.forget(end)
            of.own[:] = [each for each in of.own if each.end > end]
            self.connection.register.forget(of.number, end)
        self.topic.commit(ends, self._pace.wall_us() - round(self._pace.keep_s * 1_000_000))
        return True

    def close(self) -> None:
        """Log what was taken, and give everything back."""
        try:
            if self._connection is not None:
                self._beat(self._connection)
                # Workers that end together come between each other.
                any(self.write_log(is_last=True) for _ in range(_LAST_TRIES))
        finally:
            self._disconnect()
            self.topic.reader.close()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def begin(self, partition: int) -> None:
        """Begin with a partition, or begin it anew."""
        reading = self.start.begin(partition, self.connection, self.readings.get(partition))
        self.readings[partition] = reading
        self.topic.reader.seek(partition, reading.position)

    def _follows(self, batch: MessageBatch) -> bool:
        """Return whether a batch begins where its partition is; one that is elsewhere begins anew."""
        reading = self.readings.get(batch.partition)
        if reading is None:
            return False
        if batch.first != reading.position:
            self.again.add(batch.partition)
            return False
        return batch.end > batch.first

    def _apply(self, connection: StreamConnection, batches: Sequence[MessageBatch]) -> int:
        """Stamp the events of some batches, one of each partition, write them, and say that they are there."""
        claimed: list[tuple[MessageBatch, Sequence[StampRange], Sequence[GenerationCut], StampedBatch]] = []
        for messages in batches:
            reading = self.readings[messages.partition]
            events = self._events.read(messages)
            known = KnownStamps(logged=reading.logged, own=reading.own)
            claim = connection.register.claim(reading.number, messages.first, messages.end, known)
            if claim is None:
                self.again.add(messages.partition)
                continue
            self.start.see(claim.last)
            reading.own[:] = merged_ranges(with_stamps(reading.own, claim.stamps))
            stamped = self._events.stamp(events, reading.number, claim.stamps)
            claimed.append((messages, claim.stamps, claim.generations, stamped))
            self.counts.warned += events.warned
        appends = [
            each for _, _, generations, of in claimed for each in appends_of(of.events, generations, self._records)
        ]
        if appends:
            for append, lengths in zip(appends, connection.lists.append(appends), strict=True):
                self.compaction.see(append.generation, lengths)
        for messages, stamps, generations, stamped in claimed:
            self._finish(connection, messages, stamps, generations, stamped)
        return sum(len(messages.offsets) for messages, *_ in claimed)

    def _finish(
        self,
        connection: StreamConnection,
        messages: MessageBatch,
        stamps: Sequence[StampRange],
        generations: Sequence[GenerationCut],
        stamped: StampedBatch,
    ) -> None:
        reading, first, end = self.readings[messages.partition], messages.first, messages.end
        written = [each.generation for each in generations]
        done = connection.lists.mark(reading.number, first, end, generations) and connection.register.finish(
            reading.number, first, end, written
        )
        if not done:
            self.again.add(messages.partition)
            return
        reading.position = end
        reading.taken.add(taken_ranges(stamped, stamps, reading.name, self.stream.source))
        self.counts.events += len(stamped.events)
        self.counts.late += sum(event.event_us < event.available_us - _LATE_US for event in stamped.events)
        self.counts.rejected += len(stamped.rejected)
        self.counts.reasons.update(map(rejection_kind, stamped.rejected))

    def _beat(self, connection: StreamConnection) -> None:
        positions = [
            ReadingPosition(partition=of.number, position=of.position, at_end=of.at_end)
            for partition, of in self.readings.items()
            if partition not in self.again
        ]
        there = [partition for partition in self.readings if partition not in self.again]
        if positions:
            beaten = connection.register.heartbeat(positions)
            self.again |= {partition for partition, goes_on in zip(there, beaten, strict=True) if not goes_on}


def _one_of_each(batches: Sequence[MessageBatch]) -> Iterator[Sequence[MessageBatch]]:
    """Yield batches in rounds, one of each partition in each."""
    left = list(batches)
    while left:
        first = {batch.partition: batch for batch in reversed(left)}
        yield list(first.values())
        left = [batch for batch in left if first[batch.partition] is not batch]


def with_stamps(known: Sequence[StampRange], given: Sequence[StampRange]) -> list[StampRange]:
    """Return what a worker knows of stamps with those of a claim, which are newer.

    >>> known = [StampRange(first=0, end=9, stamp=1)]
    >>> [(r.first, r.end, r.stamp) for r in with_stamps(known, [StampRange(first=4, end=6, stamp=2)])]
    [(0, 4, 1), (4, 6, 2), (6, 9, 1)]
    """
    if not given:
        return list(known)
    first, end = given[0].first, given[-1].end
    before = [StampRange(first=r.first, end=min(r.end, first), stamp=r.stamp) for r in known if r.first < first]
    after = [StampRange(first=max(r.first, end), end=r.end, stamp=r.stamp) for r in known if r.end > end]
    return [*before, *given, *after]
