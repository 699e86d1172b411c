"""A PostgreSQL that is away, hangs, is killed or refuses: what is said, and what is there afterwards."""

from __future__ import annotations

import random
import threading
from contextlib import closing

import polars as pl
import psycopg
import pytest

from featurectl.core.errors import NoAnswerError, StoreError, TryAgainError
from featurectl.online.all_stores import open_online
from featurectl.online.base import Origin, Writing
from featurectl.online.postgres.store import PostgresStore
from tests.online.rows import HOUR, T0, UTC_US, frame, view
from tests.servers.pausing import hanging
from tests.servers.postgres import own_postgres
from tests.servers.redis import free_port

ENTITIES = 300


def of_ids():
    return view({"n": "int64"}, {"id": "int64"})


def rows(of, number: int, count: int = ENTITIES) -> pl.DataFrame:
    """Return rows of entities as they are in a round, all of its number."""
    made = frame(of, [[n] for n in range(count)], [[number]] * count, event_time=T0 + number * HOUR)
    return made.with_columns(pl.lit(T0 + number * HOUR, UTC_US).alias("computed_at"))


def push(store, of, number: int) -> None:
    origin = Origin(at=T0 + number * HOUR, table_version=number, rebuild_id="r")
    store.write_all(of, [rows(of, number)], Writing(origin=origin))


def numbers(store, of) -> list[int | None]:
    return [row and row.values["n"] for row in store.read(of, [[n] for n in range(ENTITIES)])]


def test_a_server_that_does_not_answer_is_named_without_its_password():
    port = free_port()
    of = of_ids()
    with closing(open_online(f"postgresql://ana:s3cret-word@127.0.0.1:{port}/shop")) as store:
        for use in (
            lambda: store.prepare(of),
            lambda: store.write(of, rows(of, 1)),
            lambda: store.read(of, [[1]]),
            lambda: store.count(of),
            lambda: store.read_push_record(of),
            lambda: store.remove(of),
            store.clock,
        ):
            with pytest.raises(NoAnswerError, match=f"postgresql://127.0.0.1:{port}/shop can't be reached") as caught:
                use()
            assert caught.value.code == "FC602"
            assert "s3cret" not in str(caught.value)


def test_what_a_server_refuses_is_said_with_what_may_help(postgres_url):
    of, base = of_ids(), postgres_url.rsplit("/", 1)[0]
    with closing(open_online(f"{base}/nobody_made_it")) as store, pytest.raises(StoreError, match="does not exist"):
        store.read(of, [[1]])
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.execute("select current_database()").fetchone()[0]
        with closing(open_online(postgres_url)) as store:
            push(store, of, 1)
            connection.execute(f'alter database "{name}" set default_transaction_read_only = on')
        try:
            with closing(open_online(postgres_url)) as store:
                assert numbers(store, of) == [1] * ENTITIES
                with pytest.raises(StoreError, match="read-only") as caught:
                    push(store, of, 2)
            assert "replica" in caught.value.hint
        finally:
            connection.execute("set default_transaction_read_only = off")
            connection.execute(f'alter database "{name}" reset default_transaction_read_only')


def test_a_view_that_another_one_writes_for_long_is_worth_another_try(postgres_url, monkeypatch):
    monkeypatch.setattr(
        "featurectl.online.postgres.connect.SET_LIMITS", "select set_config('lock_timeout', '50ms', true)"
    )
    of = of_ids()
    with closing(open_online(postgres_url)) as store, psycopg.connect(postgres_url) as other:
        push(store, of, 1)
        other.execute("select 1 from featurectl_online.views for update")
        with pytest.raises(TryAgainError, match="another command has been writing"):
            push(store, of, 2)
        assert numbers(store, of) == [1] * ENTITIES
        other.rollback()
        push(store, of, 2)
        assert numbers(store, of) == [2] * ENTITIES


@pytest.mark.long
def test_a_hanging_server_ends_a_call_in_time_and_is_used_again(monkeypatch):
    monkeypatch.setattr("featurectl.core.postgres.CONNECT_S", 2)
    of = of_ids()
    with (
        own_postgres() as own,
        closing(PostgresStore(own.server.url, answer_s=0.5)) as store,
        closing(open_online(own.server.url)) as patient,
    ):
        push(patient, of, 1)
        with hanging(own.server.pid):
            for use in (lambda: store.read(of, [[1]]), lambda: push(store, of, 2), store.clock):
                with pytest.raises(NoAnswerError, match=r"no answer within|timeout expired"):
                    use()
        push(patient, of, 3)
        assert numbers(patient, of) == [3] * ENTITIES


def test_a_chunk_that_fails_leaves_nothing_of_itself(postgres_url, monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 2)
    of = view({"n": "int64"})
    with closing(open_online(postgres_url)) as store, psycopg.connect(postgres_url, autocommit=True) as other:
        store.write(of, frame(of, [["a"]], [[1]]))
        [(table,)] = other.execute("select rows_table from featurectl_online.views").fetchall()
        other.execute(
            f"alter table featurectl_online.{table} add constraint trouble check (entity <> convert_to('s1:d', 'UTF8'))"
        )
        with pytest.raises(StoreError, match="trouble"):
            store.write(of, frame(of, [["b"], ["c"], ["d"], ["e"]], [[2]] * 4))
        assert [row is not None for row in store.read(of, [["b"], ["c"], ["d"], ["e"]])] == [True, True, False, False]
        assert store.count(of) == store.count_rows(of) == 3


def push_for_ever(store, of, number: int) -> None:
    while True:
        push(store, of, number)


def campaign(own, kills: int, seed: int) -> int:
    """Kill the server while pushes go on; return how many pushes it ended."""
    of, random_s, ended = of_ids(), random.Random(seed), 0
    with closing(open_online(own.server.url)) as store:
        push(store, of, 0)
    for number in range(1, kills + 1):
        with closing(open_online(own.server.url)) as store:
            store.count(of)
            killer = threading.Timer(random_s.uniform(0, 0.15), own.kill)
            killer.start()
            with pytest.raises(StoreError) as caught:
                push_for_ever(store, of, number)
            ended += caught.value.code == "FC602"
            killer.join()
            own.start()
            found = numbers(store, of)
            for at in range(0, ENTITIES, 100):  # chunks
                assert set(found[at : at + 100]) in ({number}, {number - 1})
            assert (store.count(of), store.count_rows(of)) == (ENTITIES, ENTITIES)
            push(store, of, number)
            assert numbers(store, of) == [number] * ENTITIES
    return ended


@pytest.mark.long
@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.stress)])
def test_a_killed_server_has_each_chunk_whole_or_not_at_all(kills, monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 100)
    with own_postgres() as own:
        assert campaign(own, kills, 3) == kills


@pytest.mark.long
def test_a_restart_between_two_calls_is_not_seen():
    of = of_ids()
    with own_postgres() as own, closing(open_online(own.server.url)) as store:
        push(store, of, 1)
        assert numbers(store, of) == [1] * ENTITIES
        own.stop()
        own.start()
        assert numbers(store, of) == [1] * ENTITIES
        push(store, of, 2)
        own.kill()
        own.start()
        assert numbers(store, of) == [2] * ENTITIES
