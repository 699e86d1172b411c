"""How far the workers on a source are: what its topic has that they have not taken, and up to when all is taken."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from featurectl.online.stream_state.base import RegisterState, StreamSource
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from featurectl.streaming.retirement import state_name
from featurectl.streaming.topics.base import TopicBroker


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far workers are in a partition: `unread` events lie behind `position`, and all before `applied_us` is taken.

    A partition that no worker has met has all of its events unread, and was never applied (None).
    """

    partition: int
    position: int
    unread: int
    applied_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLag:
    """How far workers are in a topic. `asof_us`: all events up to it are in answers; None: no worker has begun.

    `readable` are the view versions whose lists can be read.
    """

    asof_us: int | None
    partitions: Sequence[PartitionLag]
    readable: frozenset[str] = frozenset()

    @property
    def unread(self) -> int:
        """How many events of the topic were not taken."""
        return sum(of.unread for of in self.partitions)


def read_lag(broker: TopicBroker, topic: str, state: StreamState, place: StreamSource) -> StreamLag:
    """Return how far workers are in a topic now.

    Raises:
        NoTopicError: it is not there.
        StoreError: the broker or the store can't be used now.
    """
    with closing(state.connect(place)) as connection:
        return lag_over(broker, topic, connection)


def lag_over(broker: TopicBroker, topic: str, connection: StreamConnection) -> StreamLag:
    """Return how far workers are in a topic now, over a connection to the store that is there.

    Raises:
        NoTopicError: it is not there.
        StoreError: the broker or the store can't be used now.
    """
    register: RegisterState = connection.register.read_state()
    there, marks = broker.state(topic), broker.watermarks(topic)
    known = {of.name: of for of in register.partitions}
    met = {partition: known.get(state_name(there, partition)) for partition in range(there.partitions)}
    begins = {partition: marks[partition].begin if partition in marks else 0 for partition in met}
    positions = {partition: begins[partition] if of is None else of.done for partition, of in met.items()}
    unread = broker.unread(topic, positions)
    lags = [
        PartitionLag(
            partition=partition,
            position=positions[partition],
            unread=unread.get(partition, 0),
            applied_us=None if of is None else of.applied,
        )
        for partition, of in met.items()
    ]
    readable = frozenset(name for name in register.views if register.live(name) is not None)
    return StreamLag(asof_us=register.asof or None, partitions=lags, readable=readable)
