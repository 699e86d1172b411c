"""Whether a topic is what was read of it, as a worker finds that begins with it."""

from __future__ import annotations

from collections.abc import Mapping

from featurectl.offline.event_log import LogState
from featurectl.online.stream_state.base import RegisterState
from featurectl.streaming.retirement import check_before, logged_before, of_before, state_name
from featurectl.streaming.topics.base import TopicState, Watermarks
from featurectl.streaming.topics.faults import TopicRestartedError


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
