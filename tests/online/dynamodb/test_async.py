"""Reads of one event loop from DynamoDB: shared requests, budgets, outages, callers that leave."""

# ruff: noqa: SLF001  # counts single requests

from __future__ import annotations

import asyncio
import logging

import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.online.all_stores import open_async_reader
from tests.online.async_reading import BUDGET_S, ask, filled, last, reader_of
from tests.online.dynamodb.faults import THROTTLED, Faults, leave_out
from tests.online.rows import view
from tests.servers.dynamodb import running_dynamodb
from tests.servers.pausing import hanging
from tests.servers.redis import free_port

COUNT = 40


def test_everybody_gets_their_own_rows_in_the_order_of_their_keys(dynamodb_url):
    of = filled(dynamodb_url, COUNT)
    fields = ("never@1", "spend@1")

    async def main():
        async with reader_of(dynamodb_url) as reader:
            faults = Faults(reader._trips._link)
            asks = [[ask(of, n, n + 1), ask(of, 9_999, n, fields=fields), ask(of)] for n in range(0, 40, 2)]
            return await asyncio.gather(*(reader.fetch(some) for some in asks)), faults.sent

    answers, sent = asyncio.run(main())
    found = [[[tuple(map(last, rows)) for rows in part] for part in parts] for parts in answers]
    assert found == [[[(n,), (n + 1,)], [(None, None), (None, n)], []] for n in range(0, 40, 2)]
    assert sent["BatchGetItem"] == 1  # 81 places of all the callers


@pytest.mark.long
def test_more_keys_than_a_request_takes_are_answered_in_order(dynamodb_url):
    of, wanted = filled(dynamodb_url, COUNT), [n % (COUNT + 7) for n in range(5_432)]

    async def main():
        async with reader_of(dynamodb_url) as reader:
            leave_out(reader._trips._link)
            return await asyncio.gather(*(reader.fetch([ask(of, *wanted), ask(of)]) for _ in range(2)))

    for rows, none in asyncio.run(main()):
        assert none == []
        assert [last(row) for (row,) in rows] == [n if n < COUNT else None for n in wanted]


def test_nothing_to_ask_for_is_no_trip():
    async def main():
        url = f"dynamodb://eu-central-1/features?endpoint=http://127.0.0.1:{free_port()}"
        async with reader_of(url) as reader:
            return await reader.fetch([]), await reader.fetch([ask(view({}))]), await reader.fetch_shared("p", "e", [])

    assert asyncio.run(main()) == ([], [[]], [])


@pytest.mark.long
def test_what_all_entities_share_is_read_by_name(dynamodb_url):
    async def read(of):
        async with reader_of(dynamodb_url) as reader:
            return await reader.fetch_shared(of.project, of.env, ["push/spend@1", "nothing", "count/spend@1"])

    assert asyncio.run(read(view({}))) == [None] * 3  # where there is no table yet, too
    assert asyncio.run(read(filled(dynamodb_url, COUNT))) == [None, None, b""]


@pytest.mark.long
@pytest.mark.parametrize(("more", "is_consistent"), [("", True), ("&reads=eventual", False)])
def test_rows_are_as_consistent_as_the_url_says_and_what_is_shared_always(dynamodb_url, more, is_consistent):
    of, asked = filled(dynamodb_url, COUNT), []

    async def main():
        async with reader_of(dynamodb_url + more) as reader:
            events = reader._trips._link._opened().meta.events
            events.register(
                "provide-client-params.dynamodb.BatchGetItem",
                lambda params, **_: asked.append([each["ConsistentRead"] for each in params["RequestItems"].values()]),
            )
            await reader.fetch([ask(of, 1)])
            await reader.fetch_shared(of.project, of.env, ["push/spend@1"])

    asyncio.run(main())
    assert asked == [[is_consistent], [True]]


