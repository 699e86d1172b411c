"""Whether a topic is what was read of it, as a worker finds that begins with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from featurectl.offline.event_log import LoggedPartition, LogState
from featurectl.online.stream_state.base import RegisterState, StreamPartition
from featurectl.streaming.retirement import check_before, logged_before, of_before, state_name
from featurectl.streaming.topics.base import TopicState, Watermarks
from featurectl.streaming.topics.faults import RetentionError, TopicRestartedError, lost_behind


def topic_problem(
    topic: TopicState, marks: Mapping[int, Watermarks], register: RegisterState | None, log: LogState | None
) -> TopicRestartedError | None:
    """Return why workers do not go on with a topic: it was made again, or ends before its place; None: they do.

    A register and a log that are not known (None) say nothing. They were read before the topic, which has gone on.
    """
    if log is not None:
        before = [] if register is None else [of.name for of in of_before(register, topic)]
        try:
            check_before([*logged_before(log, topic), *before], log, topic)
        except TopicRestartedError as error:
            return error
    done = {} if register is None else {of.name: of.done for of in register.partitions}
    logged = {} if log is None else {name: of.end for name, of in log.partitions.items()}
    early = []
    for number, mark in sorted(marks.items()):
        name = state_name(topic, number)
        position = max(done.get(name, 0), logged.get(name, 0))
        if mark.end < position:
            early.append(TopicRestartedError(topic.topic, number, position, mark.end))
    return early[0].with_others(early[1:]) if early else None


def lost_messages(
    topic: TopicState, marks: Mapping[int, Watermarks], register: RegisterState, log: LogState, readers: Collection[int]
) -> RetentionError | None:
    """Return that messages left a topic before they were read, as a worker finds that goes on; None: none did.

    Of the partitions of `readers` workers have what the lists have, and log it; the others begin where the log ends.
    Register and log were read after the topic, from which goes what was read.
    """
    known = {of.name: of for of in register.partitions}
    lost = []
    for number, mark in sorted(marks.items()):
        name = state_name(topic, number)
        position = _position(known.get(name), log.partitions.get(name), mark.begin, is_read=number in readers)
        if position is not None and (error := lost_behind(topic.topic, number, mark, position)) is not None:
            lost.append(error)
    return lost[0].with_others(lost[1:]) if lost else None


def _position(of: StreamPartition | None, logged: LoggedPartition | None, begin: int, *, is_read: bool) -> int | None:
    """Return where workers go on with a partition of a topic that begins at an offset; None: nobody began with it."""
    if of is None:
        return None if logged is None else logged.end
    end = of.first if logged is None else logged.end
    if is_read:
        return max(end, of.done)
    return end if end >= begin else min(end, of.done)  # of what the log has, lists are made anew
