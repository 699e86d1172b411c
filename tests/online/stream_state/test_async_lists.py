"""Readers of lists for one event loop: what the others read, however many callers share the trips."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing

import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_async_stream_reader, open_stream_state
from featurectl.online.stream_state.base import Generation, KnownStamps, ListAppend, ListsAsk, StreamSource
from tests.online.stream_state.test_lists import begin
from tests.servers.redis import redis_server

FIRST, LATER = Generation(view="spend@1", id="a1"), Generation(view="spend@1", id="b2")
OTHER = Generation(view="visits@1", id="c3")
KEYS = [b"i2:%02d" % number for number in range(60)]
ASKS = [ListsAsk(view="spend@1", entities=KEYS), ListsAsk(view="none@1", entities=KEYS[:2])]


@asynccontextmanager
async def reading(url: str, budget_s: float = 10.0):
    reader = open_async_stream_reader(url, url, budget_s)
    try:
        yield reader
    finally:
        await reader.close()


@pytest.fixture
def connection(opened, source):
    """A connection to a source of which every entity has a record in two views."""
    with closing(opened(lambda: 1_000).connect(source)) as made:
        made.register.add_partition("p")
        for generation in (FIRST, OTHER):
            begin(made, generation)
        apply(made, 0, FIRST, OTHER)
        yield made


def apply(connection, offset: int, *generations: Generation) -> None:
    claim = connection.register.claim(0, offset, offset + 1, KnownStamps())
    elements = [b"\x01%d" % offset] * len(KEYS)
    connection.lists.append([ListAppend(generation=of, entities=KEYS, elements=elements) for of in generations])
    assert connection.lists.mark(0, offset, offset + 1, claim.generations)
    assert connection.register.finish(0, offset, offset + 1, generations)


@pytest.mark.usefixtures("connection")
def test_an_async_reader_reads_what_the_other_does(url, opened, source):
    async def read():
        async with reading(url) as reader:
            return await reader.read(source, ASKS)

    found = asyncio.run(read())
    assert found == opened().read(source, ASKS)
    assert (found[0].asof, found[1].lists) == (1_000, None)
    assert {tuple(each.elements) for each in found[0].lists} == {(b"\x010",)}


def test_a_poll_says_of_which_views_lists_are_being_made(url, opened, source, connection):
    async def read():
        async with reading(url) as reader:
            return await reader.read_poll(source)

    def being_made():
        found = opened().read_poll(source).being_made
        assert asyncio.run(read()).being_made == found
        return found

    assert being_made() == set()
    connection.generations.add(LATER)
    connection.generations.add(Generation(view="taps@1", id="d4"))
    assert being_made() == {"spend@1", "taps@1"}
    connection.generations.drop(FIRST)
    assert being_made() == {"spend@1", "taps@1"}
    connection.generations.drop(LATER)
    assert being_made() == {"taps@1"}


@pytest.mark.usefixtures("connection")
def test_many_callers_at_once_get_each_what_they_asked_for(url, source):
    async def read():
        async with reading(url) as reader:
            asks = [ListsAsk(view=of, entities=[key]) for key in KEYS for of in ("spend@1", "visits@1", "none@1")]
            return await asyncio.gather(*(reader.read(source, [ask]) for ask in asks))

    found = asyncio.run(read())
    expected = [[b"\x010"], [b"\x010"], None] * len(KEYS)
    assert [of.lists and [*of.lists[0].elements] for [of] in found] == expected


@pytest.mark.sample(3)
def test_more_lists_than_fit_into_a_trip_are_read_by_both(url, opened, source, connection):
    keys = [b"i4:%04d" % number for number in range(6_000)]
    elements = [b"\x01" + key for key in keys]
    connection.lists.append([ListAppend(generation=FIRST, entities=keys, elements=elements)])
    asks = [ListsAsk(view="none@1", entities=keys[:1]), ListsAsk(view="spend@1", entities=keys)]

    async def read():
        async with reading(url) as reader:
            return await reader.read(source, asks)

    for found in (asyncio.run(read()), opened().read(source, asks)):
        assert found[0].lists is None
        assert [[*each.elements] for each in found[1].lists] == [[element] for element in elements]


def test_an_async_reader_follows_asof_and_generations(url, opened, source, connection):
    async def read():
        async with reading(url) as reader:
            seen = [await reader.read(source, ASKS[:1])]
            apply(connection, 1, FIRST, OTHER)
            await asyncio.sleep(0.02)  # longer than a poll is good enough
            seen.append(await reader.read(source, ASKS[:1]))
            begin(connection, LATER)
            opened().drop_lists(source, FIRST)
            seen.append(await reader.read(source, ASKS[:1]))
            connection.generations.void()
            await asyncio.sleep(0.02)
            seen.append(await reader.read(source, ASKS[:1]))
            return [of for [of] in seen]

    first, second, switched, void = asyncio.run(read())
    assert [*first.lists[0].elements] == [b"\x010"]
    assert second.asof > first.asof
    assert [*second.lists[0].elements] == [b"\x010", b"\x011"]
    assert [[*each.elements] for each in switched.lists] == [[]] * len(KEYS)
    assert void.lists is None


def test_an_async_reader_of_a_server_that_hangs_gives_up_in_time():
    source = StreamSource(project="p", env="e", source="s")

    async def read(url):
        async with reading(url, 0.2) as reader:
            with pytest.raises(StoreError, match="can't be reached"):
                await reader.read(source, ASKS)

    with redis_server() as server:
        with closing(open_stream_state(server.url).connect(source)) as made:
            made.register.add_partition("p")
        with server.paused():
            asyncio.run(read(server.url))


def test_an_async_reader_names_a_key_that_others_made_another_type(redis_url, source):

    with closing(open_stream_state(redis_url).connect(source)) as made:
        begin(made, FIRST)
    key = f"{source.project}/dev/s:{{i2:07}}/spend@1#a1"
    with redis.Redis.from_url(redis_url) as client:
        client.set(key, "theirs")

    async def read():
        async with reading(redis_url) as reader:
            with pytest.raises(StoreError, match="i2:07"):
                await reader.read(source, ASKS)

    asyncio.run(read())
