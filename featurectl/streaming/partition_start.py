"""Where a worker begins with a partition: before whatever the store, the log or a master of a Cluster may lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from featurectl.core.errors import StoreError
from featurectl.offline.event_log import LogState, OpenedLog
from featurectl.online.stream_state.base import KnownStamps, RegisterState, StampGap, StampRange, StreamPartition
from featurectl.online.stream_state.protocols import StampRegister, StreamConnection
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.logged_events import TakenEvents
from featurectl.streaming.retirement import check_before, logged_before, of_before, retire, state_name
from featurectl.streaming.topics.base import TopicReader, TopicState, Watermarks

_COMPARED: Final = 4  # events of the log, with what the topic has at their offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTopic:
    """The topic that a worker reads: what it is, which offsets it has, and a reader of some of its partitions.

    `trim` removes what was sent before an instant, below an offset of each partition; None: it is left to others.
    """

    state: Callable[[], TopicState]
    watermarks: Callable[[], Mapping[int, Watermarks]]
    reader: TopicReader
    trim: Callable[[Mapping[int, int], int], bool] | None = None

    def commit(self, positions: Mapping[int, int], sent_before_us: int) -> None:
        """Take note of what is logged of some partitions; what was sent before an instant and is logged may go.

        Raises:
            StoreError: the broker is away.
        """
        self.reader.commit(positions)
        if self.trim is not None and positions:
            self.trim(positions, sent_before_us)


@dataclass(slots=True, kw_only=True)
class PartitionReading:
    """Where a worker is in a partition: `name` has the incarnation, `number` is the register's.

    Events before `predict_from` needed no prediction any more when it began. `last_logged` are the last events that the
    log had then, of those that the topic has by its offsets. Where the log ended at `logged_end`, and the topic before.
    """

    name: str
    number: int
    position: int
    predict_from: int = 0
    last_logged: pl.DataFrame | None = None
    logged_end: int | None = None
    logged: Sequence[StampRange] = ()
    own: list[StampRange] = field(default_factory=list)
    taken: TakenEvents = field(default_factory=TakenEvents)
    at_end: bool = False


class PartitionStart:
    """Begins partitions, and remembers what it knows of stamps, so that a loss is seen and logged."""

    def __init__(self, topic: WorkerTopic, log: LogWriter, wall_us: Callable[[], int]) -> None:
        self._topic, self._log, self._wall_us = topic, log, wall_us
        self._own: dict[str, list[StampRange]] = {}
        self._run, self._greatest = "", 0
        self.names: Sequence[str] = ()  # of all partitions that the topic had at the last beginning

    def see(self, stamp: int) -> None:
        """Take note of the greatest stamp that the register has given."""
        self._greatest = max(self._greatest, stamp)

    def begin(self, partition: int, connection: StreamConnection, before: PartitionReading | None) -> PartitionReading:
        """Return where a partition begins: at the lesser of the log and the register, and of what masters have.

        Raises:
            StoreError: the topic, the store or the log can't be used now.
        """
        topic = self._topic.state()
        register, watermarks = connection.register, self._topic.watermarks().get(partition)
        begin = 0 if watermarks is None else watermarks.begin
        name = state_name(topic, partition)
        number = self._meet_all(connection, topic, partition)[name]
        marks = connection.lists.marks(number)  # before the register: another may go on marking meanwhile
        state = register.read_state()
        of = _known(state, number, name)
        opened = self._opened(of, register, state)
        end = opened.state.partitions[name].end
        if max(marks, default=0) > of.end:
            connection.generations.void()  # lists have stamps that the register lost
            marks = []
        position = min(end, of.done, *marks)
        if position < begin <= end:
            connection.generations.void()  # the topic does not have any more what lists lack, and the log has
            _skip(connection, number, self._log.logged_stamps(opened, name, position))
            position = end
        predicted = max(opened.state.partitions[name].predicted_end, begin)
        position = min(position, predicted)
        last_logged, logged_end = self._last_logged(opened, name, watermarks, position)
        return PartitionReading(
            name=name,
            number=number,
            position=position,
            predict_from=predicted,
            last_logged=last_logged,
            logged_end=logged_end,
            logged=self._log.logged_stamps(opened, name, position),
            own=self._own.setdefault(name, []),
            taken=_taken_before(before, name, predicted),
        )

    def _last_logged(
        self, opened: OpenedLog, name: str, watermarks: Watermarks | None, position: int
    ) -> tuple[pl.DataFrame | None, int | None]:
        """Return events of the log to compare the topic with, and its end where that of the topic lies before it.

        A topic that ends before the position is an error that the reader finds there.
        """
        of = opened.state.partitions[name]
        if watermarks is None or watermarks.end < position:
            return None, None
        if watermarks.end < of.end:
            return None, of.end
        begin = max(of.first, watermarks.begin)
        return (self._log.last_events(opened, name, (begin, of.end), _COMPARED) if begin < of.end else None), None

    def meet(self, partitions: Sequence[int], connection: StreamConnection) -> None:
        """Have the register and the log know some partitions, by one commit for all of them.

        Raises:
            StoreError: the topic, the store or the log can't be used now.
        """
        topic = self._topic.state()
        numbers = self._meet_all(connection, topic, max(partitions))
        state = connection.register.read_state()
        names = [state_name(topic, partition) for partition in partitions]
        self._log.begin([_known(state, numbers[name], name) for name in names], connection.register)

    def _meet_all(self, connection: StreamConnection, topic: TopicState, least: int) -> Mapping[str, int]:
        """Return the numbers of the partitions of the topic by their names, those up to `least` among them.

        All of them, in their order, before anything is made of what the log has: a register that was emptied gives
        them the numbers that they had, which workers go on with that have not seen it yet.
        """
        state = connection.register.read_state()
        numbers = {of.name: of.number for of in state.partitions}
        if of_before(state, topic):  # a reset did not come to its end, or there was none
            retire(connection.register, self._log, topic)
        self.names = [state_name(topic, each) for each in range(max(topic.partitions, least + 1))]
        if all(name in numbers for name in self.names):
            return numbers
        opened, watermarks = self._log.begin([], connection.register), self._topic.watermarks()
        check_before(logged_before(opened.state, topic), opened.state, topic)
        cut_us = opened.state.cut_us
        if (
            cut_us is not None and state.last < cut_us - 1
        ):  # the log is older than the register, whose clock may be behind
            connection.register.begin_stamps(cut_us)
        for partition, name in enumerate(self.names):
            if name not in numbers:
                begin = watermarks[partition].begin if partition in watermarks else 0
                numbers[name] = self._add(connection, name, begin, opened)
        return numbers

    def _add(self, connection: StreamConnection, name: str, begin: int, opened: OpenedLog) -> int:
        """Return the number of a new partition; one that only the log knows goes on behind its last stamp."""
        register, logged = connection.register, opened.state.partitions.get(name)
        if logged is None or logged.end == logged.first:
            return register.add_partition(name, begin if logged is None else logged.first)
        last = self._log.last_stamp(opened, name)
        number = register.add_partition(name, last.first)
        _skip(connection, number, [last])
        return number

    def _opened(self, of: StreamPartition, register: StampRegister, state: RegisterState) -> OpenedLog:
        """Return the log, which says by now which stamps the store has lost.

        It says so in a commit of its own, before anything is stamped anew: what another worker chose to log by the
        stamps that are lost is refused then, as its commit comes second.
        """
        opened, is_logged = self._log.begin([of], register), False
        while not is_logged and (gap := self._gap(state, opened.state)) is not None:
            is_logged = self._log.say_at_once(opened, gap, state.run)
            opened = self._log.begin([of], register)
        self._log.met_run = state.run
        self._run, self._greatest = state.run, max(self._greatest, state.last, state.asof)
        return opened

    def _gap(self, state: RegisterState, logged: LogState) -> StampGap | None:
        """Return between which instants stamps were lost since the store was met; None: none were."""
        before = self._run or logged.run  # who was given the stamps may be gone, too
        if before in ("", state.run):
            return None
        # Others may have been given greater stamps than this worker: none is greater than the clock by much.
        after = max(state.left, logged.asof_us or 0)
        until = max(self._wall_us(), state.clock_us, state.last, self._greatest)
        return StampGap(after=after, until=until) if after < until else None


def topic_ends(topic: WorkerTopic) -> Mapping[str, int]:
    """Return where the partitions of a topic end now, by the names that the register and the log have of them."""
    state = topic.state()
    return {state_name(state, partition): of.end for partition, of in topic.watermarks().items()}


def _known(state: RegisterState, number: int, name: str) -> StreamPartition:
    if number < len(state.partitions) and state.partitions[number].name == name:
        return state.partitions[number]
    raise StoreError(f"the register of the stream was emptied while partition {name} was begun", code="FC602")


def _taken_before(before: PartitionReading | None, name: str, predicted: int) -> TakenEvents:
    """Return what was taken of a partition before it begins anew."""
    taken = TakenEvents() if before is None or before.name != name else before.taken
    taken.late.clear()  # they are predicted again
    taken.settle(predicted)
    return taken


def _skip(connection: StreamConnection, number: int, stamps: Sequence[StampRange]) -> None:
    """Have the register know stamps of the log, whose events no list has, as all generations were given up."""
    if stamps:
        first, end = stamps[0].first, stamps[-1].end
        claim = connection.register.claim(number, first, end, KnownStamps(logged=stamps))
        if claim is not None and not claim.generations:
            connection.register.finish(number, first, end, [])
