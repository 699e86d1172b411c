"""Topics in the streams of Redis or Valkey; `keys.py` says where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.online.redis.connect import translated
from featurectl.streaming.topics.base import Division, GroupReader, MessageChoice, TopicState, Watermarks
from featurectl.streaming.topics.leases import readers_seen
from featurectl.streaming.topics.redis.keys import SEQUENCE_BITS, entry_id, group_key, stream_key
from featurectl.streaming.topics.redis.reader import LeaseKey, RedisTopicReader
from featurectl.streaming.topics.redis.scripts import COUNT_UNREAD, READ, TRIM
from featurectl.streaming.topics.redis.server import TopicServer, call_of, open_server
from featurectl.streaming.topics.redis.shard import parse_shard, parse_unread
from featurectl.streaming.topics.redis.writer import RedisTopicWriter

COUNTED: Final = 10_000  # entries that are counted one by one


class RedisTopics:
    """A `TopicBroker` at a `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://` URL.

    A server that may remove topics when it is full is refused by what writes and reads.
    """

    offsets_are_times = True

    def __init__(self, url: str, shown: str, limit_s: float) -> None:
        self.shown = shown
        self._url = url
        self._limit_s = limit_s
        self._server = self._another_server()

    def create(self, topic: str, partitions: int) -> TopicState:
        """Make a topic of so many partitions unless it is there; return what it is."""
        self._server.check_policy()
        self._server.make(topic, partitions)
        return self._server.state(topic)

    def state(self, topic: str) -> TopicState:
        """Return what a topic is."""
        return self._server.state(topic)

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return which offsets each partition has."""
        numbers = range(self._server.state(topic).partitions)
        calls = [call_of(READ, [stream_key(topic, name)], "-", 0) for name in numbers]
        answers = self._server.commands.send(calls)
        with translated(self._server.commands.address):
            return {
                name: parse_shard(self._server, topic, answer).watermarks()
                for name, answer in zip(numbers, answers, strict=True)
            }

    def unread(self, topic: str, positions: Mapping[int, int]) -> Mapping[int, int]:
        """Return how many messages some partitions have at or behind a position each, above 10,000 about."""
        answers = self._server.commands.send(
            [
                call_of(COUNT_UNREAD, [stream_key(topic, name)], entry_id(position), COUNTED)
                for name, position in positions.items()
            ]
        )
        with translated(self._server.commands.address):
            return {name: parse_unread(topic, answer) for name, answer in zip(positions, answers, strict=True)}

    def readers(self, topic: str, group: str) -> Mapping[str, GroupReader]:
        """Return the readers of a group that gave a sign of late, with their partitions."""
        return readers_seen(*LeaseKey(self._server, group_key(topic, group)).read())

    def trim(self, topic: str, below: Mapping[int, int], sent_before_us: int | None = None) -> bool:
        """Remove the messages of some partitions below an offset each; return that this broker does so."""
        if sent_before_us is not None:
            before = max(0, sent_before_us // 1_000) << SEQUENCE_BITS
            below = {name: min(offset, before) for name, offset in below.items()}
        self._server.commands.send(
            [call_of(TRIM, [stream_key(topic, name)], entry_id(offset)) for name, offset in below.items() if offset > 0]
        )
        return True

    def remove_messages(
        self,
        topic: str,
        chosen: MessageChoice,
        *,
        dry_run: bool = False,
    ) -> None:
        """Remove nothing: what is removed from the middle of a stream stays in its node, and in files of the server."""

    def open_writer(self, topic: str) -> RedisTopicWriter:
        """Return a writer to a topic."""
        self._server.check_policy()
        self._server.state(topic)
        return RedisTopicWriter(self._another_server(), topic)

    def open_reader(self, topic: str, division: Division | None = None) -> RedisTopicReader:
        """Return a reader of a topic."""
        self._server.check_policy()
        return RedisTopicReader(self._another_server(), self._server.state(topic), division)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _another_server(self) -> TopicServer:
        """Return connections of their own to the server."""
        return open_server(self._url, self.shown, self._limit_s)
