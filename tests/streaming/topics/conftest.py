"""Every kind of topics that there is, as `kind`, with a topic name of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.streaming.topics.base import TopicBroker
from tests.streaming.topics.kinds import KafkaKind, RedisKind, SqliteKind, TopicKind

KINDS = [  # a sample of two: a file and Redis
    "sqlite",
    pytest.param(
        "kafka_url", marks=pytest.mark.long
    ),  # its broker and client keep a core busy; it has tests of its own
    "redis_url",
    "redis_cluster_url",
    "valkey_url",
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> TopicKind:
    """A kind of topics."""
    if request.param == "kafka_url":
        return KafkaKind(request.getfixturevalue(request.param))
    if request.param.endswith("_url"):
        return RedisKind(request.getfixturevalue(request.param))
    return SqliteKind(tmp_path / "deep" / "streams.db")


@pytest.fixture
def broker(kind: TopicKind) -> Iterator[TopicBroker]:
    """A broker of that kind."""
    with closing(kind.open()) as opened:
        yield opened


@pytest.fixture
def topic() -> str:
    """The name of a topic that no other test has."""
    return f"swipes-{uuid.uuid4().hex[:12]}"
