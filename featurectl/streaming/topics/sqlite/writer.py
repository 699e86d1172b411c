"""Sends messages to a topic in an SQLite file: one transaction a flush."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from featurectl.streaming.topics.base import FLUSH_S, Record
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.streaming.topics.message_limit import MessageLimit
from featurectl.streaming.topics.partitioner import partition_of
from featurectl.streaming.topics.sqlite.file import TopicsFile
from featurectl.streaming.topics.sqlite.topic import find_topic

_RECORDS: Final = 20_000  # and so many bytes are in a transaction at most
_SIZE: Final = 16 << 20
_MOST: Final = 1_000_000_000  # bytes of a row, which is what SQLite is compiled for
_INSERT: Final = "insert into messages values (?, ?, ?, ?, ?, ?)"


class SqliteTopicWriter:
    """A `TopicWriter`: what was taken since the last flush is there whole or not at all."""

    def __init__(self, file: TopicsFile, topic: str) -> None:
        self._file = file
        self._topic = topic
        self._pending: list[Record] = []
        self._size = 0
        self._without_key = count()
        self._limit = MessageLimit(topic, file.shown, _MOST)
        self.acknowledged = 0

    def send(self, records: Iterable[Record]) -> None:
        """Take records for sending, in order."""
        for record in self._limit.kept(records):
            self._pending.append(record)
            self._size += len(record[1])
            if len(self._pending) >= _RECORDS or self._size >= _SIZE:
                self._write()

    def flush(self, timeout_s: float = FLUSH_S) -> int:  # noqa: ARG002 - a file answers, or is locked for `limit_s`
        """Send what was taken and return how many messages the file has taken from this writer."""
        self._write()
        self._limit.check()
        return self.acknowledged

    def _write(self) -> None:
        pending, self._pending, self._size = self._pending, [], 0
        if pending:
            with self._file.writing() as connection:
                self._insert(connection, pending)
            self.acknowledged += len(pending)

    def deliver(self, limit_s: float = FLUSH_S) -> bool:
        """Send what was taken, and return that the file has it."""
        self.flush(limit_s)
        return True

    def forget(self) -> bool:
        """Return that another writer is to be opened."""
        return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _insert(self, connection: sqlite3.Connection, records: Sequence[Record]) -> None:
        topic = find_topic(connection, self._topic)
        if topic is None:
            raise NoTopicError(self._topic, self._file.shown)
        sent_at_us = time.time_ns() // 1_000
        for partition, some in self._parted(records, topic.partitions).items():
            query = "select next_offset from partitions where topic = ? and partition = ?"
            ((first,),) = connection.execute(query, (topic.number, partition))
            connection.executemany(
                _INSERT,
                (
                    (topic.number, partition, offset, key, value, sent_at_us)
                    for offset, (key, value) in enumerate(some, first)
                ),
            )
            connection.execute(
                "update partitions set next_offset = ? where topic = ? and partition = ?",
                (first + len(some), topic.number, partition),
            )

    def _parted(self, records: Sequence[Record], partitions: int) -> dict[int, list[Record]]:
        """Return records by partition, in order; those without a key lie now here, now there."""
        parts: dict[int, list[Record]] = {}
        keyless = next(self._without_key) % partitions
        for record in records:
            key = record[0]
            partition = keyless if key is None else partition_of(key, partitions)
            parts.setdefault(partition, []).append(record)
        return parts
