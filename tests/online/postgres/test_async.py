"""Reads of one event loop from a real PostgreSQL: shared statements, budgets, outages, callers that leave."""

from __future__ import annotations

import asyncio
import logging

import psycopg
import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.online.all_stores import open_async_reader, open_online
from tests.online.async_reading import BUDGET_S, ask, filled, last, reader_of
from tests.online.rows import view
from tests.servers.pausing import hanging
from tests.servers.postgres import END_OTHERS, own_postgres
from tests.servers.redis import free_port

COUNT = 200
SESSION = "test"  # of tests: the server may not have ended it yet
CALLS = f"""
select query, pid from pg_stat_activity
where datname = current_database() and application_name <> '{SESSION}' and backend_type = 'client backend'
"""


def calls(url: str) -> list[tuple[str, int]]:
    """Return the sessions of the server that are not the tests' own."""
    with psycopg.connect(url, application_name=SESSION) as connection:
        return connection.execute(CALLS).fetchall()


def test_everybody_gets_their_own_rows_in_the_order_of_their_keys(postgres_url):
    of = filled(postgres_url, COUNT)
    other = filled(postgres_url, COUNT, view({"n": "int64"}, {"id": "int64"}, project=of.project, name="other"))

    async def main():
        async with reader_of(postgres_url) as reader:
            asks = [
                [ask(of, n, n + 1), ask(other, 9_999, n, fields=("other@1", "never@1", "spend@1"))]
                for n in range(0, 100, 2)
            ]
            return await asyncio.gather(*(reader.fetch(some) for some in asks))

    found = [[[tuple(map(last, rows)) for rows in part] for part in parts] for parts in asyncio.run(main())]
    assert found == [[[(n,), (n + 1,)], [(None, None, None), (n, None, n)]] for n in range(0, 100, 2)]


def test_what_is_asked_in_one_turn_is_one_statement(postgres_url):
    of = filled(postgres_url, COUNT)
    with psycopg.connect(postgres_url, application_name=SESSION) as connection:
        connection.execute(END_OTHERS)  # the server may not have ended all of who wrote

    async def main():
        async with reader_of(postgres_url) as reader:
            await asyncio.gather(*(reader.fetch([ask(of, n)]) for n in range(COUNT)))
            [(query, first)] = calls(postgres_url)
            found = await asyncio.gather(*(reader.fetch([ask(of, n)]) for n in range(COUNT)))
            assert [pid for _, pid in calls(postgres_url)] == [first]
            return query, [row for (((row,),),) in found]

    query, found = asyncio.run(main())
    assert [last(row) for row in found] == list(range(COUNT))
    assert "unnest" in query


def test_many_more_keys_than_a_statement_takes_are_answered_in_order(postgres_url):
    of, wanted = filled(postgres_url, COUNT), [n % (COUNT + 7) for n in range(12_345)]

    async def main():
        async with reader_of(postgres_url) as reader:
            return await asyncio.gather(*(reader.fetch([ask(of, *wanted), ask(of)]) for _ in range(2)))

    for rows, none in asyncio.run(main()):
        assert none == []
        assert [row is not None for (row,) in rows] == [n < COUNT for n in wanted]


def test_nothing_to_ask_for_is_no_trip():
    async def main():
        async with reader_of(f"postgresql://127.0.0.1:{free_port()}/d") as reader:
            return await reader.fetch([]), await reader.fetch([ask(view({}))]), await reader.fetch_shared("p", "e", [])

    assert asyncio.run(main()) == ([], [[]], [])


def test_what_all_entities_share_is_read_by_name(postgres_url):
    async def read(of):
        async with reader_of(postgres_url) as reader:
            return await reader.fetch_shared(of.project, of.env, ["push/spend@1", "nothing", "schema/spend@1/x", "a@b"])

    assert asyncio.run(read(view({}))) == [None] * 4  # where there is no schema yet, too
    assert asyncio.run(read(filled(postgres_url, COUNT))) == [None] * 4


