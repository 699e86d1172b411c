"""The schema of the online store in PostgreSQL: made once, brought up to date, refused where it is newer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_online
from featurectl.online.base import OnlineView, PushRecord
from featurectl.online.postgres.migrations.steps import HEAD, KNOWN, SCHEMA
from featurectl.online.postgres.migrations.upgrade import FOLDER
from featurectl.online.postgres.tables import rows_table
from featurectl.registry.migrations.upgrade import steps
from tests.online.rows import T0, frame, view


def put(url: str, of, *entities: str) -> None:
    with closing(open_online(url)) as store:
        store.write(of, frame(of, [[entity] for entity in entities], [[1] for _ in entities]))


def test_the_steps_that_are_known_are_those_that_there_are():
    assert (steps(FOLDER), HEAD) == (KNOWN, KNOWN[-1])


def test_reading_makes_nothing(postgres_url):
    of = view({"n": "int64"})
    with closing(open_online(postgres_url)) as store:
        assert (store.prepared(of.project, of.env), store.read(of, [["a"]]), store.count(of)) == (
            frozenset(),
            [None],
            0,
        )
        assert [*store.walk(of)] == []
        store.remove(of)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select to_regnamespace(%s)", (SCHEMA,)).fetchone() == (None,)


def test_many_that_come_first_make_one_schema_and_all_tables(postgres_url):
    views = [view({"n": "int64"}, name=f"v{number}", project="p") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for task in [pool.submit(put, postgres_url, of, "a") for of in views]:
            task.result()
    with closing(open_online(postgres_url)) as store:
        assert store.prepared("p", "dev") == {(of.view, 1) for of in views}
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute(f"select version_num from {SCHEMA}.alembic_version").fetchall() == [(HEAD,)]


def test_a_schema_of_a_newer_version_is_neither_read_nor_written(postgres_url):
    of = view({"n": "int64"})
    put(postgres_url, of, "a")
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"update {SCHEMA}.alembic_version set version_num = '9999'")
    with closing(open_online(postgres_url)) as store:
        for use in (lambda: store.read(of, [["a"]]), lambda: store.write(of, frame(of, [["b"]], [[1]]))):
            with pytest.raises(StoreError, match=r"made by a newer featurectl \(schema 9999, this one knows 0001\)"):
                use()


def test_a_schema_that_was_made_for_us_needs_no_right_to_make_one(postgres_url):
    of = view({"n": "int64"})
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.execute("select current_database()").fetchone()[0]
        connection.execute(f'drop role if exists "{name}_writer"')
        connection.execute(f'create role "{name}_writer" login')
    theirs = postgres_url.replace("postgres@", f"{name}_writer@")
    try:
        with pytest.raises(StoreError, match="permission denied") as caught:
            put(theirs, of, "a")
        assert "make the schema featurectl_online" in caught.value.hint
        with psycopg.connect(postgres_url) as connection:
            connection.execute(f'create schema {SCHEMA} authorization "{name}_writer"')
        put(theirs, of, "a")
        put(theirs, of, "b")
    finally:
        with psycopg.connect(postgres_url) as connection:
            connection.execute(f"drop schema if exists {SCHEMA} cascade")
            connection.execute(f'drop role "{name}_writer"')


def test_the_tables_are_as_documented(postgres_url):
    of = view({"n": "int64"}, {"origin": "string", "dest": "string"}, project="shop")
    with closing(open_online(postgres_url)) as store:
        store.write(of, frame(of, [["EWR", "JFK"]], [[1]]))
        store.write(of, frame(of, [["EWR", "JFK"]], [[1]]))
    table = rows_table("shop", "dev", "spend@1")
    with psycopg.connect(postgres_url) as connection:
        [(*names, found, entities, record)] = connection.execute(f"select * from {SCHEMA}.views").fetchall()
        [(key, row)] = connection.execute(f"select * from {SCHEMA}.{table}").fetchall()
        [schema] = connection.execute(f"select project, env, view, version, id from {SCHEMA}.schemas").fetchall()
    assert (names, found, entities, record) == (["shop", "dev", "spend", 1], table, 1, None)
    assert (key, row[0], int.from_bytes(row[1:3], "big")) == (b"s3:EWRs3:JFK", 1, schema[-1])


def test_a_view_version_that_another_process_made_anew_is_read_and_written(postgres_url):
    of = view({"n": "int64"})
    put(postgres_url, of, "a")
    with closing(open_online(postgres_url)) as store, closing(open_online(postgres_url)) as other:
        assert store.read(of, [["a"]]) != [None]
        other.remove(of)
        assert (store.read(of, [["a"]]), store.count(of)) == ([None], 0)
        other.write(of, frame(of, [["a"]], [[2]]))
        assert store.read(of, [["a"]])[0].values == {"n": 2}


def test_a_record_that_is_removed_leaves_no_table(postgres_url: str):
    of, rows_of = view({"n": "int64"}, name="rebuild:spend"), view({"n": "int64"})
    record = PushRecord(computed_at=T0, watermark=None, newest_event=None, table_version=0, entities=0)
    with closing(open_online(postgres_url)) as store:
        store.write(rows_of, frame(rows_of, [["a"]], [[1]]))
        for each in (of, rows_of):
            store.write_push_record(each, record)
            assert tables_of(postgres_url, each) == 1
            store.remove_record(each)
        assert (tables_of(postgres_url, of), tables_of(postgres_url, rows_of)) == (0, 1)


def tables_of(url: str, of: OnlineView) -> int:
    """How many tables of rows there are of a view version."""
    name = rows_table(of.project, of.env, f"{of.view}@{of.version}")
    with psycopg.connect(url) as connection:
        found = connection.execute("select count(*) from pg_tables where tablename = %s", (name,)).fetchone()
    return int(found[0]) if found else 0
