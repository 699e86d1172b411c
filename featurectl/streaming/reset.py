"""A topic that was made again: its partitions of before are retired, those of now begin; what was logged stays.

The log says so first, in one commit: from then on no worker that has not heard of it logs anything of them. Then the
register refuses their claims, and waits for them no more. A reset that was killed between the two is ended by the
next one, or by the first worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.offline.event_log import RETIRED_US, EventLog, LoggedPartition, LogState, OpenedLog
from featurectl.online.stream_state.base import RegisterState, StreamSource
from featurectl.online.stream_state.protocols import StreamState
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.retirement import logged_before, of_before, retire, state_name
from featurectl.streaming.topics.base import TopicState, Watermarks

_LOOK_S: Final = 0.5
PATIENCE_S: Final = 12.0  # a worker logs each 5 s


@dataclass(frozen=True, slots=True, kw_only=True)
class ResettableStream:
    """A source whose topic was made again: its state, its log, and the topic as it is now.

    `offsets_are_times` is what its broker says.
    """

    place: StreamSource
    state: StreamState
    log: EventLog
    topic: Callable[[], TopicState]
    watermarks: Callable[[], Mapping[int, Watermarks]]
    offsets_are_times: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPartition:
    """A partition of before: it is logged to before `logged`, and workers had taken offsets to before `taken`.

    Of a topic that was not made again: to before which offset its retention has removed messages.
    `lost` offsets between the two were in lists perhaps, and are in no log. How many more the topic had is not known.
    In SQLite and Kafka as many events are lost. Where offsets are times, as in Redis, nothing tells how many those are.
    """

    name: str
    logged: int
    taken: int

    @property
    def lost(self) -> int:
        """How many offsets were taken and are lost."""
        return max(0, self.taken - self.logged)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReset:
    """What a reset did: partitions of before, the names of those of now, by their numbers.

    Of a topic that is the one that is read both have the same names: it goes on behind what its retention has removed.

    `offsets_are_times`: what partitions have lost is no number of events.
    `rebuilds`: the lists had events that are in no log, or lacked some, so that workers make all of them anew from it;
    until then there are no answers.
    """

    retired: tuple[ResetPartition, ...]
    begun: tuple[str, ...]
    rebuilds: bool
    offsets_are_times: bool = False

    @property
    def passes(self) -> bool:
        """Whether the topic is the one that is read, and what its retention has removed was passed."""
        return bool(self.retired) and self.retired[0].name in self.begun


def reset_stream(
    stream: ResettableStream, *, wait: Callable[[float], None] = time.sleep, patience_s: float = PATIENCE_S
) -> StreamReset:
    """Begin a new incarnation of a topic that was made again; to do it twice changes nothing.

    Of a topic that is the one that is read it passes what its retention has removed before it was read.

    It waits until the worker of before has ended, and logged what it had: `patience_s` at most.

    Raises:
        UsageError: the topic is the one that is read and has all that is to be read, or nothing of it was read yet.
        TryAgainError: a worker goes on with it as it was before.
        StoreError: the topic is not there, or the store or the log can't be used.
    """
    resetting = _Resetting(stream)
    try:
        found = resetting.run(wait, patience_s)
        return replace(found, offsets_are_times=stream.offsets_are_times)
    finally:
        resetting.connection.close()


class _Resetting:
    """One reset: what the topic is now, and a connection to the register."""

    def __init__(self, stream: ResettableStream) -> None:
        self._log = stream.log
        self._writer = LogWriter(stream.log, stream.log)  # which only reads here
        self._topic, self._watermarks = stream.topic(), stream.watermarks()
        self.connection = stream.state.connect(stream.place)

    def run(self, wait: Callable[[float], None], patience_s: float) -> StreamReset:
        """Have first the log say it, then the register."""
        while True:
            opened, state = self._quiet(wait, patience_s)
            before = of_before(state, self._topic)
            names = logged_before(opened.state, self._topic)
            names += [of.name for of in before if of.name not in opened.state.partitions]
            if not names and before:
                return self._in_register(opened, state, ())  # an earlier one was killed between the two
            if not names:
                found = self._passed(opened, state)
                if found is not None:
                    return found
                continue
            if self._commit(opened, self._log_after(opened.state, state, names)):
                return self._in_register(self._log.open(), state, names)

    def _quiet(self, wait: Callable[[float], None], patience_s: float) -> tuple[OpenedLog, RegisterState]:
        """Return the log and the register once no worker goes on with partitions of before, and all of them is logged.

        What is not logged when the patience ends never will be: whoever had it is gone.
        """
        waited_s, seen = 0.0, None
        while True:
            opened, state = self._log.open(), self.connection.register.read_state()
            before, logged = of_before(state, self._topic), opened.state.partitions
            is_logged = all(of.name not in logged or logged[of.name].end >= of.end for of in before)
            now = before, [logged.get(of.name) for of in before]
            is_still = not before or seen == now
            if is_still and (is_logged or waited_s >= patience_s):
                return opened, state
            if waited_s >= patience_s:
                raise TryAgainError(
                    f"a worker goes on with topic {self._topic.topic} as it was before it was made again",
                    hint="stop the workers of the source, and reset it then",
                )
            seen = now
            wait(_LOOK_S)
            waited_s += _LOOK_S

    def _log_after(self, logged: LogState, state: RegisterState, names: Sequence[str]) -> LogState:
        """Return what the log says then: which partitions are retired, those of now, and what was lost."""
        partitions, known = dict(logged.partitions), {of.name: of for of in state.partitions}
        lost = [
            name for name in names if name in known and name in partitions and known[name].end > partitions[name].end
        ]
        gaps = logged.gaps
        if lost:  # answers may have had it, as of instants up to now
            after = min(partitions[name].applied_us for name in lost)
            gaps = (*gaps, (after, max(state.asof, state.last, state.clock_us)))
        for name in names:
            first = known[name].first if name in known else 0
            before = partitions.get(name, LoggedPartition(first=first, end=first, applied_us=0))
            partitions[name] = replace(before, applied_us=RETIRED_US)
        for number in range(self._topic.partitions):
            first = self._watermarks[number].begin if number in self._watermarks else 0
            begun = LoggedPartition(first=first, end=first, applied_us=logged.asof_us or 0)
            partitions.setdefault(state_name(self._topic, number), begun)
        cut_us = self.connection.register.begin_stamps() if logged.cut_us is None else logged.cut_us
        return replace(logged, partitions=partitions, gaps=gaps, cut_us=cut_us)

    def _passed(self, opened: OpenedLog, state: RegisterState) -> StreamReset | None:
        """Pass what retention has removed before it was read, of the topic that is read; None: others came between.

        The log says that it has all up to there; lists are made anew from it, as they may have what no log has.
        """
        known, logged = {of.name: of for of in state.partitions}, dict(opened.state.partitions)
        passed: list[ResetPartition] = []
        gaps = opened.state.gaps
        for number, marks in self._watermarks.items():
            name = state_name(self._topic, number)
            if name in logged and marks.end < logged[name].end:
                raise self._has_lost_messages(number, logged[name].end, marks.end)
            if name not in logged or marks.begin <= logged[name].end:
                continue
            if name in known and known[name].end > logged[name].end:
                gaps = (*gaps, (logged[name].applied_us, max(state.asof, state.last, state.clock_us)))
            passed.append(ResetPartition(name=name, logged=logged[name].end, taken=marks.begin))
            logged[name] = replace(logged[name], end=marks.begin)
        if not passed:
            raise self._nothing_to_reset(opened)
        self.connection.generations.void()  # first: new lists wait for the log
        if not self._commit(opened, replace(opened.state, partitions=logged, gaps=gaps)):
            return None
        return StreamReset(retired=tuple(passed), begun=tuple(of.name for of in passed), rebuilds=True)

    def _has_lost_messages(self, partition: int, position: int, end: int) -> UsageError:
        hint = "make the topic anew under its name, and reset the stream then"
        if not self._topic.incarnation:
            hint = "this broker does not tell whether a topic was made again: have a topic of another name, and reset"
        return UsageError(
            f"topic {self._topic.topic}, partition {partition} ends at {end}, and was read to {position}: "
            "its broker has lost the last messages",
            hint=hint,
        )

    def _in_register(self, opened: OpenedLog, state: RegisterState, in_log: Sequence[str]) -> StreamReset:
        """Retire the partitions that the register has of before; of those `in_log` it may have lost some."""
        register, logged = self.connection.register, opened.state.partitions
        before = of_before(state, self._topic)
        found = retire(register, self._writer, self._topic)
        names = [name for name, of in logged.items() if not of.is_retired]
        for name in names:
            register.add_partition(name, logged[name].first)
        taken = {name: logged[name].end for name in in_log} | {of.name: of.end for of in before}
        retired = [ResetPartition(name=name, logged=logged[name].end, taken=end) for name, end in taken.items()]
        return StreamReset(retired=tuple(retired), begun=tuple(names), rebuilds=found.gave_up)

    def _commit(self, opened: OpenedLog, state: LogState) -> bool:
        return self._log.commit(opened, self._writer.nothing(), state)

    def _nothing_to_reset(self, opened: OpenedLog) -> UsageError:
        topic = self._topic.topic
        if not opened.state.partitions:
            return UsageError(f"nothing of topic {topic} was read yet: there is nothing to reset")
        return UsageError(
            f"topic {topic} is the one that is read: it was not made again since",
            hint="a reset is for a topic that was removed and made again: `featurectl stream run` goes on, unless it "
            "says that the topic has other events than were logged; then make it anew under its name first",
        )
