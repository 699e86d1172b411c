"""The load generator counts what a server does, and the table of serving says what was aimed at."""

import asyncio
import gc
import itertools
import threading
import warnings
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.serving.load import Plan, put_load, render, requests_of, summed
from benchmarks.serving.table import Line
from benchmarks.serving.wrk import result_of

# A connection that this file's own server accepts in its last moment is closed by nobody.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
ABSENT = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def server(answer):
    """Answer each request by what `answer(number, writer)` does."""
    numbers, ready, loop, seen, writers = itertools.count(), threading.Event(), asyncio.new_event_loop(), [], []
    place, over = [], asyncio.Event()

    async def serve(reader, writer):
        writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                seen.append(await reader.readexactly(length))
                await answer(next(numbers), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def run():
        made = await asyncio.start_server(serve, "127.0.0.1", 0)
        place.append(made.sockets[0].getsockname()[1])
        ready.set()
        await over.wait()
        made.close()
        await asyncio.sleep(0.05)  # what was accepted by now has its task
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:  # all connections are closed: they end
            await asyncio.wait(tasks)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(120)
    yield f"http://127.0.0.1:{place[0]}/x", seen
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()
    with warnings.catch_warnings():  # a connection that was accepted in the last moment is nobody's: it goes here
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("rate", [0, 300])
def test_statuses_are_counted_and_every_body_is_sent(rate):
    async def answer(number, writer):
        writer.write(ABSENT if number % 3 == 0 else ANSWER)

    with server(answer) as (url, seen):
        result = put_load(Plan(url=url, bodies=[b"one", b"two"], connections=3, rate=rate, seconds=0.4, warm=0.0))
    assert result.errors == {}
    assert result.requests == len(seen) == sum(result.statuses.values())
    assert set(result.statuses) == {"200", "404"}
    assert result.failed == result.statuses["404"]
    assert set(seen) == {b"one", b"two"}
    assert sum(n for _, n in result.buckets) == result.requests


def test_an_answer_in_pieces_is_one_answer():
    async def answer(_number, writer):
        for start in range(0, len(ANSWER), 9):
            writer.write(ANSWER[start : start + 9])
            await asyncio.sleep(0.001)

    with server(answer) as (url, seen):
        result = put_load(Plan(url=url, connections=2, seconds=0.3, warm=0.0))
    assert (result.errors, result.statuses) == ({}, {"200": len(seen)})


def test_a_connection_that_is_closed_is_an_error_and_another_one_is_opened():
    async def answer(number, writer):
        if number == 4:
            writer.close()
        else:
            writer.write(ANSWER)

    with server(answer) as (url, seen):
        result = put_load(Plan(url=url, connections=1, seconds=0.8, warm=0.0))
    assert result.errors == {"closed by the server": 1}
    assert result.statuses == {"200": len(seen) - 1}
    assert len(seen) > 6


def test_a_server_that_stands_still_is_seen_by_all_requests_that_were_due():
    """The closed loop sees one slow answer; counted from when they were due, those after it are as slow."""

    async def answer(number, writer):
        if number == 20:
            await asyncio.sleep(0.3)
        writer.write(ANSWER)

    with server(answer) as (url, _):
        result = put_load(Plan(url=url, connections=1, rate=200, seconds=0.6, warm=0.0))
    slow = sum(n for bound, n in result.buckets if bound > 100)
    assert slow > 10
    assert result.errors == {}


@given(st.lists(st.floats(1e-4, 10), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 0.999]))
def test_a_percentile_is_the_least_value_that_covers_its_share(taken, share):
    result = summed(taken, 1.0, 0.0, {}, {})
    name = {0.5: "p50", 0.95: "p95", 0.99: "p99", 0.999: "p999"}[share]
    expected = np.quantile(np.array(taken) * 1e3, share, method="inverted_cdf")
    assert getattr(result, name) == pytest.approx(expected, abs=2e-3)


def test_what_wrk_says_becomes_a_result():
    told = '{"requests": 40, "seconds": 2.0, "mean": 0.3, "max": 9, "p50": 0.1, "p95": 1, "p99": 4, "p999": 8, %s}\n'
    fine = result_of("Running 2s test\n{}\n" + told % '"status": 0, "lost": 0' + "Done.\n", 0.002)
    assert (fine.requests, fine.per_second, fine.p50, fine.p999, fine.max, fine.cpu_us) == (40, 20.0, 0.1, 8, 9, 50.0)
    assert (fine.statuses, fine.errors, fine.failed) == ({"200": 40}, {}, 0)
    failing = result_of(told % '"status": 3, "lost": 2', 0.0)
    assert (failing.statuses, failing.errors, failing.failed) == ({"200": 37, "other": 3}, {"lost": 2}, 5)


def test_requests_are_the_bytes_of_http():
    assert requests_of(Plan(url="http://h:1/a?b=1")) == [b"GET /a?b=1 HTTP/1.1\r\nhost: h:1\r\n\r\n"]
    assert requests_of(Plan(url="http://h:1/a", bodies=[b"{}"], headers=["x-api-key: k"])) == [
        (
            b"POST /a HTTP/1.1\r\nhost: h:1\r\nx-api-key: k\r\n"
            b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        )
    ]


def test_a_result_is_shown_with_its_histogram():
    text = render(summed([0.001, 0.002, 0.002, 0.1], 2.0, 0.0, {"200": 4}, {}))
    assert text.startswith("4 requests, 2 a second;")
    assert "p50 2, p95 100, p99 100, p99.9 100, max 100" in text
    assert "statuses: 200 4\nerrors: none" in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"ours": 8_000, "theirs": 750, "times": 10}, ["10.67", "10 times theirs", "yes"]),
        ({"ours": 8_000, "times": 10}, ["-", "10 times theirs", "-"]),
        ({"ours": 4_000, "least": 5_000}, ["-", "at least 5,000 u", "no"]),
        ({"ours": 0.3, "theirs": 0.6, "most": 0.2}, ["0.50", "at most 0.2 u", "no"]),
    ],
)
def test_a_line_says_whether_the_goal_is_reached(line, told):
    assert Line(work="w", unit="u", **line).cells()[4:7] == told
