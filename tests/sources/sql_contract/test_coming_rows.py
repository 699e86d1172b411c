"""Rows of a query go into a table as they come: they are those of the query read whole, and a cut loses none."""

from __future__ import annotations

import gc
import random
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.source import Check, Source
from featurectl.sources.sql import reader
from featurectl.sources.sql.kept_rows import gathered
from tests.definitions import ARRIVALS, DELAYS, LATEST
from tests.operations.materialize.test_view import run
from tests.sources.sql_contract.kinds import ARROW, DUCKDB, Database
from tests.sources.sql_contract.served import asked, cut, served
from tests.streaming.topics.reading import wait_until

COUNT = 3_000
MANY = 30_000
EVENT = "timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second'"
ROWS = f"""
select 'C' || i % 7 as carrier, 'JFK' as origin, case when i % 5 > 0 then i * 0.5::float8 end as arr_delay,
  {EVENT} as at, {EVENT} + i % 3 * interval '1 minute' as known_at from generate_series(1, {{}}) s(i)
"""
WIDE = ROWS.replace("'JFK'", "rpad('JFK', 400)")  # what is not fetched has no room on its way


@pytest.fixture(params=[ARROW, DUCKDB])
def database(request, tmp_path, monkeypatch):
    url = request.getfixturevalue("postgres_url") if request.param == ARROW else ""
    made = Database(request.param, tmp_path, url, monkeypatch)
    monkeypatch.setattr(reader, "STREAM_BYTES", 1_000)
    monkeypatch.setattr("featurectl.sources.sql.postgres_arrow.BATCH_BYTES", 20_000)
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05, 0.05))
    made.run("create table other (i int)")
    return made


def source(database: Database, query: str = ROWS.format(COUNT), **keys: Any) -> Source:
    of_query = database.source(query)
    return replace(ARRIVALS, format="sql", path="", sql=of_query.sql, **keys)


@contextmanager
def at_frame(number: int, then, monkeypatch, times: int = 1):
    """Call a function when so many frames have come, in so many runs of the query."""
    runs: list[tuple] = []

    def come(*given):
        runs.append(given)
        for at, frame in enumerate(gathered(*given), 1):
            if at == number and len(runs) <= times:
                then()
            yield frame

    with monkeypatch.context() as patched:
        patched.setattr("featurectl.sources.sql.reader.gathered", come)
        yield runs


@pytest.mark.long
@pytest.mark.sample(2)
@pytest.mark.parametrize("keys", [{}, {"dedup_key": ("arr_delay",)}, {"available_at": None}], ids=str)
def test_a_table_has_the_rows_of_the_query_read_whole(database, monkeypatch, keys):
    query = source(database, **keys)
    with at_frame(1, lambda: None, monkeypatch) as runs:
        made, table = run(database.root, view=DELAYS, source=query)
    assert (made.rows_read, len(runs)) == (COUNT, 1)
    monkeypatch.setattr("featurectl.sources.sql.reader.describes", lambda _: False)
    whole, other = run(database.root, view=DELAYS, source=query, offline="whole")
    assert table.read().equals(other.read())
    assert replace(made, view="") == replace(whole, view="")
    assert replace(table.coverage(), rebuild_id="") == replace(other.coverage(), rebuild_id="")


def test_a_query_without_rows_makes_an_empty_table(database):
    nothing = source(database, ROWS.format(0))
    made, table = run(database.root, source=nothing)
    assert (made.action, made.rows_read, table.read().height) == ("first", 0, 0)
    assert run(database.root, source=nothing)[0].action == "nothing"


def test_a_bad_value_is_named_by_its_row_among_all(database, monkeypatch):
    columns = {**ARRIVALS.columns, "arr_delay": "int64"}
    numbers = ROWS.format(COUNT).replace("i * 0.5::float8", "case when i = 2001 then 0.5::float8 else i end")
    with at_frame(1, lambda: None, monkeypatch) as runs, pytest.raises(DataError, match=r"at row 2,001: 0\.5"):
        run(database.root, source=source(database, numbers, columns=columns, columns_declared=True))
    assert len(runs) == 1


def test_nothing_stays_open_where_a_run_fails(database):
    check = Check(kind="between", column="arr_delay", low=0.0, high=9.0)
    with pytest.raises(DataError, match="check"):
        run(database.root, source=source(database, checks=(check,)))
    missing = source(database, "select 'A' as carrier", columns_declared=True)
    with pytest.raises(DataError, match="has no column"):
        run(database.root, source=missing)
    gc.collect()
    database.run("drop table other")
    if database.kind == ARROW:
        wait_until(lambda: asked(database.url, served(ARROW).others) == [])


@pytest.mark.parametrize("name", ["new_shuffle", "Shuffle.add"])
def test_nothing_stays_open_while_an_error_of_the_engine_is_held(database, monkeypatch, name):
    def fail(*_):
        raise StoreError("the disk is full", code="FC605")

    monkeypatch.setattr(f"featurectl.engines.polars.prepare.{name}", fail)
    with pytest.raises(StoreError, match="full") as caught:
        run(database.root, source=source(database))
    database.run("drop table other")
    if database.kind == ARROW:
        wait_until(lambda: asked(database.url, served(ARROW).others) == [])
    assert caught.value.__traceback__ is not None


@pytest.mark.long
def test_a_connection_that_is_cut_once_costs_no_row(database, monkeypatch):
    if database.kind == DUCKDB:
        return  # a file is not cut
    monkeypatch.setattr(reader, "STREAM_BYTES", 200_000)
    query = source(database, WIDE.format(MANY))
    with at_frame(3, lambda: cut(database.url), monkeypatch) as runs:
        made, table = run(database.root, view=DELAYS, source=query)
    assert (made.rows_read, len(runs)) == (MANY, 2)
    other = run(database.root, view=DELAYS, source=query, offline="whole")[1]
    assert table.read().equals(other.read())


@pytest.mark.long
def test_a_connection_that_is_cut_each_time_leaves_the_table_as_it_was(database, monkeypatch):
    if database.kind == DUCKDB:
        return
    monkeypatch.setattr(reader, "STREAM_BYTES", 200_000)
    query = source(database, WIDE.format(MANY))
    _, table = run(database.root, source=source(database, ROWS.format(5)))
    before = table.read()
    with at_frame(3, lambda: cut(database.url), monkeypatch, times=9) as runs, pytest.raises(StoreError) as caught:
        run(database.root, source=query)
    assert (caught.value.code, len(runs)) == ("FC605", 3)
    assert table.read().equals(before)


@pytest.mark.stress
def test_thirty_cuts_at_any_moment_lose_and_double_no_row_of_a_table(database, monkeypatch):
    if database.kind == DUCKDB:
        return
    moments, codes = random.Random(3), []
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05,) * 5)
    query = source(database, ROWS.format(200_000))
    monkeypatch.setattr(reader, "STREAM_BYTES", 500_000)
    whole = run(database.root, view=LATEST, source=query, offline="whole")[1].read()
    for number in range(30):
        timer = threading.Timer(moments.random(), cut, (database.url,))
        timer.start()
        try:
            table = run(database.root, view=LATEST, source=query, offline=f"off{number}")[1]
            assert table.read().equals(whole)
            codes.append("")
        except StoreError as error:  # it was opened just then, and refused
            codes.append(error.code)
        timer.join()
    assert set(codes) <= {"", "FC605"}
    assert codes.count("") > 20
