"""Every kind of SQL source gives all rows of a query, in its order, without holding them all."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.sources.sql import bigquery, by_rows, duckdb_file, kept_rows, mysql, postgres_arrow, snowflake
from tests.sources.sql_contract.kinds import ARROW, BIGQUERY, MARIADB, SQLITE

NUMBERS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) "
SPILL = ".featurectl/spill"


def numbers(count: int, what: str = "i") -> str:
    """Return a query of so many rows."""
    return f"{NUMBERS.format(count)} select {what} from n order by i"


@pytest.fixture
def small(monkeypatch):
    """Let rows go to files soon, and come in small frames; return the sizes of the frames that were held at once."""
    sizes: list[int] = []
    write = kept_rows.KeptRows.write_held

    def seen(kept):
        sizes.append(sum(frame.height for frame in kept.held))
        write(kept)

    monkeypatch.setattr(kept_rows, "HELD_BYTES", 2_000)
    monkeypatch.setattr(kept_rows.KeptRows, "write_held", seen)
    monkeypatch.setattr(by_rows, "CHUNK_ROWS", 100)
    monkeypatch.setattr(bigquery, "PAGE_ROWS", 100)
    monkeypatch.setattr(duckdb_file, "BATCH_ROWS", 100)
    monkeypatch.setattr(mysql, "CHUNK_ROWS", 100)
    monkeypatch.setattr(snowflake, "BATCH_ROWS", 100)
    monkeypatch.setattr(postgres_arrow, "BATCH_BYTES", 1_000)
    return sizes


def test_rows_come_in_the_order_of_the_query(database):
    query = f"{NUMBERS.format(1000)} select i, 'n' || i as name, case when i % 3 > 0 then i end as rest from n"
    frame = database.read(f"{query} order by i % 7, i")
    wanted = sorted(range(1, 1001), key=lambda i: (i % 7, i))
    assert frame.rows() == [(i, f"n{i}", i if i % 3 else None) for i in wanted]
    database.was_read_as(arrow=database.kind == ARROW)


def test_many_rows_lie_in_files_and_only_a_few_are_held(database, small):
    reader = database.reader(numbers(5_000, "i, 'row ' || i as name, null as empty"))
    rows = reader.scan(reader.parts())
    assert rows.collect().rows() == [(i, f"row {i}", None) for i in range(1, 5_001)]
    assert rows.filter(pl.col("i") > 4_998).collect(engine="streaming")["i"].to_list() == [4_999, 5_000]
    assert len(small) > 10
    assert max(small) < 400
    files = list((database.root / SPILL).rglob("*.parquet"))
    assert len(files) == len(small)
    del reader, rows
    gc.collect()
    assert list((database.root / SPILL).iterdir()) == []


def test_few_rows_make_no_files(database):
    assert database.read(numbers(10)).height == 10
    assert not list(Path(database.root).rglob("*.parquet"))


@pytest.mark.long
def test_the_rows_are_there_as_often_as_they_are_asked_for(database, small):
    reader = database.reader(numbers(1_000))
    first, second = reader.scan(reader.parts()), reader.scan(reader.parts())
    assert first.collect().equals(second.collect())
    assert first.select(pl.len()).collect().item() == 1_000
    assert small


def test_kinds_of_values_that_change_far_below_are_joined(database, small):
    if database.kind != SQLITE:  # others tell types
        return
    frame = database.read(numbers(1_000, "case when i > 900 then i + 0.5 when i > 500 then i end as x"))
    assert frame["x"].to_list() == [None] * 500 + [float(i) for i in range(501, 901)] + [
        i + 0.5 for i in range(901, 1_001)
    ]
    assert small
    with pytest.raises(DataError, match="column 'x' mixes Int64 and String"):
        database.read(numbers(1_000, "case when i > 900 then 'a' else i end as x"))


def test_an_empty_result_has_its_columns(database):
    frame = database.read("select 1 as a, 'x' as b where 1 = 0")
    assert frame.columns == ["a", "b"]
    assert frame.height == 0


def test_columns_are_told_without_running_the_query(database):
    wanted = {"a": "int64", "b": "string"}
    assert database.reader("select 1 as a, 'x' as b").columns() == wanted
    if database.kind == ARROW:
        query = "select 1 / (i - i) as a, 'x' as b from generate_series(1, 2) i"
        assert database.reader(query).columns() == wanted
        assert database.arrow == []


@pytest.mark.parametrize("zone", [pytest.param("UTC", marks=pytest.mark.long), "Asia/Tokyo"])
def test_since_is_an_instant_on_the_clock_of_the_source(database, zone):
    kind = {SQLITE: "text", MARIADB: "datetime", BIGQUERY: "datetime"}.get(database.kind, "timestamp")
    database.run(f"create table t (i int, seen {kind})")
    database.run(*(f"insert into t values ({i}, '2024-01-01 0{i}:00:00.000000')" for i in range(10)))
    keys = {"timezone": zone, "event_time": "seen"}
    since_here = f"datetime(:since, '{zone}')" if database.kind == BIGQUERY else ":since"  # BigQuery's is an instant
    odd = "d_e" if database.kind == BIGQUERY else "d:e"  # whose columns have no colons
    query = f"select i, seen from t where seen >= {since_here} order by i"
    since = datetime(2024, 1, 1, 5, tzinfo=UTC) if zone == "UTC" else datetime(2023, 12, 31, 20, tzinfo=UTC)
    assert database.read(query, since, **keys)["i"].to_list() == [5, 6, 7, 8, 9]
    assert database.read(query, **keys)["i"].to_list() == list(range(10))
    other = f"select i, seen, ':a :b' as c, seen as \"{odd}\" from t where seen >= {since_here} and i < 8 order by i"
    assert database.read(other, since, **keys).columns == ["i", "seen", "c", odd]
    assert database.read(other, since, **keys)["c"].to_list() == [":a :b"] * 3


@pytest.mark.long
def test_a_query_that_only_ends_like_a_comment_is_read(database):
    for text in ("select 1 as a -- the end", "select 1 as a /* the end */", "select 1 as a;", " select 5 % 3 - 1 as a"):
        assert database.read(text).rows() == [(1,)]


@pytest.mark.parametrize(("query", "said"), [
    ("select * from nowhere", r"(?i)source orders, its query fails: .*nowhere"),
    ("select 1 as a, 2 as a", "source orders, its query gives column 'a' twice"),
    ("selec 1", "source orders, its query fails: .*selec"),
])  # fmt: skip
def test_a_query_that_fails_names_the_source(database, query, said):
    if database.kind == BIGQUERY and "twice" in said:  # BigQuery refuses it, its emulator gives another name
        return
    with pytest.raises(DataError, match=said) as caught:
        database.read(query)
    assert caught.value.code == "FC508"


@pytest.mark.usefixtures("small")
@pytest.mark.long
def test_a_query_that_fails_at_a_late_row_gives_none(database):
    if database.kind == SQLITE:  # it fails of nothing so late
        return
    wrong = "cast(case when i = 19000 then 'x' else '1' end as int) as x"
    if database.kind == MARIADB:  # which makes numbers of texts whatever they are
        wrong = "exp(case when i = 19000 then 10000 else 1 end) as x"
    with pytest.raises(DataError, match="source orders, its query fails: ") as caught:
        database.read(numbers(20_000, wrong))
    assert caught.value.code == "FC508"
    del caught  # it has the reader
    gc.collect()
    assert not list((database.root / SPILL).rglob("*.parquet"))


@pytest.mark.long
def test_columns_that_change_between_runs_are_seen(database):
    columns = {"a": "int64", "b": "string"}
    database.run("create table t (a int, b text)", "insert into t values (1, 'x')")
    reader = database.reader("select * from t", columns=columns, columns_declared=True)
    assert reader.scan(reader.parts()).collect().rows() == [(1, "x")]
    database.run("alter table t rename column b to c")
    with pytest.raises(DataError, match="source orders, its query has no column 'b'") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC503"
    database.run("drop table t", "create table t (a text, b text)", "insert into t values ('one', 'x')")
    with pytest.raises(DataError, match=r"column 'a' has 1 value that can't be read as int64; first at row 1: 'one'"):
        reader.scan(reader.parts())
    database.run("drop table t", "create table t (a int, b text)", "insert into t values (2, 'y')")
    assert reader.scan(reader.parts()).collect().rows() == [(2, "y")]


@pytest.mark.long
def test_a_query_can_only_read(database):
    database.run("create table t (a int)", "insert into t values (1)")
    for query in ("delete from t", "insert into t values (2) returning a", "drop table t", "update t set a = 2"):
        with pytest.raises(FeaturectlError, match="source orders, its query fails"):
            database.read(query)
    assert database.read("select * from t").rows() == [(1,)]


@pytest.mark.usefixtures("small")
@pytest.mark.long
def test_a_full_disk_is_said(database, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(StoreError, match=r"source orders, its query: no room for its rows in .*: the disk is full"):
        database.read(numbers(1_000))
