"""Two URLs of topics that say the same place, spelled alike or not."""

from __future__ import annotations

import pytest

from featurectl.language.topic_places import is_same_place

SAME = [
    ("redis://cache", "redis://cache"),
    ("redis://cache", "REDIS://Cache"),
    ("redis://cache", "redis://cache:6379"),
    ("redis://cache", "redis://cache/"),
    ("redis://cache", "redis://cache/0"),
    ("redis://cache/0", "redis://cache:6379/?socket_timeout=2"),
    ("redis://cache/2", "redis://cache?db=2"),
    ("redis://cache/2", "redis://cache/02"),
    ("redis://ana:p@cache", "redis://:other%40@cache"),
    ("redis://cache:6380", "rediss://cache:6380/0"),
    ("redis:///1", "redis://localhost/1"),
    ("redis://[::1]", "redis://[::1]:6379"),
    ("redis+cluster://one,two:7000", "rediss+cluster://TWO:7000"),
    ("redis+cluster://one:6379", "redis://one"),
    ("kafka://broker", "kafka://broker:9092/"),
    ("kafka://a,b", "kafka://ana:p@B:9092,c?security=ssl"),
    ("sqlite:///streams.db", "sqlite:///./streams.db"),
    ("sqlite:////data/streams.db", "sqlite:////data//x/../streams.db"),
    ("${BROKER}", "${BROKER}"),
    ("${BROKER}", "${BROKER:-redis://cache}"),
    ("${A:-redis://one}", "${A:-redis://two}"),
    ("redis://${HOST}", "Redis://${HOST:-cache}:6379/0"),
    ("kafka://${USER}:${PASSWORD}@${HOST}", "kafka://${HOST}:9092"),
    ("redis://cache/${DB}", "redis://cache:6379/${DB}"),
]
OTHERS = [
    ("redis://cache", "redis://cache/1"),
    ("redis://cache", "redis://cache:6380"),
    ("redis://cache", "redis://other"),
    ("redis://cache", "kafka://cache:6379"),
    ("redis://cache?db=1", "redis://cache?db=2"),
    ("redis://cache/1?db=2", "redis://cache/1"),
    ("redis://localhost", "redis://127.0.0.1"),
    ("kafka://a,b", "kafka://c"),
    ("kafka://a", "kafka://a:9093"),
    ("sqlite:///streams.db", "sqlite:////streams.db"),
    ("sqlite:///streams.db", "sqlite:///Streams.db"),
    ("${BROKER}", "${broker}"),
    ("${BROKER}", "redis://cache"),
    ("redis://${HOST}", "redis://${HOST}/1"),
    ("redis://${HOST}", "redis://${OTHER}"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_place_may_be_spelled_in_several_ways(one: str, other: str):
    assert is_same_place(one, other)
    assert is_same_place(other, one)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_places_that_are_not_known_to_be_one(one: str, other: str):
    assert not is_same_place(one, other)
    assert not is_same_place(other, one)
