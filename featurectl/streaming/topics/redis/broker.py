"""Topics in the streams of Redis or Valkey; `keys.py` says where they lie."""

from __future__ import annotations

from collections.abc import Mapping

from featurectl.online.redis.connect import translated
from featurectl.streaming.topics.base import Division, TopicState, Watermarks
from featurectl.streaming.topics.redis.keys import entry_id, stream_key
from featurectl.streaming.topics.redis.reader import RedisTopicReader
from featurectl.streaming.topics.redis.scripts import READ, TRIM
from featurectl.streaming.topics.redis.server import call_of, open_server
from featurectl.streaming.topics.redis.shard import parse_shard
from featurectl.streaming.topics.redis.writer import RedisTopicWriter


class RedisTopics:
    """A `TopicBroker` at a `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://` URL.

    A server that may remove topics when it is full is refused by what writes and reads.
    """

    def __init__(self, url: str, shown: str) -> None:
        self.shown = shown
        self._url = url
        self._server = open_server(url, shown)

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

    def trim(self, topic: str, below: Mapping[int, int]) -> bool:
        """Remove the messages of some partitions below an offset each; return that this broker does so."""
        self._server.commands.send(
            [call_of(TRIM, [stream_key(topic, name)], entry_id(offset)) for name, offset in below.items()]
        )
        return True

    def open_writer(self, topic: str) -> RedisTopicWriter:
        """Return a writer to a topic."""
        self._server.check_policy()
        self._server.state(topic)
        return RedisTopicWriter(open_server(self._url, self.shown), topic)

    def open_reader(self, topic: str, division: Division | None = None) -> RedisTopicReader:
        """Return a reader of a topic."""
        self._server.check_policy()
        return RedisTopicReader(open_server(self._url, self.shown), self._server.state(topic), division)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()
