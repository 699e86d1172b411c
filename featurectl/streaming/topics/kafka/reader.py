"""Reads a topic of Kafka from positions that lie elsewhere; its group only divides the partitions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from featurectl.streaming.topics.base import Division, MessageBatch, MessageDelivery, TakeLimits, TopicState
from featurectl.streaming.topics.kafka.address import (
    KafkaAddress,
    open_kafka_client,
    translated,
)
from featurectl.streaming.topics.kafka.assignment import KafkaAssignment
from featurectl.streaming.topics.kafka.liveness import INTERVAL_MS
from featurectl.streaming.topics.kafka.watch import TopicWatch
from featurectl.streaming.topics.places import MessageSizes, ReaderPlaces

_SETTINGS: Final = {
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 20,  # how long a broker that has nothing waits for something
    "fetch.error.backoff.ms": 100,
    "queued.max.messages.kbytes": 32 << 10,
    "statistics.interval.ms": INTERVAL_MS,
    "topic.metadata.refresh.interval.ms": 2_000,  # partitions that come
}
_LEAST_LEASE_S: Final = 6.0  # brokers refuse less
_HEARTBEAT_MS: Final = 500


class KafkaTopicReader:
    """A `TopicReader` of Kafka. Readers of a group are taken for alive for 6 s at least, and count as one in tools."""

    def __init__(self, address: KafkaAddress, state: TopicState, division: Division | None) -> None:
        self._address = address
        self._state = state
        self._places = ReaderPlaces(is_divided=division is not None)
        self._watch = TopicWatch(address, state)
        self._sizes = MessageSizes()
        self._ends: dict[int, int] = {}  # where the brokers said that a partition ends
        self._gained: list[int] = []
        self._revoked: list[int] = []
        callbacks = {"stats_cb": self._watch.liveness.read_counts, "error_cb": self._watch.on_error}
        self._consumer = open_kafka_client(address, Consumer, {**_SETTINGS, **_group(address, division), **callbacks})
        self._assignment = KafkaAssignment(self._consumer, state.topic, is_eager=address.is_eager)
        self._is_torn = False  # the client has given messages, and nobody has got them
        self._is_to_join = division is not None  # with the first `take`: until then others have all partitions

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Return what the client has fetched behind the positions."""
        self._watch.check(self._places.active())
        self._begin()
        until_s = time.monotonic() + limits.timeout_s
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            self._is_torn = True
            batches = self._batches(self._messages(limits, left_s))
            self._is_torn = False
            if batches or self._gained or self._revoked or time.monotonic() >= until_s:
                return self._delivery(batches)

    def seek(self, partition: int, position: int) -> None:
        """Go on at a position of a partition."""
        if not self._places.seek(partition, position):
            return
        self._watch.forget(partition)
        self._ends.pop(partition, None)
        self._watch.liveness.answered([partition])
        with translated(self._address):
            positions = self._places.positions()
            self._assignment.put(partition, positions)
            self._assignment.pause(filter(self._places.is_paused, positions))

    def position(self, partition: int) -> int | None:
        """Return where a partition goes on."""
        return self._places.position(partition)

    def pause(self, partitions: Iterable[int]) -> None:
        """Take nothing of some partitions until they are resumed."""
        names = list(partitions)
        self._places.pause(names)
        with translated(self._address):
            self._assignment.pause(names)

    def resume(self, partitions: Iterable[int]) -> None:
        """Take of some partitions again."""
        names = list(partitions)
        self._places.resume(names)
        self._watch.liveness.answered(names)
        with translated(self._address):
            self._assignment.resume(names)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the broker's tools how far the group is; an answer is not waited for."""
        places = [TopicPartition(self._state.topic, name, position) for name, position in positions.items()]
        with translated(self._address):
            self._consumer.commit(offsets=places, asynchronous=True)

    def close(self) -> None:
        """Leave the group and close the connections."""
        with suppress(KafkaException):
            self._consumer.close()

    def _begin(self) -> None:
        """Join the group with the first call, and go back to the positions after one that ended in between."""
        if self._is_to_join:
            on_revoke = self._on_revoke
            with translated(self._address):
                self._consumer.subscribe(
                    [self._state.topic], on_assign=self._on_assign, on_revoke=on_revoke, on_lost=on_revoke
                )
            self._is_to_join = False
        if self._is_torn:
            for name, position in self._places.positions().items():
                self.seek(name, position)
            self._is_torn = False

    def _delivery(self, batches: Sequence[MessageBatch]) -> MessageDelivery:
        self._places.advance(batches)
        self._sizes.learn(batches)
        self._watch.hear([batch.partition for batch in batches])
        gained, self._gained = self._gained, []
        revoked, self._revoked = self._revoked, []
        active = self._places.active()
        if not (batches or gained or revoked):
            self._watch.check_answers(active)
        ends = {
            name: at
            for name, at in active.items()
            if self._ends.get(name) == at and self._watch.liveness.is_fresh(name)
        }
        return MessageDelivery(batches=batches, gained=sorted(gained), revoked=sorted(revoked), ends=ends)

    def _messages(self, limits: TakeLimits, left_s: float) -> Sequence[Message]:
        """Return what the client has, or the first thing that comes; the client tells of other things by calls."""
        number = self._sizes.fitting(limits)
        with translated(self._address):
            first = self._consumer.poll(left_s)
            if first is None:
                return []
            return [first, *(self._consumer.consume(number - 1, 0) if number > 1 else [])]

    def _batches(self, messages: Sequence[Message]) -> list[MessageBatch]:
        parts: dict[int, list[Message]] = {}
        for message in messages:
            error = message.error()
            if error is None:
                parts.setdefault(message.partition() or 0, []).append(message)
            else:
                self._hear(error, message)
        active = self._places.active()
        for name, position in self._places.positions().items():
            if name in parts and name not in active:  # paused meanwhile: they come again
                self.seek(name, position)
        passed = {name for name, at in active.items() if self._ends.get(name, at) > at}  # marks of transactions
        batches = []
        for name in sorted(active.keys() & (parts.keys() | passed)):
            first, found = active[name], parts.get(name, [])
            found = [message for message in found if (message.offset() or 0) >= first]
            last = (found[-1].offset() or 0) + 1 if found else first
            end = max(last, self._ends.get(name, last))
            if end > first:
                batches.append(_batch(name, (first, end), found))
        return batches

    def _hear(self, error: KafkaError, message: Message) -> None:
        """Take notice of what comes among the messages and is none; what is wrong is raised by the next call."""
        name, code = message.partition(), error.code()
        if name is not None and code == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own errors begin so
            if self._places.position(name) is not None:
                self._ends[name] = message.offset() or 0
                self._watch.hear([name])
        elif name is not None and code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            position = self._places.position(name)
            if position is not None and self._watch.is_within(name, position):
                self.seek(name, position)
        elif code != KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - it was asleep, and joins again
            self._watch.fail(error)

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:  # noqa: ARG002
        names = [place.partition for place in places]
        self._assignment.accept()
        self._places.give(names, ())
        self._gained += names

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:  # noqa: ARG002
        names = [place.partition for place in places]
        self._assignment.drop(names)
        self._places.give((), names)
        for name in names:
            self._ends.pop(name, None)
            self._watch.forget(name)
        self._revoked += [name for name in names if name not in self._gained]
        self._gained = [name for name in self._gained if name not in names]


def _group(address: KafkaAddress, division: Division | None) -> Mapping[str, str | int]:
    """Return the settings of a reader of a group; one without a division is in none, and the client wants a name."""
    if division is None:
        return {"group.id": "featurectl"}
    lease_ms = int(max(_LEAST_LEASE_S, division.lease_s) * 1_000)
    return {
        "group.id": division.group,
        "client.id": division.reader,
        "partition.assignment.strategy": address.assignment,
        "session.timeout.ms": lease_ms,
        "max.poll.interval.ms": lease_ms,
        "heartbeat.interval.ms": _HEARTBEAT_MS,
    }


def _batch(name: int, positions: tuple[int, int], messages: Sequence[Message]) -> MessageBatch:
    first, end = positions
    times = [message.timestamp() for message in messages]
    return MessageBatch(
        partition=name,
        first=first,
        end=end,
        offsets=[message.offset() or 0 for message in messages],
        keys=[_bytes(message.key()) for message in messages],
        values=[_bytes(message.value()) or b"" for message in messages],
        sent_at_us=[at_ms * 1_000 if kind else None for kind, at_ms in times],
    )


def _bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
