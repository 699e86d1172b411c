"""What a server does that may not make a list that is kept a wrong one, nor a read slower, nor a server fuller."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.online.redis import tracked_trips
from featurectl.online.stream_state import known_answers
from featurectl.online.stream_state.base import ListsAsk
from tests.online.stream_state.tracked_source import ASKS, KEYS, connections_of, reading, run

pytestmark = pytest.mark.usefixtures("received")


@pytest.mark.parametrize("is_alive", [False, True])
def test_databases_that_are_swapped_are_found_out(server, state, source, written, is_alive):
    async def read(reader):
        with server.client() as client:
            for key in client.keys("*"):
                client.copy(key, key, destination_db=1)
            written.append(KEYS[:7])
            for _ in range(4):
                await reader.read(source, ASKS)
            for _ in range(2):
                if is_alive:  # the register has changed, which is said of
                    written.heartbeat()
                client.execute_command("SWAPDB", 0, 1)
                assert await reader.read(source, ASKS) == state.read(source, ASKS)
            before = server.commands("lrange")
            for _ in range(2):
                await reader.read(source, ASKS)
            assert server.commands("lrange") - before <= len(KEYS)

    run(server.url, read)


@pytest.mark.usefixtures("written")
def test_databases_swapped_twice_between_reads_are_found_out(server, state, source):
    async def read(reader):
        with server.client() as client:
            for _ in range(4):
                await reader.read(source, ASKS)
            for number in (1, 2):
                client.execute_command("SWAPDB", 0, number)
            assert (await reader.read(source, ASKS))[0].lists is None
            client.execute_command("SWAPDB", 0, 1)
            assert await reader.read(source, ASKS) == state.read(source, ASKS)

    run(server.url, read)


def test_the_list_that_is_watched_takes_all_others_with_it(server, state, source, written):
    async def read(reader):
        for _ in range(4):
            await reader.read(source, ASKS)
        read_again = []
        for key in KEYS:
            written.append([key])
            before = server.commands("lrange")
            found = await reader.read(source, ASKS)
            read_again.append(server.commands("lrange") - before)
            assert found == state.read(source, ASKS)
        return read_again

    found = run(server.url, read)
    assert {*found} == {1, len(KEYS)}
    assert found.count(1) >= len(KEYS) * 3 // 4


def test_lists_that_changed_between_reads_need_no_further_trip(server, source, written):
    async def read(reader):
        for _ in range(4):
            await reader.read(source, ASKS)
        before = server.commands("client|info")
        for number in range(30):
            written.append([KEYS[number % len(KEYS)]])
            await asyncio.sleep(0.001)  # what the server has said is read by the loop
            await reader.read(source, ASKS)
        return server.commands("client|info") - before

    assert 30 <= run(server.url, read) <= 33


def test_the_server_remembers_a_connection_once(server, source, written, monkeypatch):
    monkeypatch.setattr(tracked_trips, "MOST_TRACKED", 50)

    async def read(reader):
        with server.client() as client:
            for _ in range(200):
                written.heartbeat()
                await reader.read(source, ASKS)
            return client.info("stats")["tracking_total_items"]

    assert run(server.url, read) <= len(KEYS) + 1


@pytest.fixture(params=[1, 4])
def memories(request, monkeypatch):
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(0))
    monkeypatch.setattr(tracked_trips, "MOST_TRACKED", 6)
    known_answers.hold_lists(request.param * (64 << 20))
    return request.param


@pytest.mark.usefixtures("written")
def test_of_more_lists_is_heard_where_they_have_more_memory(server, source, memories, received):

    async def read(reader):
        for key in KEYS * 4:
            await reader.read(source, [ListsAsk(view="spend@1", entities=[key])])
        with server.client() as client:
            return client.info("stats")["tracking_total_keys"]

    most = memories * 6 + (received and memories == 1)  # the register came when it was full
    assert run(server.url, read) == min(most, len(KEYS) + 1)


@pytest.fixture(params=[1e9, 0.0])
def renewed_s(request, monkeypatch):
    monkeypatch.setattr(tracked_trips, "MOST_TRACKED", 15)
    monkeypatch.setattr(tracked_trips, "RENEWED_S", request.param)
    return request.param


@pytest.mark.sample(1)
def test_a_connection_is_told_of_so_many_lists_at_most(server, state, source, written, renewed_s):

    async def read(reader):
        with server.client() as client:
            connections = set()
            for number in range(12):
                for key in KEYS:
                    ask = ListsAsk(view="spend@1", entities=[key])
                    assert await reader.read(source, [ask]) == state.read(source, [ask])
                    connections.update(connections_of(server))
                if number % 4 == 3:
                    written.append(KEYS)
            return client.info("stats")["tracking_total_keys"], len(connections)

    keys, connections = run(server.url, read)
    assert keys <= (15 if renewed_s else 21)
    assert (connections == 1) == (renewed_s > 0)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("most", [1, 10, 18])
def test_a_server_that_remembers_few_lists_is_asked_little_more(server, state, source, most):
    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        before = server.commands("lrange")
        for _ in range(200):
            assert await reader.read(source, ASKS) == state.read(source, ASKS)
        return server.commands("lrange") - before

    with server.client() as client:
        client.config_set("tracking-table-max-keys", most)
    assert run(server.url, read) <= 200 * 20 * 2.3  # half of them are those of `state`


@pytest.mark.usefixtures("written")
def test_a_connection_that_can_not_be_made_is_tried_less_and_less(server, state, source):
    async def read(reader):
        await reader.read(source, ASKS)
        with server.client() as client:
            state.read(source, ASKS)
            before = client.info("stats")["rejected_connections"]
            client.config_set("maxclients", client.info("clients")["connected_clients"])
            for _ in range(100):
                assert await reader.read(source, ASKS) == state.read(source, ASKS)
            assert 2 <= client.info("stats")["rejected_connections"] - before < 20
            client.config_set("maxclients", 1_000)
            for _ in range(200):
                await reader.read(source, ASKS)
        assert connections_of(server)

    run(server.url, read)


@pytest.mark.usefixtures("written")
def test_a_server_that_was_busy_is_asked_again(server, state, source):
    loop = "while true do end"

    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        with server.client() as client, server.client() as other:
            client.config_set("busy-reply-threshold", 1)
            endless = asyncio.create_task(asyncio.to_thread(eval_, other, loop))
            with pytest.raises(StoreError, match="BUSY"):
                await read_for_ever(reader, source)
            client.script_kill()
            await endless
        for _ in range(3):
            assert await reader.read(source, ASKS) == state.read(source, ASKS)
        assert connections_of(server)

    run(server.url, read)


async def read_for_ever(reader, source) -> None:
    while True:
        await reader.read(source, ASKS)


def eval_(client, script: str) -> None:
    with pytest.raises(redis.ResponseError, match="kill"):
        client.eval(script, 0)


@pytest.mark.usefixtures("written")
def test_a_connection_whose_health_is_checked_is_not_opened_anew_unseen(server, state, source):
    async def read(reader):
        for _ in range(3):
            await reader.read(source, ASKS)
        [tracking] = connections_of(server)
        with server.client() as client:
            client.client_kill_filter(_id=tracking)
        await asyncio.sleep(1.1)  # the client would check it now
        for _ in range(3):
            assert await reader.read(source, ASKS) == state.read(source, ASKS)
        assert connections_of(server)

    run(f"{server.url}?health_check_interval=1", read)


@asynccontextmanager
async def closing_proxy(server):
    """Give the URL of a proxy that ends connections that watch a key, and how many it was asked for."""
    made = []

    async def forward(reader, writer) -> None:
        with suppress(OSError):
            while (data := await reader.read(1 << 16)) and b"\r\nWATCH\r\n" not in data:
                writer.write(data)
        writer.close()

    async def serve(reader, writer) -> None:
        made.append(1)
        behind = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(forward(reader, behind[1]), forward(behind[0], writer))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0", made
    finally:
        proxy.close()


@pytest.mark.usefixtures("written")
def test_a_connection_that_never_lasts_is_made_less_and_less(server, state, source):
    async def read():
        async with closing_proxy(server) as (url, made), reading(url) as reader:
            for _ in range(100):
                assert await reader.read(source, ASKS) == state.read(source, ASKS)
            return len(made)

    assert asyncio.run(read()) < 15


def test_a_reader_that_has_much_to_hear_reads_anew(server, state, source, written, monkeypatch):
    """All that a server with much memory has read may change while nobody asks: to hear of it takes long."""
    monkeypatch.setattr(tracked_trips, "MOST_HEARD", 10)
    keys = [b"i4:%04d" % number for number in range(2_000)]  # what the server says of so many is more than one part
    asks = [ListsAsk(view="spend@1", entities=keys)]

    async def read(reader):
        used = []
        for changed in (keys, keys[:9], keys):
            written.append(changed)
            for _ in range(3):
                assert await reader.read(source, asks) == state.read(source, asks)
            used += connections_of(server)
        return used

    first, after_few, after_all = run(server.url, read)
    assert first == after_few != after_all
