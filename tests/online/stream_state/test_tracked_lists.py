"""Lists that one server says have not changed are not sent again; what is read is always what is there."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from featurectl.online.redis import tracked_trips
from featurectl.online.stream_state.base import ListAppend, ListsAsk
from tests.online.stream_state.test_lists import begin
from tests.online.stream_state.tracked_source import ASKS, FIRST, KEYS, LATER, connections_of, reading, run

pytestmark = pytest.mark.usefixtures("received")


def test_lists_are_not_sent_again_until_they_change(server, state, source, written, received):
    async def read(reader):
        sent = []
        for changed in ([], [], [], KEYS[:3], [], []):
            if changed:
                written.append(changed)
            before = server.commands("lrange")
            found = await reader.read(source, ASKS)
            sent.append(server.commands("lrange") - before)
            assert found == state.read(source, ASKS)
        return sent

    second = 40 if received else 20  # once more, to be kept
    assert run(server.url, read) == [20, second, 0, 3, 0, 0]  # that which is watched is another


def test_random_writes_are_seen_by_all_who_read_at_once(server, state, source, written):
    random = Random(5)

    async def read(reader):
        for _ in range(150):
            if random.random() < 0.6:
                written.append(random.sample(KEYS, random.randint(1, 4)))
            asks = [ListsAsk(view="spend@1", entities=random.sample(KEYS, 9)) for _ in range(random.randint(1, 3))]
            found = await asyncio.gather(*(reader.read(source, [ask]) for ask in asks))
            assert found == [state.read(source, [ask]) for ask in asks]
        return server.commands("lrange")

    assert run(server.url, read) < 150 * 2 * 9 * 1.7


def test_many_lists_that_change_at_once_keep_the_connection(server, state, source, written):
    many = [b"i4:%04d" % number for number in range(1_200)]
    asks = [ListsAsk(view="spend@1", entities=many)]

    def append():
        elements = [b"\x01" + b"." * 1_000] * len(many)
        written.connection.lists.append([ListAppend(generation=FIRST, entities=many, elements=elements)])

    async def read(reader):
        append()
        for _ in range(3):
            await reader.read(source, asks)
        before, connections = server.commands("lrange"), connections_of(server)
        await reader.read(source, asks)
        assert server.commands("lrange") == before
        append()
        assert (await reader.read(source, asks))[0].lists == state.read(source, asks)[0].lists
        assert connections_of(server) == connections

    run(server.url, read)


def test_lists_that_are_removed_or_flushed_are_gone(server, state, source, written):
    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        begin(written.connection, LATER)
        state.drop_lists(source, FIRST)
        [switched] = await reader.read(source, ASKS)
        assert [[*each.elements] for each in switched.lists] == [[]] * len(KEYS)
        for _ in range(3):
            written.append(KEYS, LATER)
            await reader.read(source, ASKS)
        with server.client() as client:
            client.flushall()
        assert (await reader.read(source, ASKS))[0].lists is None

    run(server.url, read)


def test_a_connection_that_ends_takes_what_it_was_told_with_it(server, state, source, written):
    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        with server.client() as client:
            tracking = [each["id"] for each in client.client_list() if "t" in each["flags"]]
            assert len(tracking) == 1
            client.client_kill_filter(_id=tracking[0])
        written.append(KEYS[:2])
        for _ in range(3):
            assert await reader.read(source, ASKS) == state.read(source, ASKS)
        before = server.commands("lrange")
        await reader.read(source, ASKS)
        assert server.commands("lrange") == before

    run(server.url, read)


@pytest.mark.parametrize("how", ["client|tracking", "client|caching", "client|info", "watch", "protocol"])
def test_lists_are_read_without_being_told(server, state, source, written, how):
    url = server.url
    with server.client() as client:
        if how == "protocol":
            url += "?protocol=2"
        else:
            client.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", f"-{how}")
            url = url.replace("//", "//reader:pw@")

    async def read(reader):
        for number in range(4):
            written.append(KEYS[:number])
            assert await reader.read(source, ASKS) == state.read(source, ASKS)
        assert not connections_of(server)

    run(url, read)
    assert server.errors("NOPERM") <= (how != "protocol") * len(KEYS) + 1  # it is asked in one trip


def test_a_server_that_tells_nothing_is_found_out(server, state, source, written, monkeypatch):
    async def deaf(_, message):
        assert message

    monkeypatch.setattr(tracked_trips.TrackedTrips, "_hear", deaf)

    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        for _ in range(3):
            written.append(KEYS[:5])
            assert await reader.read(source, ASKS) == state.read(source, ASKS)

    run(server.url, read)


def test_a_trip_that_is_given_up_leaves_no_replies_to_others(server, state, source, written):
    async def steps():
        async with reading(server.url, 0.3) as reader:
            for _ in range(3):
                await reader.read(source, ASKS)
            server.pause()
            try:
                with pytest.raises(Exception, match="can't be reached"):
                    await reader.read(source, ASKS)
            finally:
                server.resume()
            written.append(KEYS[:4])
            for _ in range(2):
                assert await reader.read(source, ASKS) == state.read(source, ASKS)
            before = server.commands("lrange")
            await reader.read(source, ASKS)
            assert server.commands("lrange") == before

    asyncio.run(steps())


@pytest.mark.usefixtures("written")
def test_who_comes_while_a_trip_is_under_way_reads_too(server, state, source):
    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        with server.paused():
            tasks = []
            for _ in range(3):
                tasks.append(asyncio.create_task(reader.read(source, ASKS)))
                await asyncio.sleep(0.02)
        expected = state.read(source, ASKS)
        assert await asyncio.gather(*tasks) == [expected] * 3

    run(server.url, read)


@pytest.mark.usefixtures("written")
def test_no_connection_is_left_when_a_reader_is_closed(server, source):
    def told():
        with server.client() as client:
            return [each for each in client.client_list() if "t" in each["flags"]]

    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        assert len(told()) == 1

    run(server.url, read)
    assert not told()
