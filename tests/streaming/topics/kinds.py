"""The kinds of brokers that the contract is tested on, and what the tests do to them by their own means."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import redis
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TopicBroker
from featurectl.streaming.topics.redis import writer as redis_writer
from featurectl.streaming.topics.redis.keys import stream_key, topic_key
from featurectl.streaming.topics.sqlite import writer as sqlite_writer
from tests.streaming.topics.reading import LIMIT_S


class SqliteKind:
    """A file of the test's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def open(self) -> TopicBroker:
        return open_topics(self.url)

    def remove(self, topic: str) -> None:
        """Remove a topic, as somebody would who makes it again."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            (number,) = connection.execute("select id from topics where name = ?", (topic,)).fetchone()
            for table in ("messages", "partitions", "readers"):
                connection.execute(f"delete from {table} where topic = ?", (number,))
            connection.execute("delete from topics where id = ?", (number,))

    def create_limited(self, topic: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make a topic of one partition whose messages have at most so many bytes."""
        monkeypatch.setattr(sqlite_writer, "_MOST", limit)
        with closing(self.open()) as broker:
            broker.create(topic, 1)

    def forget_below(self, topic: str, below: Mapping[int, int]) -> None:
        """Let the retention of the broker come to so many offsets."""
        with closing(self.open()) as broker:
            broker.trim(topic, below)


class RedisKind:
    """A server or a Cluster that other tests use, too."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> TopicBroker:
        return open_topics(self.url)

    def client(self) -> redis.Redis | redis.RedisCluster:
        """Return a client that knows nothing of topics."""
        if "+cluster" not in self.url:
            return redis.Redis.from_url(self.url)
        host, _, port = self.url.partition("://")[2].partition(",")[0].partition(":")
        return redis.RedisCluster(host=host, port=int(port))

    def remove(self, topic: str) -> None:
        """Remove a topic, as somebody would who makes it again."""
        with closing(self.client()) as client:
            for key in [topic_key(topic), *(stream_key(topic, number) for number in range(64))]:
                client.delete(key)

    def create_limited(self, topic: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make a topic of one partition whose messages have at most so many bytes."""
        monkeypatch.setattr(redis_writer, "_MOST", limit)
        with closing(self.open()) as broker:
            broker.create(topic, 1)

    def forget_below(self, topic: str, below: Mapping[int, int]) -> None:
        """Let the retention of the broker come to so many offsets."""
        with closing(self.open()) as broker:
            broker.trim(topic, below)


class KafkaKind:
    """A broker that other tests use, too; it knows no cooperative division."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}?assignment=range"
        self._admin = AdminClient({"bootstrap.servers": url.removeprefix("kafka://"), "log_level": 0})

    def open(self) -> TopicBroker:
        return open_topics(self.url)

    def remove(self, topic: str) -> None:
        """Remove a topic, as somebody would who makes it again."""
        self._admin.delete_topics([topic])[topic].result(LIMIT_S)

    def create_limited(self, topic: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG002
        """Make a topic of one partition whose messages have at most so many bytes, and some that are Kafka's own."""
        config = {"max.message.bytes": str(limit + 200)}
        self._admin.create_topics([NewTopic(topic, 1, config=config)])[topic].result(LIMIT_S)

    def forget_below(self, topic: str, below: Mapping[int, int]) -> None:
        """Let the retention of the broker come to so many offsets."""
        places = [TopicPartition(topic, partition, offset) for partition, offset in below.items()]
        for asked in self._admin.delete_records(places).values():
            asked.result(LIMIT_S)


TopicKind = SqliteKind | RedisKind | KafkaKind
