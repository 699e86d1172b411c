"""Lists that can't be kept, as they are too large or too many, are not read once more for that."""

from __future__ import annotations

import pytest

from featurectl.online.redis import tracked_trips
from featurectl.online.stream_state import known_answers
from featurectl.online.stream_state.base import ListsAsk
from tests.online.stream_state.tracked_source import KEYS, run

SOME, MANY = [b"i1:%d" % number for number in range(8)], [b"i3:%03d" % number for number in range(100)]


def counted_reads(server, source, asks, times):
    """Return how many lists each of some reads of the same lists has a server read."""

    async def read(reader):
        sent = []
        for _ in range(times):
            before = server.commands("lrange")
            await reader.read(source, asks)
            sent.append(server.commands("lrange") - before)
        return sent

    return run(server.url, read)


@pytest.mark.usefixtures("written", "received")
@pytest.mark.parametrize("keys", [KEYS[:1], KEYS])
def test_without_memory_a_list_is_read_once_each_time(server, source, keys, monkeypatch):
    monkeypatch.setattr(known_answers.HELD, "most", 0)
    assert counted_reads(server, source, [ListsAsk(view="spend@1", entities=keys)], 6) == [len(keys)] * 6


@pytest.mark.usefixtures("received")
def test_lists_that_are_too_large_are_read_once_each_time(server, source, written, monkeypatch):
    monkeypatch.setattr(known_answers.HELD, "most", 60_000)
    for _ in range(20):
        written.append(SOME)
    assert counted_reads(server, source, [ListsAsk(view="spend@1", entities=SOME)], 6) == [len(SOME)] * 6


@pytest.mark.usefixtures("received")
def test_lists_that_have_become_too_large_are_seldom_read_twice(server, source, written, monkeypatch):
    monkeypatch.setattr(known_answers.HELD, "most", 100_000)
    asks = [ListsAsk(view="spend@1", entities=SOME)]
    written.append(SOME)

    async def read(reader):
        for _ in range(4):
            await reader.read(source, asks)
        for _ in range(30):
            written.append(SOME)
        before = server.commands("lrange")
        for _ in range(40):
            await reader.read(source, asks)
        return server.commands("lrange") - before

    assert run(server.url, read) <= 46 * len(SOME)


@pytest.mark.usefixtures("received")
def test_lists_of_whose_change_nothing_will_be_said_are_read_once(server, source, written, monkeypatch):
    monkeypatch.setattr(tracked_trips, "MOST_TRACKED", 30)
    written.append(MANY)
    *_, last = counted_reads(server, source, [ListsAsk(view="spend@1", entities=MANY)], 6)
    assert last <= 71  # as the poll is one of those of which something will be said