@pytest.mark.long
def test_callers_that_leave_do_not_disturb_those_that_stay(dynamodb_url):
    of = filled(dynamodb_url, COUNT)

    async def main():
        async with reader_of(dynamodb_url) as reader:
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
def test_throttling_is_waited_out_within_the_time_of_a_call(dynamodb_url):
    of = filled(dynamodb_url, COUNT)

    async def main(limit: int, budget_s: float):
        async with reader_of(dynamodb_url, budget_s) as reader:
            faults = Faults(reader._trips._link)
            faults.refused = lambda _operation, number: (THROTTLED, 400) if number <= limit else None
            return await reader.fetch([ask(of, 1)]), faults.sent["BatchGetItem"]

    [[(row,)]], sent = asyncio.run(main(3, BUDGET_S))
    assert (last(row), sent) == (1, 4)
    with pytest.raises(StoreError, match=r"has been busy for 0\.3 s|no answer within 0\.3 s") as caught:
        asyncio.run(main(1_000_000, 0.3))
    assert caught.value.code == "FC602"


@pytest.mark.long
def test_a_hanging_server_is_an_error_of_everybody_in_time():
    async def main(server, of, url):
        async with reader_of(url, 0.3) as reader:
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

    with running_dynamodb() as server:
        url = server.url()
        failed = asyncio.run(main(server, filled(url, COUNT), url))
    assert failed
    assert all(isinstance(error, StoreError) and error.code == "FC602" for error in failed)
    assert any("no answer within 0.3 s" in str(error) for error in failed)


@pytest.mark.long
def test_a_server_killed_and_started_again_is_an_outage_and_no_more():
    async def main(server, of, url):
        async with reader_of(url) as reader:
            await reader.fetch([ask(of, 1)])
            server.kill()
            for _ in range(3):
                with pytest.raises(StoreError, match="can't be reached") as caught:
                    await reader.fetch([ask(of, *range(COUNT))])
                assert caught.value.code == "FC602"
            server.start()  # it had nothing on a disk
            filled(url, COUNT, of)
            found = await asyncio.gather(*(reader.fetch([ask(of, n)]) for n in range(COUNT)))
            return [last(row) for (((row,),),) in found]

    with running_dynamodb() as server:
        url = server.url()
        assert asyncio.run(main(server, filled(url, COUNT), url)) == list(range(COUNT))


@pytest.mark.long
def test_who_waits_when_the_reader_is_closed_gets_an_error():
    async def main(server, of, url):
        reader = open_async_reader(url, "the store", 2.0)
        await reader.fetch([ask(of, 1)])
        with hanging(server.pid):
            waiting = [asyncio.create_task(reader.fetch([ask(of, n)])) for n in range(30)]
            for _ in range(5):
                await asyncio.sleep(0)
            late = asyncio.create_task(reader.fetch([ask(of, 1)]))
            await asyncio.sleep(0)
            await reader.close()
            found = await asyncio.gather(*waiting, late, return_exceptions=True)
        with pytest.raises(StoreError, match="the reader was closed"):
            await reader.fetch([ask(of, 1)])
        return found

    with running_dynamodb() as server:
        url = server.url()
        found = asyncio.run(main(server, filled(url, COUNT), url))
    assert all("the reader was closed" in str(error) for error in found)


def test_nothing_is_logged_of_errors_that_nobody_waits_for(caplog):
    url = f"dynamodb://eu-central-1/features?endpoint=http://127.0.0.1:{free_port()}"

    async def main():
        async with reader_of(url, 0.2) as reader:
            tasks = [asyncio.create_task(reader.fetch([ask(view({}), *range(5_500))])) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    with caplog.at_level(logging.WARNING, "asyncio"):
        assert all(isinstance(error, StoreError | asyncio.CancelledError) for error in asyncio.run(main()))
    assert caplog.messages == []


def test_the_state_of_streams_is_refused():
    async def main():
        async with reader_of("dynamodb://eu-central-1/features") as reader:
            await reader.read_poll(None)

    with pytest.raises(UsageError, match="keeps no state of streams"):
        asyncio.run(main())
