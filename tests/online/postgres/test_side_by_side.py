"""Chunks of a push that are written side by side: none waits for another in a circle, and each row counts once."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import polars as pl
import psycopg
import pytest

from featurectl.online.all_stores import open_online
from featurectl.online.base import Origin, Writing
from featurectl.online.postgres import connect, tables
from tests.online.rows import HOUR, T0, UTC_US, frame, view

ENTITIES, FRAMES = 1_200, 8


def of_ids():
    return view({"n": "int64"}, {"id": "int64"})


def frames(of, number: int, order: list[int], size: int = ENTITIES // FRAMES) -> list[pl.DataFrame]:
    """Return rows of entities, all of a number, in frames, which are chunks as they are short."""
    parts = [order[begin : begin + size] for begin in range(0, len(order), size)]
    at = pl.lit(T0 + number * HOUR, UTC_US).alias("computed_at")
    return [
        frame(of, [[n] for n in part], [[number]] * len(part), event_time=T0 + number * HOUR).with_columns(at)
        for part in parts
    ]


def push(url: str, of, number: int, seed: int | None = None) -> None:
    order = list(range(ENTITIES))
    if seed is not None:
        random.Random(seed).shuffle(order)
    push_rows(url, of, number, order)


def push_rows(url: str, of, number: int, order: list[int], size: int = ENTITIES // FRAMES) -> int:
    origin = Origin(at=T0 + number * HOUR, table_version=number, rebuild_id="r")
    with closing(open_online(url)) as store:
        return store.write_all(of, frames(of, number, order, size), Writing(origin=origin))


def numbers(url: str, of) -> list[object]:
    with closing(open_online(url)) as store:
        return [row and row.values["n"] for row in store.read(of, [[n] for n in range(ENTITIES)])]


def wait_for(found) -> None:
    until = time.monotonic() + 30
    while not found():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_kept_waiting(url: str) -> bool:
    with psycopg.connect(url) as session:
        return session.execute("select from pg_stat_activity where wait_event_type = 'Lock'").fetchone() is not None


def hold_second_chunk(other: psycopg.Connection, of) -> int:
    """Keep the second chunk waiting for a row of it; the first one finds out that there are rows, alone."""
    held = f"select from {tables.table_of(of)} where entity = %b for update".encode()
    second = ENTITIES // FRAMES
    other.execute(held, (b"i%d:%d" % (len(str(second)), second),)).fetchall()
    return second


def test_a_chunk_that_waits_for_a_row_keeps_no_later_one_waiting(postgres_url):
    of = of_ids()
    push(postgres_url, of, 1)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_url) as other:
        second = hold_second_chunk(other, of)
        task = pool.submit(push, postgres_url, of, 2)
        third = slice(2 * second, 3 * second)
        wait_for(lambda: set(numbers(postgres_url, of)[third]) == {2})
        assert set(numbers(postgres_url, of)[second : 2 * second]) == {1}
        other.rollback()
        task.result()
    assert numbers(postgres_url, of) == [2] * ENTITIES


def test_without_a_second_connection_chunks_go_one_after_the_other(postgres_url, monkeypatch):
    of = of_ids()
    push(postgres_url, of, 1)
    opened: list[connect.Session] = []
    refused = []

    def one_alone(*args: object) -> connect.Session:
        if opened:
            refused.append(args)
            raise psycopg.OperationalError("FATAL: sorry, too many clients already")
        opened.append(connect_watched(*args))
        return opened[0]

    connect_watched = connect.connect_watched
    monkeypatch.setattr(connect, "connect_watched", one_alone)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_url) as other:
        hold_second_chunk(other, of)
        task = pool.submit(push, postgres_url, of, 2)
        wait_for(lambda: refused)
        other.rollback()
        task.result()
    monkeypatch.undo()
    assert numbers(postgres_url, of) == [2] * ENTITIES


@pytest.mark.long
@pytest.mark.sample(2)
def test_pushes_in_any_order_beside_removals_end_with_the_newest(postgres_url):
    of = of_ids()
    push(postgres_url, of, 1)
    ended = threading.Event()

    def remove() -> int:
        rounds = 0
        with closing(open_online(postgres_url)) as store:
            gone = [b"i%d:%d" % (len(str(n)), n) for n in random.Random(1).sample(range(ENTITIES), 300)]
            while not ended.is_set():
                store.remove_keys(of, gone)
                rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        remover = pool.submit(remove)
        pushes = [pool.submit(push, postgres_url, of, number, number) for number in (3, 4, 2)]
        try:
            for task in pushes:
                task.result()
        finally:
            ended.set()
        assert remover.result()
    push(postgres_url, of, 5)
    assert numbers(postgres_url, of) == [5] * ENTITIES
    with closing(open_online(postgres_url)) as store:
        assert store.count(of) == ENTITIES


def test_rows_known_unknown_and_newer_each_end_as_they_should(postgres_url):
    of = of_ids()
    push(postgres_url, of, 3)
    gone = [n for n in range(ENTITIES) if n % 300 == 0 or n >= ENTITIES - 200]  # a few of each chunk, one as a whole
    with closing(open_online(postgres_url)) as store:
        assert store.remove_keys(of, [b"i%d:%d" % (len(str(n)), n) for n in gone]) == len(gone)
    push(postgres_url, of, 2)
    assert numbers(postgres_url, of) == [2 if n in gone else 3 for n in range(ENTITIES)]
    push(postgres_url, of, 4)
    assert numbers(postgres_url, of) == [4] * ENTITIES
    with closing(open_online(postgres_url)) as store:
        assert store.count(of) == ENTITIES


def test_a_transaction_that_the_server_takes_out_of_a_circle_is_begun_anew(postgres_url):
    of = of_ids()
    push(postgres_url, of, 1)
    link = connect.PostgresLink(connect.checked_address(postgres_url, "here"))
    place = f"update {tables.table_of(of)} set row = %b where entity = %b".encode()
    mine, theirs = b"i1:1", b"i1:2"
    tries, waiting, ended = [], threading.Event(), threading.Event()

    def write(session: connect.Session) -> None:
        tries.append(session)
        assert len(tries) == 1 or ended.wait(30)
        session.execute("set local deadlock_timeout = '10ms'")
        session.execute(place, (b"mine", mine))
        waiting.set()
        if not ended.is_set():
            wait_for(lambda: is_kept_waiting(postgres_url))  # who comes last looks for a circle
        session.execute(place, (b"mine", theirs))

    with closing(link), ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_url) as other:
        other.execute("set local deadlock_timeout = '1min'")
        other.execute(place, (b"theirs", theirs))
        task = pool.submit(link.write, write)
        assert waiting.wait(30)
        other.execute(place, (b"theirs", mine))
        other.commit()
        ended.set()
        task.result(30)
        assert len(tries) == 2
        assert link.read(lambda session: other_rows(session, of, [mine, theirs])) == [b"mine", b"mine"]


def other_rows(session: connect.Session, of, keys: list[bytes]) -> list[bytes]:
    found = session.execute(
        f"select row from {tables.table_of(of)} where entity = any(%b::bytea[]) order by entity".encode(), (keys,)
    )
    return [row for (row,) in found]


def test_an_older_row_that_another_push_adds_meanwhile_is_replaced(postgres_url):
    of = of_ids()
    push(postgres_url, of, 1)
    with closing(open_online(postgres_url)) as store:
        assert store.remove_keys(of, [b"i1:7"]) == 1
    with ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_url) as other:
        held = f"select from {tables.table_of(of)} where entity = %b for update".encode()
        other.execute(held, (b"i1:3",)).fetchall()
        task = pool.submit(push, postgres_url, of, 3)
        wait_for(lambda: is_kept_waiting(postgres_url))
        assert push_rows(postgres_url, of, 2, [7]) == 1
        other.rollback()
        task.result()
    assert numbers(postgres_url, of) == [3] * ENTITIES


@pytest.mark.sample(2)
@pytest.mark.parametrize("seed", range(6))
def test_pushes_of_any_rows_at_once_leave_the_newest_row_of_each_entity(postgres_url, seed):
    of, some = of_ids(), random.Random(seed)
    newest: dict[int, int] = {}
    for together in [[0], some.sample(range(1, 8), 4)]:  # one alone, then four at once, which meet what it left
        tasks = []
        with ThreadPoolExecutor(len(together)) as pool:
            for number in together:
                order = some.sample(range(400), some.choice([1, 200, 396, 400]))
                newest |= {n: max(newest.get(n, 0), number) for n in order}
                tasks.append(pool.submit(push_rows, postgres_url, of, number, order, some.choice([20, 150, 400])))
        for task in tasks:
            task.result()
    assert numbers(postgres_url, of) == [newest.get(n) for n in range(ENTITIES)]
    with closing(open_online(postgres_url)) as store:
        assert store.count(of) == len(newest)
