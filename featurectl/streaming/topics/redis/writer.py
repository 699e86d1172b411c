"""Sends messages to a topic in Redis: XADDs, thousands a trip."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

import redis

from featurectl.online.redis.connect import store_error, translated
from featurectl.online.redis.trips import RedisCommand
from featurectl.streaming.topics.base import FLUSH_S, Record
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.streaming.topics.message_limit import MessageLimit
from featurectl.streaming.topics.partitioner import partition_of
from featurectl.streaming.topics.redis.keys import SEQUENCES, stream_key
from featurectl.streaming.topics.redis.server import TopicServer

_SIZE: Final = 4 << 20  # bytes of a trip, about
_RECORDS_A_TRIP: Final = SEQUENCES // 2 - 1  # so many ids of one millisecond fit behind those that were passed
_MOST: Final = 512 << 20  # bytes of a value, unless a server's proto-max-bulk-len says otherwise
_LOOK_S: Final = 1.0  # how often it looks how many partitions there are


class RedisTopicWriter:
    """A `TopicWriter`. What a server gets at once it takes whole or not at all; in a Cluster each node by itself.

    A connection that breaks within a flush is opened anew, and what was on its way sent again.
    """

    def __init__(self, server: TopicServer, topic: str) -> None:
        self._server = server
        self._topic = topic
        self._pending: list[Record] = []
        self._size = 0
        self._streams: Sequence[bytes] = ()
        self._looked_s = float("-inf")
        self._without_key = count()
        self._limit = MessageLimit(topic, server.shown, _MOST)
        self.acknowledged = 0

    def send(self, records: Iterable[Record]) -> None:
        """Take records for sending, in order."""
        for record in self._limit.kept(records):
            self._pending.append(record)
            self._size += len(record[1])
            if len(self._pending) >= _RECORDS_A_TRIP or self._size >= _SIZE:
                self._write()

    def flush(self, timeout_s: float = FLUSH_S) -> int:  # noqa: ARG002 - the client has its limits: online/redis
        """Send what was taken and return how many messages the server has taken from this writer."""
        self._write()
        self._limit.check()
        return self.acknowledged

    def _write(self) -> None:
        pending, self._pending, self._size = self._pending, [], 0
        if pending:
            self._look()
            commands = self._commands(pending)
            with translated(self._server.commands.address):
                answers = self._server.add(commands)
            self._count(commands, answers)

    def deliver(self, limit_s: float = FLUSH_S) -> bool:
        """Send what was taken, and return that the server has it."""
        self.flush(limit_s)
        return True

    def forget(self) -> bool:
        """Return that another writer is to be opened."""
        return False

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            partitions = self._server.state(self._topic).partitions
            self._streams = [stream_key(self._topic, number) for number in range(partitions)]
            self._looked_s = now_s

    def _commands(self, records: Iterable[Record]) -> list[RedisCommand]:
        streams = self._streams
        keyless = streams[next(self._without_key) % len(streams)]
        return [
            (b"XADD", keyless, b"NOMKSTREAM", b"*", b"value", value)
            if key is None
            else (b"XADD", streams[partition_of(key, len(streams))], b"NOMKSTREAM", b"*", b"key", key, b"value", value)
            for key, value in records
        ]

    def _count(self, commands: Sequence[RedisCommand], answers: Sequence[object]) -> None:
        """Count what was taken; what was not is an error. An id that comes near its greatest sequence is passed."""
        last: dict[bytes, bytes] = {}
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, bytes) and isinstance(command[1], bytes):
                last[command[1]] = answer
                self.acknowledged += 1
        for answer in answers:
            if isinstance(answer, redis.RedisError):
                raise store_error(self._server.commands.address, answer) from answer
            if answer is None:
                raise NoTopicError(self._topic, self._server.shown)
        for stream, name in last.items():
            milliseconds, _, sequence = name.partition(b"-")
            if int(sequence) > SEQUENCES // 2:  # the server's clock was set back
                self._server.commands.exchange([(b"XSETID", stream, b"%d-0" % (int(milliseconds) + 1))])
