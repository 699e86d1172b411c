"""A worker: it takes what a topic has, stamps it, writes it to the lists of the views, and logs it.

One turn after another; a turn that fails leaves nothing that the next one does not do again. Which partitions it has is
for dividing the work alone: what two workers do with one partition at the same time is done once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import NoAnswerError, RefusedDataError, StoreError
from featurectl.language.definitions.source import Source
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
from featurectl.streaming.commit_beside import CommitBeside
from featurectl.streaming.compaction_queue import CompactionQueue
from featurectl.streaming.compared_messages import ComparedMessages
from featurectl.streaming.entity_keys import entity_keys
from featurectl.streaming.erased_events import NO_STREAM_ERASURES, StreamErasures
from featurectl.streaming.erased_replays import ErasedReplays
from featurectl.streaming.event_checks import rejection_kind
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.log_writer import QUIET_US, LogWriter
from featurectl.streaming.logged_events import merged_ranges, rejected_rows, taken_ranges, with_stamps
from featurectl.streaming.partition_start import PartitionReading, PartitionStart, WorkerTopic
from featurectl.streaming.predictions import EventPredictor, NoPredictor, OfferedBatch, SettledBatch
from featurectl.streaming.read_events import EventReader, StampedBatch, appends_of
from featurectl.streaming.refused_events import WrittenEvents, write_apart
from featurectl.streaming.topics.base import MessageBatch, TakeLimits
from featurectl.streaming.view_records import NullKeys
from featurectl.streaming.worker_counts import WorkerCounts
from featurectl.streaming.worker_pace import WorkerPace

if TYPE_CHECKING:
    from featurectl.streaming.avro_events import IdProblem

_AGAIN_SHARE: Final = 0.1
_SHORT_S: Final = 0.002  # that a turn waits for events while others wait for a prediction
_WAITING_BEAT_S: Final = 0.005  # between two heartbeats meanwhile
_LAST_TRIES: Final = 10
_LATE_US: Final = 60_000_000
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStream:
    """What a worker works on: a source, the views that read it, by `view@version`, and where its state is.

    `id_problem` says why the events of an Avro schema's id are not read; None: ids are not looked up. Events of keys
    in `erased` are left out; `on_clean` hears of each view of whose lists all was removed that was erased.
    """

    source: Source
    views: Mapping[str, FeatureView]
    place: StreamSource
    state: StreamState
    id_problem: IdProblem | None = None
    erased: StreamErasures = NO_STREAM_ERASURES
    on_clean: Callable[[str], object] = lambda _: None


class StreamWorker:
    """Works on one source; `step` does one turn. Not for several threads."""

    def __init__(self, stream: WorkerStream, topic: WorkerTopic, log: LogWriter, pace: WorkerPace) -> None:
        self.stream, self.topic, self.log, self._pace = stream, topic, log, pace
        self.predictor: EventPredictor = NoPredictor()  # whoever predicts the events before they are logged
        self._events = EventReader(stream.source, stream.id_problem, stream.erased, entity_keys(stream.views.values()))
        self._records = GenerationRecords(stream.place, stream.state, stream.views, self._events.decoder)
        self._null_keys = NullKeys(stream.views, self._events.decoder)
        self.compaction = CompactionQueue(self._records.layout)
        decoder, id_problem = self._events.decoder, stream.id_problem
        self.messages = ComparedMessages(topic.reader, stream.source, decoder, id_problem)
        self._erased = ErasedReplays(stream.erased, stream.views, self._records)
        self.counts = WorkerCounts()
        self.readings: dict[int, PartitionReading] = {}
        self.start = PartitionStart(topic, log, pace.wall_us)
        self._connection: StreamConnection | None = None
        self._logged_at = self._beat_at = self._room_at = pace.clock()
        self.logging = CommitBeside(pace.beside)
        self._settled: list[SettledBatch] = []  # since it is under way
        self.turn_begun_s = 0.0  # by `time.monotonic`; 0.0: none was
        self.log_fails = False  # the last try to write it
        self.log_error: BaseException | None = None  # why
        self.again: set[int] = set()  # partitions that are to begin anew
        self._paused: set[int] = set()  # partitions that nothing is taken of, as there is no room

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
            taken = 0
            if self._has_room():
                self._resume()
                taken = self._take(self.connection, self._hurried(limits))
            else:  # predictions are far behind
                self._take_nothing(self.connection, limits)
            self._do_the_rest(self.connection)
        except ConnectionLostError:
            self.counts.begun_anew += 1
            self._disconnect()
            return 0
        return taken

    def _has_room(self) -> bool:
        """Return whether more can be taken; what waits for the log is logged first where it is much."""
        if not self.is_full:
            return True
        now = self._pace.clock()
        if not self.log_fails and now < self._room_at:
            return False  # what was not logged a moment ago waits for predictions
        self._room_at = now + self._pace.log_every_s * _AGAIN_SHARE
        self.begin_to_log()  # nothing is taken as long as that fails
        self._go_on_to_log()
        return not self.is_full

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the log, or for predictions, that no more is taken."""
        size = sum(of.taken.size for of in self.readings.values()) + self.predictor.waiting
        return size >= self._pace.most_unlogged

    def _take_nothing(self, connection: StreamConnection, limits: TakeLimits) -> None:
        """Keep the partitions, which the broker gives to others of a worker that it does not hear of for seconds."""
        self._paused |= set(self.readings)
        self.topic.reader.pause(self._paused)
        self._take(connection, replace(limits, timeout_s=0.0))
        for of in self.readings.values():
            of.at_end = False  # nobody looks whether more has come
        self._pace.sleep(limits.timeout_s)

    def _resume(self) -> None:
        """Have the reader take of all partitions again."""
        paused, self._paused = self._paused, set()
        if paused:
            self.topic.reader.resume(paused)

    def _hurried(self, limits: TakeLimits) -> TakeLimits:
        """Return the limits of a turn: where events wait for a prediction no other is waited for."""
        return replace(limits, timeout_s=min(limits.timeout_s, _SHORT_S)) if self.predictor.is_waiting else limits

    def _take(self, connection: StreamConnection, limits: TakeLimits) -> int:
        taken = 0
        try:
            self._begin_all()
            until_beat_s = max(self._beat_at + self._pace.beat_s(len(self.readings)) - self._pace.clock(), 0.0)
            delivery = self.messages.take(replace(limits, timeout_s=min(limits.timeout_s, until_beat_s)))
            for partition in delivery.revoked:
                self.readings.pop(partition, None)
                self.again.discard(partition)
                self.predictor.forget(partition)
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
        every_s = self._pace.beat_s(len(self.readings))
        if now - self._beat_at >= (min(every_s, _WAITING_BEAT_S) if self.predictor.is_waiting else every_s):
            self._beat_at = now
            self._beat(connection)
        self._settle()
        if now - self._logged_at >= self._pace.log_every_s:
            self.begin_to_log()
        self._go_on_to_log()
        self.counts.compacted += self.compaction.step(connection)

    def _settle(self, *, is_last: bool = False) -> None:
        """Predict events, and take note of what is settled: what is being logged stays as it is until that is done."""
        self._settled += self.predictor.step(is_last=is_last)
        if self.logging.is_under_way:
            return
        settled, self._settled = self._settled, []
        for partition, end, unscored in settled:
            reading = self.readings.get(partition)
            if reading is not None:
                reading.taken.settle(end, rejected_rows(unscored, reading.name) if unscored else None)

    def write_log(self, *, is_last: bool = False, until_s: float = math.inf) -> bool:
        """Log what was taken; return whether that was done, not refused as another commit came between.

        `is_last`: the log is to say as of when nothing more came, however short it was. It is waited for until
        `until_s`, by `time.monotonic`.
        """
        self._go_on_to_log(until_s)
        self.begin_to_log(is_last=is_last)
        return self._go_on_to_log(until_s)

    def begin_to_log(self, *, is_last: bool = False) -> None:
        """Begin to log what was taken, unless that is under way: the next turns go on with it."""
        if self.logging.is_under_way:
            return
        self._logged_at = self._pace.clock()
        taken = {of.name: of.taken for of in self.readings.values()}
        for waiting in taken.values():
            waiting.waits = not self.predictor.is_blocked
        self.logging.begin(self.log.commit(taken, self.connection, quiet_us=1 if is_last else QUIET_US))

    def _go_on_to_log(self, until_s: float | None = None) -> bool:
        """Go on with the commit that is under way; return whether it has come to its end and was not refused."""
        try:
            is_at_end = self.logging.go_on(until_s)
        except BaseException as error:
            self.log_fails, self.log_error = True, error
            raise
        if not is_at_end:
            return False
        self.log_fails, self.log_error, commit = False, None, self.logging.commit
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

    def close(self, limit_s: float = math.inf) -> None:
        """Log what was taken, and give everything back.

        Raises:
            NoAnswerError: the log has not answered for so many seconds; it is not asked again.
            StoreError: the store or the log can't be used.
        """
        until_s = time.monotonic() + limit_s
        try:
            if self._connection is not None:
                self._beat(self._connection)
                try:
                    self._go_on_to_log(until_s)
                except NoAnswerError:
                    raise
                except StoreError:  # which the last one may be spared
                    pass
                self._settle(is_last=True)
                # Workers that end together come between each other.
                any(self.write_log(is_last=True, until_s=until_s) for _ in range(_LAST_TRIES))
        finally:
            self._disconnect()
            self._resume()  # the reader may be another worker's next
            self.topic.reader.close()

    def _disconnect(self) -> None:
        self.logging.let_go()  # its result is of a register that is another one by now
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def begin(self, partition: int) -> None:
        """Begin with a partition, or begin it anew."""
        self.predictor.forget(partition)
        self._settled = [each for each in self._settled if each.partition != partition]
        reading = self.start.begin(partition, self.connection, self.readings.get(partition))
        self.readings[partition] = reading
        self.messages.begin(partition, reading)

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
        write = partial(self._append, connection)
        try:
            write([(of.events, generations) for _, _, generations, of in claimed])
        except RefusedDataError:
            claimed = [(m, s, generations, write_apart(m, generations, of, write)) for m, s, generations, of in claimed]
        self._erased.remove(connection, [(of.erased, generations) for _, _, generations, of in claimed])
        for messages, stamps, generations, stamped in claimed:
            self._finish(connection, messages, stamps, generations, stamped)
        return sum(len(messages.offsets) for messages, *_ in claimed)

    def _append(self, connection: StreamConnection, batches: Sequence[WrittenEvents]) -> None:
        appends = [each for events, generations in batches for each in appends_of(events, generations, self._records)]
        if appends:
            for append, lengths in zip(appends, connection.lists.append(appends), strict=True):
                self.compaction.see(append.generation, lengths)

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
        events = [event for event in stamped.events if event.offset >= reading.predict_from]
        decoder = self._events.decoder
        self.predictor.offer(OfferedBatch(name=reading.name, messages=messages, events=events, decoder=decoder))
        self.counts.events += len(stamped.events)
        self.counts.late += sum(event.event_us < event.available_us - _LATE_US for event in stamped.events)
        self.counts.rejected += len(stamped.rejected)
        self.counts.erased += stamped.left_out
        self.counts.reasons.update(rejection_kind(bad.reason, bad.column) for bad in stamped.rejected)
        self.counts.null_keys.update(self._null_keys.count([event.row for event in stamped.events]))

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