def test_callers_that_leave_do_not_disturb_those_that_stay(postgres_url):
    of = filled(postgres_url, COUNT)

    async def main():
        async with reader_of(postgres_url) as reader:
            tasks = [asyncio.create_task(reader.fetch([ask(of, n)])) for n in range(COUNT)]
            await asyncio.sleep(0)
            for turn in range(3):
                for task in tasks[turn::7]:
                    task.cancel()
                await asyncio.sleep(0)
            found = await asyncio.gather(*tasks, return_exceptions=True)
            return found, await reader.fetch([ask(of, 1)])

    found, [[(row,)]] = asyncio.run(main())
    stayed = {n: answer for n, answer in enumerate(found) if not isinstance(answer, asyncio.CancelledError)}
    assert len(stayed) > COUNT / 2
    assert all(last(answer[0][0][0]) == n for n, answer in stayed.items())
    assert last(row) == 1


@pytest.mark.long
def test_a_server_killed_and_started_again_is_an_outage_and_no_more():
    async def main(own, of):
        async with reader_of(own.server.url) as reader:
            await reader.fetch([ask(of, 1)])
            url = own.server.url
            own.kill()
            for _ in range(3):
                with pytest.raises(StoreError, match="can't be reached") as caught:
                    await reader.fetch([ask(of, *range(COUNT))])
                assert caught.value.code == "FC602"
            own.start()
            assert own.server.url == url
            found = await asyncio.gather(*(reader.fetch([ask(of, n)]) for n in range(COUNT)))
            own.kill()
            own.start()  # between two calls it is not seen
            return [last(row) for (((row,),),) in found], await reader.fetch([ask(of, 7)])

    with own_postgres() as own:
        found, [[(row,)]] = asyncio.run(main(own, filled(own.server.url, COUNT)))
    assert (found, last(row)) == (list(range(COUNT)), 7)


@pytest.mark.long
def test_a_hanging_server_is_an_error_of_everybody_in_time():
    async def main(server, of):
        async with reader_of(server.url, 0.3) as reader:
            while isinstance((await asyncio.gather(reader.fetch([ask(of, 1)]), return_exceptions=True))[0], StoreError):
                pass
            with hanging(server.pid):
                loop, failed = asyncio.get_running_loop(), []
                end_s = loop.time() + 1
                while loop.time() < end_s:
                    asked = [reader.fetch([ask(of, *range(COUNT))]) for _ in range(20)]
                    failed += await asyncio.gather(*asked, return_exceptions=True)
            while isinstance((await asyncio.gather(reader.fetch([ask(of, 1)]), return_exceptions=True))[0], StoreError):
                pass
            return failed

    with own_postgres() as own:
        failed = asyncio.run(main(own.server, filled(own.server.url, COUNT)))
    assert failed
    assert all(isinstance(error, StoreError) and error.code == "FC602" for error in failed)
    assert any("no answer within 0.3 s" in str(error) for error in failed)


@pytest.mark.long
def test_who_waits_when_the_reader_is_closed_gets_an_error():
    async def main(server, of):
        reader = open_async_reader(server.url, "the store", BUDGET_S)
        await reader.fetch([ask(of, 1)])
        with hanging(server.pid):
            waiting = [asyncio.create_task(reader.fetch([ask(of, n)])) for n in range(30)]
            for _ in range(5):
                await asyncio.sleep(0)
            late = asyncio.create_task(reader.fetch([ask(of, 1)]))  # is in no trip yet
            await asyncio.sleep(0)
            await reader.close()
            found = await asyncio.gather(*waiting, late, return_exceptions=True)
        with pytest.raises(StoreError, match="the reader was closed"):
            await reader.fetch([ask(of, 1)])
        return found

    with own_postgres() as own:
        found = asyncio.run(main(own.server, filled(own.server.url, COUNT)))
    assert all("the reader was closed" in str(error) for error in found)


def test_nothing_is_logged_of_errors_that_nobody_waits_for(caplog):
    async def main():
        async with reader_of(f"postgresql://127.0.0.1:{free_port()}/d", 0.2) as reader:
            tasks = [asyncio.create_task(reader.fetch([ask(view({}), *range(11_000))])) for _ in range(5)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    with caplog.at_level(logging.WARNING, "asyncio"):
        assert all(isinstance(error, StoreError | asyncio.CancelledError) for error in asyncio.run(main()))
    assert caplog.messages == []


@pytest.mark.parametrize("url", ["postgresql://host:port/d", "postgresql://host/d?nonsense=1", "postgresql://[::1"])
@pytest.mark.parametrize("opener", [open_online, lambda url: open_async_reader(url, url, 1.0)])
def test_a_url_that_is_none_is_wrong_usage(url, opener):
    with pytest.raises(UsageError, match="is no URL of PostgreSQL"):
        opener(url)
