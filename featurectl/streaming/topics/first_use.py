"""A topic that is used for the first time: made where featurectl alone keeps topics, asked for where others do."""

from __future__ import annotations

from typing import Final

from featurectl.streaming.topics.base import TopicBroker, TopicState
from featurectl.streaming.topics.faults import NoTopicError

PARTITIONS: Final = 4
_OF_OTHERS: Final = ("kafka://",)  # how many partitions and copies a topic has is decided by who runs the broker


def open_topic(broker: TopicBroker, url: str, topic: str) -> TopicState:
    """Return what a topic is; in SQLite and Redis one that is not there is made, of 4 partitions.

    Raises:
        NoTopicError: it is not there, and the broker is not ours to make topics in.
        StoreError: the broker can't be used.
    """
    try:
        return broker.state(topic)
    except NoTopicError:
        if url.startswith(_OF_OTHERS):
            raise
        return broker.create(topic, PARTITIONS)
