"""Partitions of a topic that was made again: the log says first that nothing comes of them, then the register."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.offline.event_log import OpenedLog
from featurectl.online.stream_state.base import (
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


def logged_before(opened: OpenedLog, topic: TopicState) -> list[str]:
    """Return the partitions of a log that still count, and are of the topic as it was before."""
    logged = opened.state.partitions.items()
    return [name for name, of in logged if not of.is_retired and not parse_name(name).is_of(topic)]


def check_before(names: Iterable[str], opened: OpenedLog, topic: TopicState) -> None:
    """Check that the log has retired all of some partitions of the topic as it was before it was the one of now.

    Raises:
        TopicRestartedError: one counts still: nobody has said that nothing comes of it any more.
    """
    for name in names:
        logged = opened.state.partitions.get(name)
        if logged is None or not logged.is_retired:
            found = parse_name(name)
            end = 0 if logged is None else logged.end
            if found.topic != topic.topic:
                raise OtherTopicError(topic.topic, found.topic, end)
            raise TopicRestartedError(found.topic, found.partition, end, None)


def retire(
    register: StampRegister, partitions: Iterable[StreamPartition], opened: OpenedLog, log: LogWriter
) -> PartitionRetirement:
    """Have a register retire partitions that the log has retired.

    Raises:
        StoreError: the store or the log can't be used.
    """
    retired = []
    for of in partitions:
        end = opened.state.partitions[of.name].end
        # A register that came back from an older snapshot does not know the last stamps, and must not give them anew.
        stamp = log.last_stamp(opened, of.name).stamp if of.end < end else 0
        retired.append(RetiredPartition(name=of.name, end=end, stamp=stamp))
    return register.retire(retired)


def gap_of(found: PartitionRetirement, now_us: int) -> StampGap | None:
    """Return between which instants answers may have had events that are in no log; None: there are none."""
    if found.lost_from is None:
        return None
    return StampGap(after=found.lost_from - 1, until=max(found.asof, found.last, now_us))
