"""Reads for one event loop on real servers: shared round trips, budgets, outages, callers that leave."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, closing

import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.online.all_stores import open_async_reader, open_online
from featurectl.online.base import Ask
from featurectl.online.codec import pack_key
from featurectl.online.redis.slots import slot_of
from tests.online.rows import frame, view
from tests.servers.cluster import started_cluster
from tests.servers.redis import free_port, redis_server

COUNT = 200
BUDGET_S = 20.0  # where nothing goes wrong, whatever else the machine does


class Servers:
    """One server or a Cluster, seen alike."""

    def __init__(self, url, servers, wait_until_whole=lambda: None) -> None:
        self.url = url
        self.servers = servers
        self.wait_until_whole = wait_until_whole
        self.clients = [server.client() for server in servers]

    def hmgets(self) -> int:
        return sum(server.commands("hmget") for server in self.servers)

    def reads(self) -> list[int]:
        """Return how often each server has read something that was sent to it, this question included."""
        return [client.info("stats")["total_reads_processed"] for client in self.clients]

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(params=["one server", "cluster"], scope="module")
def servers(request):
    if request.param == "one server":
        with redis_server() as server, closing(Servers(server.url, [server])) as made:
            yield made
    else:
        with started_cluster() as cluster, closing(_servers_of(cluster)) as made:
            yield made


def _servers_of(cluster) -> Servers:
    return Servers(cluster.url, cluster.nodes, cluster.wait_until_whole)


@pytest.fixture
def of(servers):
    """A view of which so many entities have a row."""
    made = view({"n": "int64"}, {"id": "int64"})
    with closing(open_online(servers.url)) as store:
        store.write(made, frame(made, [[n] for n in range(COUNT)], [[n] for n in range(COUNT)]))
    return made


def ask(of, *numbers: int) -> Ask:
    keys = [pack_key([n], ["int64"]) for n in numbers]
    return Ask(project=of.project, env=of.env, fields=("spend@1",), keys=keys)


@asynccontextmanager
async def reader_of(url: str, budget_s: float = BUDGET_S):
    reader = open_async_reader(url, "the store", budget_s)
    try:
        yield reader
    finally:
        await reader.close()


async def is_there(reader, of, number: int) -> bool:
    [[[row]]] = await reader.fetch([ask(of, number)])
    return row is not None


def last(row: bytes | None) -> int | None:
    return None if row is None else row[-1]


def test_everybody_gets_their_own_rows_in_the_order_of_their_keys(servers, of):
    async def main():
        async with reader_of(servers.url) as reader:
            asks = [[ask(of, n, n + 1), ask(of, 9_999, n)] for n in range(0, 100, 2)]
            return await asyncio.gather(*(reader.fetch(some) for some in asks))

    found = [[[last(row) for [row] in rows] for rows in parts] for parts in asyncio.run(main())]
    assert found == [[[n, n + 1], [None, n]] for n in range(0, 100, 2)]


def test_requests_in_one_turn_of_the_loop_share_a_round_trip_by_server(servers, of):
    async def main():
        async with reader_of(servers.url) as reader:
            await reader.fetch([ask(of, *range(COUNT))])  # every server is connected
            hmgets, reads = servers.hmgets(), (servers.reads(), servers.reads())[1]
            found = await asyncio.gather(*(is_there(reader, of, n) for n in range(COUNT)))
            trips = [now - before - 1 for now, before in zip(servers.reads(), reads, strict=True)]
            return found, servers.hmgets() - hmgets, trips

    found, hmgets, trips = asyncio.run(main())
    assert (all(found), hmgets) == (True, COUNT)
    assert max(trips) <= 2  # the network may part what was sent at once


@pytest.mark.sample(1)
def test_many_more_commands_than_a_trip_holds_are_answered_in_order(servers, of):
    wanted = [n % (COUNT + 7) for n in range(12_345)]

    async def main():
        async with reader_of(servers.url) as reader:
            return await asyncio.gather(*(reader.fetch([ask(of, *wanted)]) for _ in range(2)))

    for [rows] in asyncio.run(main()):
        assert [row is not None for [row] in rows] == [n < COUNT for n in wanted]


@pytest.mark.usefixtures("servers")
def test_nothing_to_ask_for_is_no_trip(of):
    async def main():
        async with reader_of(f"redis://127.0.0.1:{free_port()}") as reader:
            return await reader.fetch([]), await reader.fetch([ask(of)]), await reader.fetch_shared("p", "e", [])

    assert asyncio.run(main()) == ([], [[]], [])


def test_what_all_entities_share_is_read_by_name(servers, of):
    async def main():
        async with reader_of(servers.url) as reader:
            return await reader.fetch_shared(of.project, of.env, ["push/spend@1", "nothing"])

    assert asyncio.run(main()) == [None, None]


def test_a_key_of_another_type_is_a_broken_row_of_its_caller_alone(servers, of):
    key = f"{of.project}/{of.env}:{{i3:777}}".encode()
    server = servers.servers[slot_of(key) * len(servers.servers) // 16_384]
    with server.client() as client:
        client.set(key, "no hash")

    async def main():
        async with reader_of(servers.url) as reader:
            calls = [reader.fetch([ask(of, n)]) for n in (1, 777, 2)]
            first = await asyncio.gather(*calls)
            return [*first, await reader.fetch([ask(of, 3)])]

    found = [row for (((row,),),) in asyncio.run(main())]
    assert [bool(row) for row in found] == [True, False, True, True]
    assert found[1] == b""  # where there is none it is None


def test_callers_that_leave_do_not_disturb_those_that_stay(servers, of):
    async def main():
        async with reader_of(servers.url) as reader:
            tasks = [asyncio.create_task(is_there(reader, of, n)) for n in range(COUNT)]
            await asyncio.sleep(0)
            for turn in range(3):
                for task in tasks[turn::7]:
                    task.cancel()
                await asyncio.sleep(0)
            found = await asyncio.gather(*tasks, return_exceptions=True)
            return [answer for answer in found if answer is not True], await is_there(reader, of, 1)

    left, after = asyncio.run(main())
    assert all(isinstance(answer, asyncio.CancelledError) for answer in left)
    assert len(left) < COUNT / 2
    assert after


@pytest.mark.sample(1)
def test_a_server_killed_and_started_again_is_an_outage_and_nothing_more(servers, of):
    async def main():
        async with reader_of(servers.url) as reader:
            assert await is_there(reader, of, 1)
            for server in servers.servers:
                server.kill()
            for _ in range(3):
                with pytest.raises(StoreError, match="can't be reached"):
                    await reader.fetch([ask(of, *range(COUNT))])
            for server in servers.servers:
                server.start()
            servers.wait_until_whole()
            return await asyncio.gather(*(is_there(reader, of, n) for n in range(COUNT)))

    assert asyncio.run(main()) == [False] * COUNT  # they had no files: all is gone, and all answer


@pytest.mark.sample(1)
def test_a_restart_between_two_calls_is_not_seen(servers, of):
    async def main():
        async with reader_of(servers.url) as reader:
            for _ in range(3):
                await reader.fetch([ask(of, *range(COUNT))])
                for server in servers.servers:
                    server.kill()
                for server in servers.servers:
                    server.start()
                servers.wait_until_whole()
            return await is_there(reader, of, 1)

    assert asyncio.run(main()) is False


@pytest.mark.sample(1)
def test_a_paused_server_is_an_error_of_every_caller_in_time_and_then_read(servers, of):
    async def main():
        async with reader_of(servers.url, 0.3) as reader:
            await reader.fetch([ask(of, *range(COUNT))])
            with servers.servers[-1].paused():
                loop, failed = asyncio.get_running_loop(), []
                end_s = loop.time() + 1
                while loop.time() < end_s:
                    calls = [reader.fetch([ask(of, *range(COUNT))]) for _ in range(20)]
                    failed += await asyncio.gather(*calls, return_exceptions=True)
            while isinstance((await asyncio.gather(is_there(reader, of, 1), return_exceptions=True))[0], StoreError):
                pass
            return failed, await reader.fetch([ask(of, *range(COUNT))])

    failed, [rows] = asyncio.run(main())
    assert all(isinstance(error, StoreError) and error.code == "FC602" for error in failed)
    assert all(row is not None for [row] in rows)


def test_who_waits_when_the_reader_is_closed_gets_an_error(servers, of):
    async def main():
        reader = open_async_reader(servers.url, "the store", BUDGET_S)
        await reader.fetch([ask(of, *range(COUNT))])
        for server in servers.servers:
            server.pause()
        try:
            waiting = [asyncio.create_task(reader.fetch([ask(of, *range(n, COUNT))])) for n in range(30)]
            for _ in range(5):
                await asyncio.sleep(0)
            late = asyncio.create_task(reader.fetch([ask(of, 1)]))  # is in no trip yet
            await asyncio.sleep(0)
            await reader.close()
            found = await asyncio.gather(*waiting, late, return_exceptions=True)
        finally:
            for server in servers.servers:
                server.resume()
        with pytest.raises(StoreError, match="the reader was closed"):
            await reader.fetch([ask(of, 1)])
        return found

    assert all("the reader was closed" in str(error) for error in asyncio.run(main()))


def test_nothing_is_logged_of_errors_that_nobody_waits_for(servers, of, caplog):
    async def main():
        async with reader_of(servers.url.replace("redis", "rediss", 1), 0.2) as reader:
            calls = [asyncio.create_task(reader.fetch([ask(of, *range(11_000))])) for _ in range(5)]
            await asyncio.sleep(0)
            calls[0].cancel()
            return await asyncio.gather(*calls, return_exceptions=True)

    with caplog.at_level(logging.WARNING, "asyncio"):
        assert all(isinstance(error, StoreError | asyncio.CancelledError) for error in asyncio.run(main()))
    assert caplog.messages == []


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:port/",
        "redis://host:6379/prod",
        "redis+cluster://host:port/",
        "redis+cluster://h/?a=b&socket_timeout=x",
    ],
)
def test_a_url_that_is_none_is_wrong_usage(url):
    with pytest.raises(UsageError, match="is no URL of Redis"):
        open_async_reader(url, "the store", 1)


@pytest.mark.long
def test_a_hanging_node_of_a_cluster_holds_up_nobody_who_asks_another_one():
    of = view({"n": "int64"}, {"id": "int64"})

    async def main(cluster):
        async with reader_of(cluster.url, 3.0) as reader:  # those of the other nodes need a small part of it
            await reader.fetch([ask(of, *range(COUNT))])
            with cluster.nodes[2].paused():
                mine = [n for n in range(COUNT) if cluster.node_of(slot(n)) is not cluster.nodes[2]]
                his = [n for n in range(COUNT) if cluster.node_of(slot(n)) is cluster.nodes[2]]
                calls = [is_there(reader, of, n) for n in [*his, *mine] * 3]
                found = await asyncio.gather(*calls, return_exceptions=True)
                return found, len(his), len(mine)

    def slot(number: int) -> int:
        return slot_of(f"{of.project}/{of.env}:{{".encode() + pack_key([number], ["int64"]) + b"}")

    with started_cluster() as cluster:
        with closing(open_online(cluster.url)) as store:
            store.write(of, frame(of, [[n] for n in range(COUNT)], [[n] for n in range(COUNT)]))
        found, his, mine = asyncio.run(main(cluster))
    assert sum(isinstance(answer, StoreError) for answer in found) == 3 * his
    assert sum(answer is True for answer in found) == 3 * mine


@pytest.mark.long
def test_a_replica_that_takes_over_is_read():
    of = view({"n": "int64"}, {"id": "int64"})

    async def main(cluster):
        async with reader_of(cluster.url) as reader:
            await reader.fetch([ask(of, *range(COUNT))])
            cluster.nodes[0].kill()
            with cluster.replicas[0].client() as client:
                client.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
            return await asyncio.gather(*(is_there(reader, of, n) for n in range(COUNT)))

    with started_cluster(3, 1) as cluster:
        with closing(open_online(cluster.url)) as store:
            store.write(of, frame(of, [[n] for n in range(COUNT)], [[n] for n in range(COUNT)]))
        assert all(asyncio.run(main(cluster)))
