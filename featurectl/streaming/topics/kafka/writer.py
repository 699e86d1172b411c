"""Sends messages to a topic of Kafka.

A broker refuses a batch of messages that is larger than the topic's `max.message.bytes`, whichever of them is large. So
what it has refused is sent once more, each message as a batch of its own: then those are refused that are too large.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from featurectl.core.errors import NoAnswerError
from featurectl.streaming.topics.base import FLUSH_S, Record, record_size
from featurectl.streaming.topics.faults import MessageTooLargeError, NoTopicError
from featurectl.streaming.topics.kafka.address import (
    UNKNOWN_TOPIC,
    KafkaAddress,
    kafka_error,
    open_kafka_client,
    translated,
)

_SETTINGS: Final = {
    "enable.idempotence": True,  # the client's own tries send nothing twice and reorder nothing
    "partitioner": "murmur2_random",
    "linger.ms": 2,
    "message.max.bytes": 100 << 20,  # the topic's own limit decides
    "queue.buffering.max.kbytes": 256 << 10,
    "delivery.report.only.error": True,
    "topic.metadata.propagation.max.ms": 1_000,  # topics are made before they are written to
}
_BATCH: Final = 1_000_000  # bytes of messages that are sent as one, which the brokers take by default
_APART: Final = 1  # each message is a batch
_SETTINGS_APART: Final = {"enable.idempotence": False, "acks": "all"}  # which waits long after each that is refused
_ROOM_S: Final = 0.05
_MOMENT_S: Final = 0.1


class KafkaTopicWriter:
    """A `TopicWriter` to a topic of Kafka, with one producer. What all in-sync replicas have is acknowledged.

    `limit` asks for the greatest batch that the topic takes, in bytes; None where the brokers don't tell.
    """

    def __init__(self, address: KafkaAddress, topic: str, limit: Callable[[], int | None]) -> None:
        self._address = address
        self._topic = topic
        self._ask_limit = limit
        self._batch = _BATCH
        self._refused: list[Record] = []  # for their size, or that of the batch in which they were
        self._refused_s = float("-inf")  # when the last was
        self._too_large: list[Record] = []
        self._limit: int | None = None
        self._is_asked = False  # for it, since messages travel apart
        self._producer: Producer | None = None
        self._unacknowledged = 0
        self._taken: deque[tuple[float, int]] = deque()  # when how many of them were, the oldest first
        self._errors: list[KafkaError] = []
        self.acknowledged = 0

    def send(self, records: Iterable[Record]) -> None:
        """Take records for sending, in order; the client sends them by itself."""
        producer = self._opened()
        before = self._unacknowledged
        try:
            for record in records:
                if self._limit is not None and record_size(record) > self._limit:
                    self._refused.append(record)  # it may be taken by now: it is sent apart
                    self._unacknowledged += 1
                    continue
                with translated(self._address):
                    self._unacknowledged += self._produce(producer, record)
        finally:
            self._note(self._unacknowledged - before)
        producer.poll(0)

    def flush(self, timeout_s: float = FLUSH_S) -> int:
        """Send what was taken and return how many messages the brokers have taken from this writer."""
        while self._producer is not None and self._unacknowledged:
            self._take_stock(self._producer.flush(timeout_s), timeout_s)
        self._name_those_too_large()
        return self.acknowledged

    def _take_stock(self, left: int, limit_s: float) -> None:
        """Count what was acknowledged; what was refused, or is left where nothing is to be, is an error.

        What was refused for the size of its batch is sent again, each message apart.
        """
        errors, self._errors, refused, self._refused = self._errors, [], self._refused, []
        self.acknowledged += self._unacknowledged - left - len(errors) - len(refused)
        self._unacknowledged = 0
        self._taken.clear()
        if errors or left:
            self.close()
            raise self._failure(errors, left, limit_s)
        if refused and self._batch != _APART:
            self._batch, self._producer, self._limit, self._is_asked = _APART, None, None, False
            self.send(refused)
        elif self._batch == _APART:
            self._too_large += refused
            self._join_again()

    def _join_again(self) -> None:
        """Have messages travel together again, as many as the topic takes at once, where the brokers tell that.

        They are asked once: else messages go on apart.
        """
        if not self._is_asked:
            self._limit, self._is_asked = self._ask_limit(), True
        if self._limit is not None:
            self._batch, self._producer = min(_BATCH, self._limit), None

    def _name_those_too_large(self) -> None:
        """Say which messages were too large since this was said last; nothing is on its way."""
        too_large, self._too_large = self._too_large, []
        if too_large:
            raise MessageTooLargeError(self._topic, self._address.shown, too_large, self._limit)

    def deliver(self, limit_s: float = FLUSH_S) -> bool:
        """Return whether the brokers have all that was taken, which the client sends by itself."""
        if self._producer is None or not self._unacknowledged:
            self._name_those_too_large()
            return True
        self._producer.poll(0)
        left = len(self._producer)
        if left and not self._errors and not self._is_late(left, limit_s):
            return False
        self._take_stock(left, limit_s)
        if self._unacknowledged:
            return False
        self._name_those_too_large()
        return True

    def _note(self, count: int) -> None:
        """Take note of when messages were taken; those of a moment count as the first of them."""
        now_s = time.monotonic()
        if self._taken and now_s - self._taken[-1][0] < _MOMENT_S:
            now_s, before = self._taken.pop()
            count += before
        self._taken.append((now_s, count))

    def _is_late(self, left: int, limit_s: float) -> bool:
        """Return whether brokers have had what is left for so long: what was sent last, as they take it in order."""
        newer = sum(count for _, count in self._taken)
        while newer - self._taken[0][1] >= left:
            newer -= self._taken.popleft()[1]
        return time.monotonic() - max(self._taken[0][0], self._refused_s) > limit_s

    def forget(self) -> bool:
        """Let go what is on its way: the next producer asks no broker anything before it takes messages."""
        self.close()
        return True

    def close(self) -> None:
        """Close the connections; what was not flushed is not sent."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
            self._producer = None
        self._errors, self._refused, self._too_large, self._unacknowledged = [], [], [], 0
        self._taken.clear()

    def _produce(self, producer: Producer, record: Record) -> bool:
        """Give one record to the client; where it has no room, as brokers are slower, that is waited for.

        False: it is larger than the client takes.
        """
        key, value = record
        until_s = time.monotonic() + FLUSH_S
        while True:
            try:
                producer.produce(self._topic, key=key, value=value, on_delivery=self._on_error)
            except BufferError as error:
                if time.monotonic() > until_s:
                    raise self._failure([], len(producer), FLUSH_S) from error
                producer.poll(_ROOM_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._too_large.append(record)
                return False
            else:
                return True

    def _opened(self) -> Producer:
        if self._producer is None:
            own = {"message.timeout.ms": int(FLUSH_S * 1_000), "batch.size": self._batch}
            apart = _SETTINGS_APART if self._batch == _APART else {}
            self._producer = open_kafka_client(self._address, Producer, {**_SETTINGS, **own, **apart})
        return self._producer

    def _on_error(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        value = message.value()
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and value is not None:
            self._refused.append((message.key(), value))
            self._refused_s = time.monotonic()
        else:
            self._errors.append(error)

    def _failure(self, errors: list[KafkaError], left: int, timeout_s: float) -> Exception:
        if not errors:
            return NoAnswerError(
                f"the topics {self._address.shown} have not taken {left:,} messages to topic {self._topic}"
                f" within {timeout_s:g} s",
                code="FC606",
                hint="is the broker running, and is `streams:` of the environment its address?",
            )
        if errors[0].code() in UNKNOWN_TOPIC:
            return NoTopicError(self._topic, self._address.shown)
        return kafka_error(self._address, errors[0])
