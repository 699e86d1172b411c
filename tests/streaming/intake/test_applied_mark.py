"""When all that a topic had is in the answers of readers: by what the register says, and never too early."""

from __future__ import annotations

from featurectl.online.stream_state.base import RegisterState, StreamPartition
from featurectl.streaming.intake.applied_mark import AppliedMark

NAMES = ("swipes/0#1", "swipes/1#1")


def register(asof: int, last: int, *done: int) -> RegisterState:
    partitions = [
        StreamPartition(name=name, number=number, first=0, kept=0, done=end, end=end, applied=asof)
        for number, (name, end) in enumerate(zip(NAMES, done, strict=False))
    ]
    return RegisterState(partitions=partitions, asof=asof, last=last, views={}, run="", left=0, clock_us=0)


def test_events_count_once_asof_has_come_to_their_last_stamp():
    mark = AppliedMark({NAMES[0]: 5, NAMES[1]: 2})
    assert not mark.is_reached(register(10, 20, 5), 0.0)  # a partition that no worker has met
    assert not mark.is_reached(register(10, 20, 5, 1), 0.0)
    assert not mark.is_reached(register(10, 20, 5, 2), 0.0)
    assert not mark.is_reached(register(19, 30, 9, 9), 1.0)  # later stamps are of others
    assert not mark.is_reached(register(20, 40, 9, 9), 2.0)  # servers of a Cluster don't know yet
    assert not mark.is_reached(register(20, 40, 9, 9), 2.015)
    assert mark.is_reached(register(21, 40, 9, 9), 2.025)


def test_a_topic_with_nothing_in_it_waits_for_nobody():
    mark = AppliedMark({})
    assert [mark.is_reached(register(0, 0), now_s) for now_s in (0.0, 1.0)] == [False, True]
