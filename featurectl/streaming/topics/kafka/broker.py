"""Topics of Kafka, and of what speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from featurectl.streaming.topics.base import Division, GroupReader, MessageChoice, TopicState, Watermarks
from featurectl.streaming.topics.kafka.address import parse_kafka_url
from featurectl.streaming.topics.kafka.admin import KafkaAdmin
from featurectl.streaming.topics.kafka.reader import KafkaTopicReader
from featurectl.streaming.topics.kafka.writer import KafkaTopicWriter


class KafkaTopics:
    """A `TopicBroker` at a `kafka://` URL."""

    offsets_are_times = False

    def __init__(self, url: str, shown: str, limit_s: float) -> None:
        self.shown = shown
        self._address = parse_kafka_url(url, shown, limit_s)
        self._admin = KafkaAdmin(self._address)

    def create(self, topic: str, partitions: int) -> TopicState:
        """Make a topic of so many partitions unless it is there; return what it is. Replicas are the broker's own."""
        self._admin.make(topic, partitions)
        return self.state(topic)

    def state(self, topic: str) -> TopicState:
        """Return what a topic is."""
        return self._admin.state(topic)

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return which offsets each partition has."""
        return self._admin.watermarks(topic, range(self.state(topic).partitions))

    def unread(self, topic: str, positions: Mapping[int, int]) -> Mapping[int, int]:
        """Return how many offsets some partitions have at or behind a position each."""
        marks = self._admin.watermarks(topic, positions)
        return {
            name: max(0, marks[name].end - max(position, marks[name].begin)) for name, position in positions.items()
        }

    def readers(self, topic: str, group: str) -> Mapping[str, GroupReader] | None:
        """Return the readers of a group that are alive, with their partitions; None where the brokers don't tell."""
        found = self._admin.members(topic, group)
        return None if found is None else {name: GroupReader(partitions=of) for name, of in found.items()}

    def trim(  # its retention is its own
        self,
        topic: str,  # noqa: ARG002
        below: Mapping[int, int],  # noqa: ARG002
        sent_before_us: int | None = None,  # noqa: ARG002
    ) -> bool:
        """Remove nothing: Kafka has a retention of its own, and other readers."""
        return False

    def remove_messages(
        self,
        topic: str,
        chosen: MessageChoice,
        *,
        dry_run: bool = False,
    ) -> None:
        """Remove nothing: Kafka removes what is older than its retention."""

    def open_writer(self, topic: str) -> KafkaTopicWriter:
        """Return a writer to a topic."""
        self.state(topic)
        return KafkaTopicWriter(self._address, topic, partial(self._admin.message_limit, topic))

    def open_reader(self, topic: str, division: Division | None = None) -> KafkaTopicReader:
        """Return a reader of a topic."""
        return KafkaTopicReader(self._address, self.state(topic), division)

    def close(self) -> None:
        """Close the connections: the client does so when it is forgotten."""
        self._admin = KafkaAdmin(self._address)
