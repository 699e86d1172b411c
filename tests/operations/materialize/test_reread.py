"""Rows of a query that come later with an instant that was read are taken, where a `dedup_key` tells rows apart."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.source import SqlQuery
from featurectl.operations.materialize.range import Range, backfill_view
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.sources.open import open_source
from featurectl.sources.sql import reader
from featurectl.sources.sql.by_rows import run_by_rows
from featurectl.sources.sql.drivers import DRIVERS
from tests.definitions import ARRIVALS, DELAYS, LATEST
from tests.operations.materialize.test_view import at, run, values, write

HOUR = 3_600_000_000
QUERY = "select * from arrivals where known_at >= :since"
COLUMNS = "carrier text, origin text, arr_delay real, at text, known_at text"
SOURCE = replace(
    ARRIVALS, format="sql", path="", sql=SqlQuery(url="sqlite:///w.db", query=QUERY), dedup_key=("carrier", "origin"),
    columns_declared=True,
)  # fmt: skip
LATE = replace(SOURCE, lateness_us=3 * HOUR)
EVERY = replace(DELAYS, where=None)


def insert(root, *rows):
    """(carrier, what names the event, delay, event hour, known hour) each."""
    with closing(sqlite3.connect(root / "w.db")) as database, database:
        database.execute(f"create table if not exists arrivals ({COLUMNS})")
        for carrier, name, delay, event, known in rows:
            row = (carrier, name, delay, at(event).isoformat(), at(known).isoformat())
            database.execute("insert into arrivals values (?, ?, ?, ?, ?)", row)


@pytest.mark.long
def test_a_row_of_the_watermark_that_comes_later_is_taken_once(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 1, 5))
    run(tmp_path, source=SOURCE)
    insert(tmp_path, ("A", "y", 2.0, 2, 5), ("A", "z", 9.0, 2, 4))
    made, table = run(tmp_path, source=SOURCE)
    assert (made.action, made.rows_read, made.rows_written, values(table)) == ("append", 1, 1, [1.0, 2.0])
    assert run(tmp_path, source=SOURCE)[0].action == "nothing"
    insert(tmp_path, ("A", "u", 3.0, 3, 6))
    made, table = run(tmp_path, source=SOURCE)
    assert (made.rows_read, values(table)) == (1, [1.0, 2.0, 3.0])


def test_rows_of_the_lateness_before_the_watermark_are_taken(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 1, 5), ("A", None, 7.0, 1, 5))
    run(tmp_path, source=LATE)
    insert(tmp_path, ("A", "y", 2.0, 2, 2), ("A", "z", 9.0, 2, 1), ("A", None, 7.0, 1, 5))
    made, table = run(tmp_path, source=LATE)
    assert (made.rows_read, values(table)) == (2, [7.0, 7.0, 1.0, 2.0])  # what nothing names is no copy
    assert run(tmp_path, source=LATE)[0].action == "nothing"


@pytest.mark.parametrize("lateness_us", [0, HOUR])
def test_an_hour_shown_twice_is_read_whole_with_a_lateness_of_an_hour(tmp_path, lateness_us):
    source = replace(SOURCE, timezone="Europe/Berlin", lateness_us=lateness_us)
    with closing(sqlite3.connect(tmp_path / "w.db")) as database, database:
        database.execute(f"create table arrivals ({COLUMNS})")
        for name, delay, clock in (("x", 1.0, "02:50"), ("y", 2.0, "02:10"), ("z", 3.0, "03:05")):
            moment = f"2024-10-27 {clock}:00.000000"
            database.execute("insert into arrivals values ('A', ?, ?, ?, ?)", (name, delay, moment, moment))
            database.commit()
            _, table = run(tmp_path, source=source, hour=10_000)
    assert sorted(values(table)) == ([1.0, 2.0, 3.0] if lateness_us else [1.0, 3.0])


def test_what_is_left_out_is_counted_once(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 1, 5), ("A", "x", 2.0, 1, 5), (None, "y", 2.0, 1, 5))
    dropped = run(tmp_path, source=SOURCE)[0].dropped
    assert dropped == {"repeated": 1, "null key": 1}
    insert(tmp_path, ("B", "x", 3.0, 2, 6))
    made, table = run(tmp_path, source=SOURCE)
    assert (made.dropped, table.coverage().dropped) == ({}, dropped)


def test_an_earlier_copy_that_came_late_takes_the_place_of_the_one_read(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 1, 5))
    first = run(tmp_path, source=LATE)[1].coverage().rebuild_id
    insert(tmp_path, ("A", "x", 2.0, 1, 4))
    made, table = run(tmp_path, source=LATE)
    assert (values(table), made.dropped) == ([2.0], {"repeated": 1})
    assert table.coverage().rebuild_id != first


def test_a_source_that_has_another_column_by_now_takes_what_is_known_later(tmp_path):
    source = replace(SOURCE, columns=None, columns_declared=False)
    insert(tmp_path, ("A", "x", 1.0, 1, 5))
    run(tmp_path, source=source)
    with closing(sqlite3.connect(tmp_path / "w.db")) as database, database:
        database.execute("alter table arrivals add column gate text")
        database.execute("insert into arrivals values ('A', 'y', 2.0, ?, ?, 'g')", [at(6).isoformat()] * 2)
    assert values(run(tmp_path, source=source)[1]) == [1.0, 2.0]


@pytest.mark.long
def test_a_query_runs_whole_again_only_where_the_table_may_lack_events(tmp_path, monkeypatch):
    asked, read = [], reader.read_whole
    insert(tmp_path, ("A", "x", 1.0, 1, 5))
    for view, offline, wanted in ((LATEST, "one", [at(5)]), (DELAYS, "two", [at(6) - timedelta(seconds=1), None])):
        run(tmp_path, view=view, source=SOURCE, offline=offline)
        insert(tmp_path, ("B", "y", 2.0, 6, 6))
        with monkeypatch.context() as patched:
            patched.setattr(reader, "read_whole", lambda query, *how: asked.append(how[0]) or read(query, *how))
            run(tmp_path, view=view, source=SOURCE, offline=offline)
        assert asked == wanted
        asked.clear()


def test_a_copy_of_what_a_view_left_out_counts_not_above_the_watermark(tmp_path):
    query = "select * from arrivals where unixepoch(known_at) > unixepoch(:since)"
    source = replace(SOURCE, sql=SqlQuery(url="sqlite:///w.db", query=query))
    insert(tmp_path, ("A", "x", None, 1, 5))
    run(tmp_path, view=DELAYS, source=source)
    insert(tmp_path, ("A", "x", 2.0, 1, 6))
    made, table = run(tmp_path, view=DELAYS, source=source)
    assert (made.dropped, values(table)) == ({"repeated": 1}, [])


def test_copies_that_differ_are_told_by_the_run_that_reads_them_first(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 1, 5), ("A", "x", 2.0, 1, 5))
    assert [run(tmp_path, view=EVERY, source=SOURCE)[0].doubles.copies for _ in range(2)] == [1, 0]


@pytest.mark.long
def test_a_copy_of_a_row_without_a_key_that_came_late_counts_not(tmp_path):
    source = replace(SOURCE, dedup_key=("origin",))
    insert(tmp_path, ("A", "x", 1.0, 1, 5))
    run(tmp_path, view=EVERY, source=source)
    insert(tmp_path, (None, "y", 2.0, 2, 5))
    assert run(tmp_path, view=EVERY, source=source)[0].dropped == {"null key": 1}
    insert(tmp_path, ("A", "z", 9.0, 3, 6))
    assert run(tmp_path, view=EVERY, source=source)[0].dropped == {}
    insert(tmp_path, ("A", "y", 3.0, 2, 7))
    assert values(run(tmp_path, view=EVERY, source=source)[1]) == [1.0, 9.0]


@pytest.mark.long
def test_a_copy_of_a_row_without_a_key_of_a_range_counts_not(tmp_path):
    source = replace(SOURCE, dedup_key=("origin",))
    insert(tmp_path, ("A", "x", 1.0, 1, 5))
    _, table = run(tmp_path, view=EVERY, source=source)
    insert(tmp_path, (None, "y", 2.0, 2, 4))
    reader = open_source(source, tmp_path)
    job = MaterializeRun(view=replace(EVERY, source=source), version=1, reader=reader, table=table)
    backfill_view(PolarsEngine(1), job, Range(since=at(0), until=None))
    assert table.coverage().dropped == {"null key": 1}
    insert(tmp_path, ("A", "y", 3.0, 2, 6))
    assert values(run(tmp_path, view=EVERY, source=source)[1]) == [1.0]


def test_a_query_whose_driver_tells_no_types_runs_once(tmp_path, monkeypatch):
    asked: list[object] = []
    monkeypatch.setitem(DRIVERS, "sqlite", lambda: lambda *how: asked.append(how[1]) or run_by_rows(*how))
    insert(tmp_path, ("A", "x", 1.0, 1, 5), ("A", "y", 2.0, 1, 6))
    made, table = run(tmp_path, source=SOURCE)
    assert (asked, made.rows_read, values(table)) == ([None], 2, [1.0, 2.0])


ROW = st.tuples(
    st.sampled_from(["A", "B", None]), st.sampled_from(["x", "y", "z", None]), st.sampled_from([1.0, -2.0, None]),
    st.integers(0, 9), st.integers(0, 3),
)  # fmt: skip
STEPS = st.lists(st.tuples(st.lists(ROW, max_size=5), st.integers(0, 3)), min_size=1, max_size=6)


def check_steps(root, steps, view, source):
    """Rows come at most as late as the source says."""
    now = known = 0
    insert(root)
    for rows, wait in steps:
        now += wait
        late = 3 if source.lateness_us else 0
        insert(root, *((*row, max(known - late, 0) + after) for *row, after in rows))
        _, table = run(root, view=view, source=source, hour=now)
        watermark = table.coverage().watermark
        known = 0 if watermark is None else (watermark - at(0)) // timedelta(hours=1)
    version = run(root, view=view, source=source, hour=200)[0].table_version
    made, stepwise = run(root, view=view, source=source, hour=200)
    assert (made.action, made.table_version) == ("nothing", version)
    _, whole = run(root, view=view, source=source, hour=200, offline="whole")
    assert stepwise.read().equals(whole.read())


SOURCES = st.sampled_from([SOURCE, LATE, *(replace(each, dedup_key=("origin",)) for each in (SOURCE, LATE))])
VIEWS = st.sampled_from([LATEST, EVERY, DELAYS])


@pytest.mark.long
@settings(max_examples=3, deadline=None)
@given(STEPS, VIEWS, SOURCES)
def test_runs_of_a_query_whose_rows_come_late_give_what_one_run_gives(tmp_path_factory, steps, view, source):
    check_steps(tmp_path_factory.mktemp("steps"), steps, view, source)


@pytest.mark.stress
@settings(max_examples=300, deadline=None)
@given(STEPS, VIEWS, SOURCES)
def test_many_runs_of_a_query_whose_rows_come_late_give_what_one_gives(tmp_path_factory, steps, view, source):
    check_steps(tmp_path_factory.mktemp("steps"), steps, view, source)


WHOLE = replace(SOURCE, sql=SqlQuery(url="sqlite:///w.db", query="select * from arrivals"))
STATIC = replace(WHOLE, event_time=None, available_at=None, dedup_key=())


@pytest.mark.parametrize("source", [WHOLE, STATIC], ids=["without :since", "static"])
def test_a_query_that_is_read_whole_and_gives_the_same_rows_writes_nothing(tmp_path, source):
    insert(tmp_path, ("A", "x", 1.0, 1, 5), ("B", "y", 2.0, 2, 5))
    _, table = run(tmp_path, source=source)
    made, _ = run(tmp_path, source=source)
    assert (made.action, made.rows_read, made.table_version) == ("nothing", 2, 0)
    first = table.coverage().rebuild_id
    with closing(sqlite3.connect(tmp_path / "w.db")) as database, database:
        database.execute("update arrivals set arr_delay = 3.0 where carrier = 'A'")
    made, table = run(tmp_path, source=source)
    assert (made.action, made.table_version, values(table)) == ("rebuild", 1, [3.0, 2.0])
    assert table.coverage().rebuild_id != first
    assert run(tmp_path, source=source, full=True)[0].action == "rebuild"
    insert(tmp_path, ("A", "x", 3.0, 1, 5))  # one more of the same is another table, where nothing names a row
    assert run(tmp_path, source=source)[0].action == ("rebuild" if source is STATIC else "nothing")


def test_a_static_table_that_was_put_together_stays_and_is_read_once(tmp_path):
    source = replace(ARRIVALS, path="data/*.parquet", event_time=None, available_at=None)
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    write(tmp_path, "2.parquet", ("B", 2.0, 1, 2))
    first = run(tmp_path, source=source)[1].coverage().rebuild_id
    rows = pl.read_parquet(tmp_path / "data" / "*.parquet")
    rows.write_parquet(tmp_path / "data" / "1.parquet")
    (tmp_path / "data" / "2.parquet").unlink()
    made, table = run(tmp_path, source=source)
    assert (made.action, made.rows_read, made.rows_written, table.coverage().rebuild_id) == ("nothing", 2, 0, first)
    made, table = run(tmp_path, source=source)
    assert (made.action, made.rows_read, values(table)) == ("nothing", 0, [1.0, 2.0])


def test_a_table_that_stays_and_has_a_column_too_many_is_made_anew(tmp_path):
    source = replace(ARRIVALS, path="data/*.parquet", available_at=None)
    fewer = replace(EVERY, inputs=EVERY.inputs[:1])
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    run(tmp_path, view=EVERY, source=source)
    os.utime(tmp_path / "data" / "1.parquet", (1, 1))
    run(tmp_path, view=fewer, source=source)
    write(tmp_path, "2.parquet", ("B", 2.0, 3, 4))
    made, table = run(tmp_path, view=fewer, source=source)
    assert (made.action, values(table), "late" in table.read()) == ("append", [1.0, 2.0], False)
