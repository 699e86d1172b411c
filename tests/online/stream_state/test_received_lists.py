"""Lists that lie in the memory in which they came say what they do as bytes, and are new but once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_stream_state
from featurectl.online.redis.tracked_trips import TrackedTrips
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.base import NO_LIST, EntityList, ListAppend, ListsAnswer, ListsAsk
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.compiled.reader import CompiledReader, Loops
from featurectl.online.stream_state.received_lists import (
    ReceivedElements,
    ReceivedList,
    ReceivedLists,
    in_memory,
    kept_list,
)
from tests.online.stream_state.test_joined_lists import list_of, streams_of
from tests.online.stream_state.tracked_source import ASKS, FIRST, KEYS, Written, reading, run
from tests.seeds import seeds_from


def received(lists: Sequence[EntityList | None], random: Random) -> list[EntityList | None]:
    """Return lists as they come: behind one another in one piece of memory, with something between their elements."""
    data, places = bytearray(), list[tuple[int, int]]()
    for one in lists:
        for element in () if one is None else one.elements:
            data += b"$%d\r\n" % random.randrange(10**6)
            places.append((len(data), len(data) + len(element)))
            data += element + b"\r\n"
    data += bytes(16)
    words = np.ndarray((len(data) - 7,), np.uint64, bytes(data), 0, (1,))
    begins, ends = (np.array([place[i] for place in places], np.int64) for i in (0, 1))
    of, end, found = ReceivedElements(np.frombuffer(bytes(data), np.uint8), words, begins, ends), 0, []
    for one in lists:
        if one is None or not one.elements:
            found.append(one)
        else:
            found.append(
                EntityList(ReceivedList(of, end, end + len(one.elements), sum(map(len, one.elements))), one.marks)
            )
            end += len(one.elements)
    return found


@pytest.mark.parametrize("seed", seeds_from(0, 12))
def test_lists_in_memory_say_what_they_do_as_bytes(seed: int, loops: Loops):
    random, streams = Random(seed), streams_of(seed)
    lists: list[EntityList | None] = [list_of(stream, random.choice([0, 1, 30]), extreme=False) for stream in streams]
    lists.insert(random.randrange(len(lists)), None)
    reader = CompiledReader(streams[0].view.features, streams[0].layout, loops)
    found, asof_us = received(lists, random), streams[0].asof_us
    expected = reader.answers(lists, asof_us)
    assert repr(reader.answers(found, asof_us)) == repr(expected)
    some = sorted(random.sample(range(len(lists)), len(lists) // 2))  # not one behind the other
    assert repr(reader.answers([found[i] for i in some], asof_us)) == repr([expected[i] for i in some])
    mixed = [random.choice(pair) for pair in zip(lists, found, strict=True)]
    assert repr(reader.answers(mixed, asof_us)) == repr(expected)
    assert found == lists
    dispatchers: list[Any] = [*loops]
    assert {len(loop.signatures) for loop in dispatchers} == {1}  # which a server has compiled before it reads


def test_lists_of_two_pieces_of_memory_are_not_taken_for_one():
    one, other = (
        received([EntityList([b"%d-%d" % (memory, place)], None) for place in range(2)], Random(1))
        for memory in range(2)
    )
    for pair in ([one[0], one[1]], [one[0], other[1]], [one[1], one[0]], [other[1], one[1]]):
        lists = [found.elements for found in pair if found is not None]
        memory, list_ends = in_memory(lists)
        assert list_ends.tolist() == [1, 2]
        assert [[memory.take(0)], [memory.take(1)]] == lists


@pytest.mark.parametrize("places", [[0, 1, 3], [0, 2, 1, 2, 3], [2, 1], [0, 3], [3, 0]])
def test_lists_of_one_memory_stay_there_beside_empty_ones_and_gaps(places: Sequence[int]):
    lists = [EntityList([b"head%d" % place, b"record"], None) for place in range(4)]
    lists[2] = NO_LIST
    found = received(lists, Random(1))
    memory, list_ends = in_memory([one.elements for i in places if (one := found[i]) is not None])
    [first, *_] = [one.elements for i in places if (one := found[i]) is not None and one.elements]
    assert isinstance(first, ReceivedList)
    assert first.of is not None
    assert memory.octets is first.of.octets
    expected = [[*lists[i].elements] for i in places]
    begins = [0, *list_ends.tolist()]
    assert [[memory.take(i) for i in range(*of)] for of in pairwise(begins)] == expected


@pytest.mark.parametrize("seed", seeds_from(0, 40))
def test_lists_of_any_kinds_are_put_into_one_memory(seed: int):
    random = Random(seed)
    lists = [[random.randbytes(random.choice([1, 9, 70])) for _ in range(random.choice([1, 2, 9]))] for _ in range(5)]
    came = [one.elements for one in received([EntityList(each, None) for each in lists], random) if one is not None]
    forms = random.choice(["k", "k ", "k r", "k rb"])  # kept, empty, received, or bytes
    kinds = [random.choice(forms) for _ in lists]
    mixed = [
        {"k": kept_list(each), " ": (), "r": one, "b": each}[kind]
        for kind, each, one in zip(kinds, lists, came, strict=True)
    ]
    if random.random() < 0.2:
        [*mixed[0]]  # whose elements are bytes from then on
    memory, list_ends = in_memory(mixed)
    found = [[memory.take(i) for i in range(*of)] for of in pairwise([0, *list_ends.tolist()])]
    assert found == [[] if kind == " " else each for kind, each in zip(kinds, lists, strict=True)]
    assert len(memory.words) == len(memory.octets) - 7
    assert all(end + 16 <= len(memory.octets) for end in memory.ends.tolist())


def test_kept_lists_are_put_side_by_side_without_objects(monkeypatch: pytest.MonkeyPatch):
    lists = [[b"head%d" % place, b"record"] for place in range(3)]
    kept = [kept_list(each) for each in lists]

    def take(_: ReceivedElements, element: int) -> bytes:
        raise AssertionError(element)

    monkeypatch.setattr(ReceivedElements, "take", take)
    in_memory([kept[0], (), kept[1], kept[2]])


def kinds(found: Sequence[ListsAnswer]) -> set[type]:
    return {type(one.elements) for answer in found for one in answer.lists or () if one is not None and one.elements}


@pytest.fixture
def by_loops(monkeypatch: pytest.MonkeyPatch, loops: Loops) -> None:
    """Loops find the lists that are not kept."""
    monkeypatch.setattr(LOADED, "loops", loops)


async def settled(reader: Any) -> None:
    """Wait until lists that are to be kept are so."""
    if (keeping := reader._trips.keeping) is not None:  # noqa: SLF001
        await keeping


@pytest.mark.usefixtures("written", "by_loops")
def test_a_list_that_is_read_again_is_kept_meanwhile(server, state, source):
    async def read(reader):
        sent = []
        for _ in range(4):
            before = server.commands("lrange")
            assert await reader.read(source, ASKS) == state.read(source, ASKS)
            await settled(reader)
            sent.append(server.commands("lrange") - before - len(KEYS))  # which the state has read, too
        return sent

    assert run(server.url, read) == [20, 40, 0, 0]


@pytest.mark.usefixtures("by_loops")
@pytest.mark.parametrize("count", [1, 20])
def test_new_lists_of_a_view_come_in_one_trip_and_without_objects(server, state, source, written, count):
    asks = [ask._replace(entities=ask.entities[:count]) for [ask] in append_more(written)]

    async def read(reader):
        for ask in asks:
            [answer] = await reader.read(source, [ask])
            assert [answer] == state.read(source, [ask])
            yield type(answer.lists)

    async def reads():
        async with reading(server.url) as reader:
            return [each async for each in read(reader)]

    assert asyncio.run(reads()) == [ReceivedLists] * len(asks)


@pytest.mark.usefixtures("by_loops", "written")
def test_what_are_no_lists_comes_over_the_usual_connections(server, source):
    async def read(reader):
        await reader.read_poll(source)
        return [each._connection for each in reader._trips._receiving]  # noqa: SLF001

    assert set(run(server.url, read)) == {None}


@pytest.mark.usefixtures("by_loops")
def test_what_was_read_is_noted_once_and_goes(server, source, written):
    asks = append_more(written)

    async def read(reader):
        for each in asks:
            await reader.read(source, each)
            yield len(reader._trips._read)  # noqa: SLF001

    async def reads():
        async with reading(server.url) as reader:
            return [each async for each in read(reader)]

    assert asyncio.run(reads()) == [1] * len(asks)


@pytest.mark.usefixtures("by_loops")
def test_a_list_that_changes_each_time_is_seldom_read_to_be_kept(server, source, written):
    async def read(reader):
        for number in range(60):
            written.append(KEYS)
            before = server.commands("lrange")
            await reader.read(source, ASKS)
            await settled(reader)
            if server.commands("lrange") - before > len(KEYS):
                yield number

    async def reads():
        async with reading(server.url) as reader:
            return [each async for each in read(reader)]

    assert len(asyncio.run(reads())) < 12  # at 1, 3, 6, 11, 20 and 37 where each change is heard at once


@pytest.mark.usefixtures("by_loops")
@pytest.mark.parametrize("new", [15, 60])
def test_lists_that_are_new_come_beside_known_ones(server, state, source, written, new):
    more = [b"i2:9%02d" % number for number in range(new)]
    written.append(more)
    asks = [ListsAsk(view="spend@1", entities=Random(1).sample([*KEYS, *more], len(KEYS) + new))]

    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
            await settled(reader)
        for _ in range(5):
            before = server.commands("lrange")
            found = await reader.read(source, asks)
            sent = server.commands("lrange") - before
            assert found == state.read(source, asks)
            await settled(reader)
            yield sent
            written.append(more[:2])

    async def reads():
        async with reading(server.url) as reader:
            return [each async for each in read(reader)]

    first, *_, last = asyncio.run(reads())
    assert (first, last) == (new, 2)


@pytest.mark.usefixtures("by_loops")
def test_asof_is_read_before_lists_of_which_some_are_kept(server, source, written, monkeypatch: pytest.MonkeyPatch):
    more = [b"i2:9%02d" % number for number in range(60)]
    written.append(more)
    exchange, trips = TrackedTrips.exchange, list[list[object]]()

    async def noted(self: TrackedTrips, questions: list[RedisCommand]) -> Sequence[object]:
        trips.append([command[0] for command in questions])
        return await exchange(self, questions)

    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
            await settled(reader)
        monkeypatch.setattr(TrackedTrips, "exchange", noted)
        await reader.read(source, [ListsAsk(view="spend@1", entities=[*KEYS, *more])])

    run(server.url, read)
    assert trips == [["HMGET"] + ["LRANGE"] * len(KEYS)]  # the others come over a connection of their own


def append_more(written: Written) -> list[list[ListsAsk]]:
    """Write lists, and return asks for some at a time."""
    asks = []
    for turn in range(3, 9):
        keys = [b"i%d:%02d" % (turn, number) for number in range(20)]
        elements = [b"\x01" + b"." * 2_000] * len(keys)
        written.connection.lists.append([ListAppend(generation=FIRST, entities=keys, elements=elements)])
        asks.append([ListsAsk(view="spend@1", entities=keys)])
    return asks


@pytest.mark.usefixtures("by_loops")
@pytest.mark.parametrize("how", ["plain", "protocol=2", "kill"])
def test_connections_of_all_kinds_receive_lists(server, state, source, written, how):
    async def read(reader):
        found = []
        for asks in append_more(written):
            if how == "kill":
                with server.client() as client:
                    client.client_kill_filter(_type="normal", skipme=True)
            found.append(await reader.read(source, asks))
            assert found[-1] == state.read(source, asks)
        return [kinds(each) == {ReceivedList} for each in found]

    received = run(f"{server.url}?protocol=2" if how == "protocol=2" else server.url, read)
    assert all(received) if how != "kill" else any(received)


@pytest.mark.long
@pytest.mark.usefixtures("by_loops")
def test_connections_with_tls_receive_lists(redis_tls_url, source):
    with closing(open_stream_state(redis_tls_url)) as state, closing(state.connect(source)) as connection:
        asks = append_more(Written(connection))

        async def read(reader):
            found = [await reader.read(source, each) for each in asks]
            assert found == [state.read(source, each) for each in asks]
            return [kinds(each) for each in found]

        assert run(redis_tls_url, read) == [{ReceivedList}] * len(asks)


@pytest.mark.usefixtures("by_loops")
def test_a_list_that_is_none_is_said_as_ever(server, source, written):
    asks = append_more(written)

    async def read(reader):
        with server.client() as client:
            [key, *_] = client.keys(f"{source.project}/*i3:07*")
            client.delete(key)
            client.set(key, "no list")
        for _ in range(3):
            with pytest.raises(StoreError, match="another program"):
                await reader.read(source, asks[0])
            await reader.read(source, asks[1])

    run(server.url, read)


@pytest.mark.usefixtures("by_loops")
def test_trips_under_way_at_once_all_receive_lists(server, state, source, written):
    asks = append_more(written)

    async def reads():
        async with reading(server.url) as reader:
            await reader.read(source, ASKS)
            with server.paused():
                tasks = []
                for each in asks[:3]:
                    tasks.append(asyncio.create_task(reader.read(source, each)))
                    await asyncio.sleep(0.02)
            found = await asyncio.gather(*tasks)
        assert found == [state.read(source, each) for each in asks[:3]]
        return [kinds(each) for each in found]

    assert asyncio.run(reads()) == [{ReceivedList}] * 3


@pytest.mark.usefixtures("by_loops")
def test_a_server_that_hangs_while_lists_come_is_given_up(server, state, source, written):
    asks = append_more(written)

    async def reads():
        async with reading(server.url, budget_s=0.5) as reader:
            await reader.read(source, asks[0])
            with server.paused(), pytest.raises(StoreError):
                await reader.read(source, asks[1])
            for each in asks[1:]:
                assert await reader.read(source, each) == state.read(source, each)

    asyncio.run(reads())
