"""What is asked of a Kafka about its topics."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
    TopicDescription,
)

from featurectl.core.errors import NoAnswerError
from featurectl.streaming.topics.base import TopicState, Watermarks
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.streaming.topics.kafka.address import UNKNOWN_TOPIC, KafkaAddress, kafka_error, open_kafka_client

T = TypeVar("T")
_ZERO_ID: Final = "AAAAAAAAAAAAAAAAAAAAAA"  # of a broker that has none
_AGAIN_S: Final = 0.05
_SOON_S: Final = 1.0
_REPLICAS: Final = -1  # as many as the broker makes by default


class KafkaAdmin:
    """Questions to the brokers, each with a limit of time; the client is made when it is first needed."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._client: AdminClient | None = None

    def make(self, topic: str, partitions: int) -> None:
        """Make a topic, or give it more partitions, and wait until the brokers know them."""
        made = self._admin().create_topics([NewTopic(topic, partitions, _REPLICAS)])
        self._answer(made[topic], but=KafkaError.TOPIC_ALREADY_EXISTS)
        if self._known_partitions(topic, 1) < partitions:
            grown = self._admin().create_partitions([NewPartitions(topic, partitions)])
            self._answer(grown[topic], but=KafkaError.INVALID_PARTITIONS)  # somebody else was faster
        self._known_partitions(topic, partitions)

    def state(self, topic: str) -> TopicState:
        """Return what a topic is; it is not made by being asked for.

        Raises:
            NoTopicError: it is not there.
        """
        return self.state_of(topic, self.describe(topic))

    def describe(self, topic: str) -> Future[TopicDescription]:
        """Begin to ask what a topic is."""
        return self._admin().describe_topics(TopicCollection([topic]))[topic]

    def state_of(self, topic: str, asked: Future[TopicDescription]) -> TopicState:
        """Return what a topic is, of which was asked."""
        found = self._answer(asked, topic=topic)
        assert found is not None
        incarnation = str(found.topic_id)
        return TopicState(
            topic=topic,
            partitions=len(found.partitions),
            incarnation="" if incarnation == _ZERO_ID else incarnation,
        )

    def watermarks(self, topic: str, partitions: Iterable[int]) -> Mapping[int, Watermarks]:
        """Return which offsets partitions have; an open transaction lies behind the end."""
        names = list(partitions)
        begins, ends = (self._offsets(topic, names, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
        return {name: Watermarks(begin=begins[name], end=ends[name]) for name in names}

    def message_limit(self, topic: str) -> int | None:
        """Return how many bytes a topic takes at once; None where the brokers don't tell, or not soon."""
        place = ConfigResource(ResourceType.TOPIC, topic)
        asked = self._admin().describe_configs([place], request_timeout=_SOON_S)[place]
        try:
            return int(asked.result(_SOON_S)["max.message.bytes"].value)
        except (TimeoutError, KafkaException, KeyError, ValueError):
            return None

    def members(self, topic: str, group: str) -> Mapping[str, Sequence[int]] | None:
        """Return the members of a group with their partitions of a topic; None where the brokers don't tell."""
        asked = self._admin().describe_consumer_groups([group], request_timeout=self._address.limit_s)[group]
        try:
            found = asked.result(self._address.limit_s)
        except (TimeoutError, KafkaException):
            return None
        return {
            f"{of.client_id}@{of.host.lstrip('/')}": [
                p.partition for p in of.assignment.topic_partitions if p.topic == topic
            ]
            for of in found.members
        }

    def _offsets(self, topic: str, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        asked = self._admin().list_offsets(
            {TopicPartition(topic, name): spec for name in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._address.limit_s,
        )
        found: dict[int, int] = {}
        for place, future in asked.items():
            answer = self._answer(future, topic=topic)
            assert answer is not None
            found[place.partition] = answer.offset
        return found

    def _known_partitions(self, topic: str, wanted: int) -> int:
        """Return how many partitions there are once there are as many as wanted."""
        until_s = time.monotonic() + self._address.limit_s
        while True:
            try:
                partitions = self.state(topic).partitions
            except NoTopicError:
                partitions = 0
            if partitions >= wanted:
                return partitions
            if time.monotonic() > until_s:
                raise NoAnswerError(
                    f"the topics {self._address.shown} do not show topic {topic}, which was just made", code="FC606"
                )
            time.sleep(_AGAIN_S)

    def _answer(self, asked: Future[T], *, but: int | None = None, topic: str = "") -> T | None:
        """Return an answer, None where it is the error that does not matter."""
        try:
            return asked.result(self._address.limit_s)
        except TimeoutError as error:
            raise kafka_error(self._address, KafkaError(KafkaError._TIMED_OUT)) from error  # noqa: SLF001
        except KafkaException as error:
            if error.args[0].code() == but:
                return None
            if topic and error.args[0].code() in UNKNOWN_TOPIC:
                raise NoTopicError(topic, self._address.shown) from error
            raise kafka_error(self._address, error) from error

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = open_kafka_client(self._address, AdminClient, {})
        return self._client
