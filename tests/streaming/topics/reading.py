"""Reading topics in tests: until something is there, however long a busy machine takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from featurectl.streaming.topics.base import (
    Division,
    MessageBatch,
    MessageDelivery,
    Record,
    TakeLimits,
    TopicBroker,
    TopicReader,
)

LIMIT_S = 180.0
SHORT = TakeLimits(timeout_s=0.02)
LEASE_S = 0.3


@dataclass
class ReaderLog:
    """All that one reader was given: messages by partition, and where each partition began."""

    reader: TopicReader
    messages: dict[int, list[tuple[int, bytes | None, bytes]]] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    partitions: set[int] = field(default_factory=set)
    ends: Mapping[int, int] = field(default_factory=dict)

    def take(self, limits: TakeLimits = SHORT, begin: Mapping[int, int] | None = None) -> MessageDelivery:
        """Take once; partitions that are gained begin where `begin` says, at 0 elsewhere."""
        delivery = self.reader.take(limits)
        for batch in delivery.batches:
            self._add(batch)
        for partition in delivery.revoked:
            self.partitions.discard(partition)
            self.positions.pop(partition, None)
        for partition in delivery.gained:
            self.partitions.add(partition)
            self.seek(partition, (begin or {}).get(partition, 0))
        self.ends = delivery.ends
        return delivery

    def seek(self, partition: int, position: int) -> None:
        self.positions[partition] = position
        self.reader.seek(partition, position)

    def values(self) -> dict[int, list[bytes]]:
        return {partition: [value for _, _, value in found] for partition, found in self.messages.items()}

    def _add(self, batch: MessageBatch) -> None:
        """Check what holds for each batch, and keep its messages."""
        assert batch.first == self.positions[batch.partition], "batches of a partition join"
        assert batch.end > batch.first
        assert len(batch.offsets) == len(batch.keys) == len(batch.values) == len(batch.sent_at_us)
        assert list(batch.offsets) == sorted(set(batch.offsets))
        assert all(batch.first <= offset < batch.end for offset in batch.offsets)
        self.positions[batch.partition] = batch.end
        assert self.reader.position(batch.partition) == batch.end
        found = zip(batch.offsets, batch.keys, batch.values, strict=True)
        self.messages.setdefault(batch.partition, []).extend(found)


def wait_until(done: Callable[[], bool]) -> None:
    """Do something again and again until it is true."""
    until = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < until, "it does not come"


@contextmanager
def reading(broker: TopicBroker, topic: str, begin: Mapping[int, int] | None = None) -> Iterator[ReaderLog]:
    """Give a reader of all partitions of a topic, from their beginnings or where `begin` says."""
    reader = broker.open_reader(topic)
    try:
        log = ReaderLog(reader)
        marks = broker.watermarks(topic)
        for partition in begin if begin is not None else marks:
            log.seek(partition, begin[partition] if begin is not None else marks[partition].begin)
        yield log
    finally:
        reader.close()


def read_to_end(log: ReaderLog, limits: TakeLimits = SHORT) -> dict[int, list[tuple[int, bytes | None, bytes]]]:
    """Take until the reader says that it is at the end of all its partitions; return all that it was given."""

    def at_end() -> bool:
        log.take(limits)
        return log.ends == log.positions

    wait_until(at_end)
    return log.messages


def send(broker: TopicBroker, topic: str, records: Sequence[Record]) -> None:
    """Send records, and check that all were acknowledged."""
    writer = broker.open_writer(topic)
    try:
        writer.send(records)
        assert writer.flush(LIMIT_S) == len(records) == writer.acknowledged
    finally:
        writer.close()


def member(broker: TopicBroker, topic: str, name: str) -> ReaderLog:
    """Return one of several readers that divide a topic; whoever asks for it closes it."""
    return ReaderLog(broker.open_reader(topic, Division(group=f"group-{topic}", reader=name, lease_s=LEASE_S)))


def records_of(keys: int, each: int) -> list[Record]:
    """Return records of some keys in turn, whose values count from 0 for each key."""
    return [(b"key-%d" % key, b"%d" % number) for number in range(each) for key in range(keys)]
