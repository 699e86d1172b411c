"""Partitions of a topic that was made again: the log says first that nothing comes of them, then the register."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.offline.event_log import LogState, OpenedLog
from featurectl.online.stream_state.base import (
    RETIRED,
    PartitionRetirement,
    RegisterState,
    RetiredPartition,
    StampGap,
    StreamPartition,
)
from featurectl.online.stream_state.protocols import StampRegister
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.topics.base import TopicState
from featurectl.streaming.topics.faults import OtherTopicError, TopicRestartedError

_INCARNATION: Final = "#"
_TRIES: Final = 20
_MARGIN_US: Final = 5_000_000  # a worker may say for so long that nothing came until the register refuses it


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionName:
    """What the register and the log call a partition, in its parts."""

    topic: str
    partition: int
    incarnation: str

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}{_INCARNATION}{self.incarnation}"

    def is_of(self, topic: TopicState) -> bool:
        """Return whether it is of a topic as it is now."""
        return (self.topic, self.incarnation) == (topic.topic, topic.incarnation)


def parse_name(name: str) -> PartitionName:
    """Return the name of a partition in its parts.

    >>> parse_name("swipes/1#5f2c").partition
    1
    """
    place, _, incarnation = name.partition(_INCARNATION)
    topic, _, partition = place.rpartition("/")
    return PartitionName(topic=topic, partition=int(partition or 0), incarnation=incarnation)


def state_name(topic: TopicState, partition: int) -> str:
    """Return what the register and the log call a partition.

    >>> state_name(TopicState(topic="swipes", partitions=2, incarnation="5f2c"), 1)
    'swipes/1#5f2c'
    """
    return str(PartitionName(topic=topic.topic, partition=partition, incarnation=topic.incarnation))


def of_before(state: RegisterState, topic: TopicState) -> list[StreamPartition]:
    """Return the partitions of a register that still count, and are of the topic as it was before."""
    return [of for of in state.partitions if not of.is_retired and not parse_name(of.name).is_of(topic)]


def logged_before(log: LogState, topic: TopicState) -> list[str]:
    """Return the partitions of a log that still count, and are of the topic as it was before."""
    logged = log.partitions.items()
    return [name for name, of in logged if not of.is_retired and not parse_name(name).is_of(topic)]


def check_before(names: Iterable[str], log: LogState, topic: TopicState) -> None:
    """Check that the log has retired all of some partitions of the topic as it was before it was the one of now.

    Raises:
        TopicRestartedError: one counts still: nobody has said that nothing comes of it any more.
    """
    for name in names:
        logged = log.partitions.get(name)
        if logged is None or not logged.is_retired:
            found = parse_name(name)
            end = 0 if logged is None else logged.end
            if found.topic != topic.topic:
                raise OtherTopicError(topic.topic, found.topic, end)
            raise TopicRestartedError(found.topic, found.partition, end, None)


def retire(register: StampRegister, log: LogWriter, topic: TopicState) -> PartitionRetirement:
    """Have a register retire the partitions of a topic as it was before, which the log has retired.

    Before that the log says between which instants answers may have had events that it has not: who is killed at any
    step has done it, or leaves it to be done by the next one. Where more is taken meanwhile, it looks again.

    Raises:
        TopicRestartedError: the log has not retired one.
        StoreError: the store or the log can't be used, or workers went on with the partitions all the time.
    """
    for _ in range(_TRIES):
        opened, state = log.opened(), register.read_state()
        before = of_before(state, topic)
        check_before([of.name for of in before], opened.state, topic)
        until = RETIRED
        if (gap := _gap(register, before, opened, state)) is not None:
            ends = [end for after, end in opened.state.gaps if after <= gap.after and gap.until <= end]
            if not ends:
                log.say_at_once(opened, StampGap(after=gap.after, until=gap.until + _MARGIN_US))
                continue
            until = max(ends)
        found = register.retire([_retired(of, opened, log) for of in before], until)
        if found is not None:
            return found
    raise StoreError(f"workers go on with topic {topic.topic} as it was before", code="FC602", hint="stop them first")


def _gap(
    register: StampRegister, before: Iterable[StreamPartition], opened: OpenedLog, state: RegisterState
) -> StampGap | None:
    """Return between which instants answers may have had events that are in no log; None: there are none."""
    lost = []
    for of in before:
        end = opened.state.partitions[of.name].end
        if of.end > end:
            lost += [each.stamp for each in register.read_stamps(of.number, end, of.end) if each.end > end]
    return StampGap(after=min(lost) - 1, until=max(state.asof, state.last, state.clock_us)) if lost else None


def _retired(of: StreamPartition, opened: OpenedLog, log: LogWriter) -> RetiredPartition:
    end = opened.state.partitions[of.name].end
    # A register that came back from an older snapshot does not know the last stamps, and must not give them anew.
    stamp = log.last_stamp(opened, of.name).stamp if of.end < end else 0
    return RetiredPartition(name=of.name, end=end, stamp=stamp, taken=of.end)
