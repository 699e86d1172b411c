"""Which partitions a consumer fetches, and from where: what the worker sought, among those that the group gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, TopicPartition


class KafkaAssignment:
    """The partitions that a consumer fetches.

    The group gives partitions, and nothing is fetched of one before it is known from where. With cooperative division
    partitions come and go one by one; with the older one all of them are named at once.
    """

    def __init__(self, consumer: Consumer, topic: str, *, is_eager: bool) -> None:
        self._consumer = consumer
        self._topic = topic
        self._is_eager = is_eager
        self._fetched: set[int] = set()

    def put(self, partition: int, positions: Mapping[int, int]) -> None:
        """Fetch a partition from its position; `positions` has those of all that are fetched."""
        place = TopicPartition(self._topic, partition, positions[partition])
        if self._is_eager:
            self._fetched.add(partition)
            self._consumer.assign([TopicPartition(self._topic, name, at) for name, at in positions.items()])
            return
        if partition in self._fetched:
            self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([place])
        self._fetched.add(partition)

    def drop(self, partitions: Iterable[int]) -> None:
        """Fetch some partitions no more: called where the group takes them back."""
        gone = self._fetched.intersection(partitions)
        self._fetched -= gone
        if self._is_eager:
            self._consumer.unassign()
        else:
            self._consumer.incremental_unassign([TopicPartition(self._topic, name) for name in gone])

    def accept(self) -> None:
        """Tell the group that what it gave was heard; fetching begins with `put`."""
        if self._is_eager:
            self._consumer.assign([])
        else:
            self._consumer.incremental_assign([])

    def pause(self, partitions: Iterable[int]) -> None:
        """Fetch nothing of some partitions for a while."""
        self._consumer.pause([TopicPartition(self._topic, name) for name in self._fetched.intersection(partitions)])

    def resume(self, partitions: Iterable[int]) -> None:
        """Fetch some partitions again."""
        self._consumer.resume([TopicPartition(self._topic, name) for name in self._fetched.intersection(partitions)])
