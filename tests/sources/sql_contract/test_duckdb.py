"""A DuckDB file is read by DuckDB itself: its rows are those of the same table in Parquet, and it reaches no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext

import duckdb
import polars as pl
import pytest

from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.language.data_roots import OutsideDataError
from featurectl.language.definitions.source import SqlQuery
from featurectl.sources.sql import duckdb_file
from featurectl.sources.sql import reader as sql_reader
from featurectl.sources.sql.query_run import SqlQueryRun
from tests.sources.sql_contract.kinds import DUCKDB, Database, values

# Each type whose Parquet is read as its Arrow is, with values of it.
COLUMNS = {
    "boolean": ("true", "false"), "tinyint": ("-128", "127"), "smallint": ("-32768", "1"), "integer": ("1", "-1"),
    "bigint": ("-9223372036854775808", "9223372036854775807"), "utinyint": ("0", "255"),
    "uinteger": ("0", "4294967295"),
    "ubigint": ("0", "9223372036854775807"), "float": ("0.1", "'nan'"), "double": ("0.1", "'inf'"),
    "decimal(5,2)": ("-999.99", "0.01"), "decimal(38,10)": ("0.0000000001", "-1"), "varchar": ("''", "'ä€😀'"),
    "blob": ("''", "'\\xAA'"), "date": ("'0001-01-01'", "'9999-12-31'"), "time": ("'00:00'", "'23:59:59.999999'"),
    "timestamp": ("'0001-01-01'", "'9999-12-31 23:59:59.999999'"), "timestamp_ms": ("'2024-01-01'", "'1960-01-01'"),
    "timestamp_ns": ("'2024-01-01 00:00:00.123456789'", "'1960-01-01'"),
    "timestamptz": ("'2024-03-31 01:30+00'", "'1960-01-01 00:00-08'"),
    "mood": ("'sad'", "'o''k'"), "integer[]": ("[1, null]", "[]"), "varchar[]": ("['a']", "[null]"),
    "struct(a integer, b varchar)": ("{'a': 1, 'b': 'x'}", "{'a': null, 'b': ''}"),
}  # fmt: skip


@pytest.fixture
def database(tmp_path, monkeypatch):
    made = Database(DUCKDB, tmp_path, "", monkeypatch)
    made.run("create type mood as enum ('sad', 'o''k')")
    return made


def test_rows_are_those_of_the_same_table_in_parquet(database):
    names = [f"c{i}" for i in range(len(COLUMNS))]
    first, last = zip(*COLUMNS.values(), strict=True)
    kinds = ", ".join(f"{name} {kind}" for name, kind in zip(names, COLUMNS, strict=True))
    rows = (first, last, ["null"] * len(names))
    database.run(
        f"create table t ({kinds})",
        *(f"insert into t values ({', '.join(row)})" for row in rows),
        f"copy t to '{database.root}/t.parquet'",
    )
    found, wanted = database.raw("select * from t"), pl.read_parquet(database.root / "t.parquet")
    plain = wanted.with_columns(pl.col(pl.Categorical, pl.Enum(["sad", "o'k"])).cast(pl.String))
    assert dict(found.schema) == dict(plain.schema)
    assert found.equals(plain, null_equal=True)


def test_sums_of_integers_are_integers_where_they_fit(database):
    database.run("create table t as select 9223372036854775807 as a")
    assert database.read("select sum(a) as a, count(*) as n from t").rows() == [(2**63 - 1, 1)]
    assert database.reader("select sum(a) as a from t").columns() == {"a": "int64"}
    with pytest.raises(DataError, match="column 'a' can't be read: it has whole numbers beyond 64 bits") as caught:
        database.read("select sum(a) + 1 as a from t")
    assert caught.value.code == "FC504"


@pytest.mark.sample(2)
@pytest.mark.parametrize("text", [
    "date 'infinity'", "timestamp '-infinity'", "timestamptz 'infinity'", "date '0044-03-15 (BC)'", "time '24:00:00'",
    "interval 1 month", "timetz '10:00:00+02'",
])  # fmt: skip
def test_what_no_cell_can_hold_is_an_error_that_names_the_column(database, text):
    with pytest.raises(DataError, match="source orders, its query: column 'b' can't be read: it ") as caught:
        database.read(values("1", text))
    assert caught.value.code == "FC504"


REACHING = (
    "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "select * from read_text('FILE')",
    "select * from glob('/*')", "copy t to 'FILE'", "attach 'FILE' as other", "export database 'FILE'",
    "install httpfs", "load spatial", "set enable_external_access = true", "pragma enable_external_access",
    "select 1 as a; copy t to 'FILE'", "delete from t", "insert into t values (2) returning a",
    "create table u (a int)",
    "create temp table u as select 1 as a", "vacuum", "checkpoint", "set threads = 1; select 1",
    "select * from sqlite_scan('FILE', 't')", "select * from parquet_scan('http://127.0.0.1:1/x.parquet')",
)  # fmt: skip


@pytest.mark.sample(4)
@pytest.mark.parametrize("query", REACHING)
def test_a_query_reaches_nothing_but_its_file(database, query):
    database.run("create table t (a int)", "insert into t values (1)")
    before = sorted(database.root.iterdir())
    with pytest.raises(FeaturectlError) as caught:
        database.read(query.replace("FILE", str(database.root / "made")))
    assert caught.value.code == "FC508"
    assert set(database.root.iterdir()) - set(before) <= {database.root / ".featurectl"}
    assert database.read("select * from t").rows() == [(1,)]


def test_a_file_outside_of_the_repository_is_refused(database, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "x.duckdb"
    duckdb.connect(outside).close()
    for path, error in ((outside, OutsideDataError), ("../x.duckdb", OutsideDataError), ("no.duckdb", DataError)):
        source = database.source("select 1 as a", sql=SqlQuery(url=f"duckdb:///{path}", query="select 1 as a"))
        read = sql_reader.SqlReader(source=source, root=database.root, url=source.sql.url)
        with pytest.raises(error) as caught:
            read.scan(read.parts())
        assert caught.value.code == ("FC501" if error is DataError else "FC535")


def test_what_is_no_database_is_said(database):
    (database.root / "rows.duckdb").write_text("no database")
    with pytest.raises(StoreError, match=r"source orders: duckdb:///rows.duckdb can't be read: ") as caught:
        database.read("select 1 as a")
    assert caught.value.code == "FC605"


@pytest.mark.long
def test_a_file_that_another_program_writes_is_said(database):
    code = f"import duckdb, sys; c = duckdb.connect({str(database.root / 'rows.duckdb')!r}); print(1); sys.stdin.read()"
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        writer.stdout.readline()
        with pytest.raises(StoreError, match="Conflicting lock") as caught:
            database.read("select 1 as a")
        writer.stdin.close()
    assert caught.value.code == "FC605"
    assert database.read("select 1 as a").rows() == [(1,)]


@pytest.mark.parametrize("module", ["duckdb", "pyarrow"])
def test_a_driver_that_is_missing_is_said_with_its_extra(database, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StoreError, match="no driver for duckdb") as caught:
        database.read("select 1 as a")
    assert (caught.value.code, caught.value.hint) == ("FC605", "pip install 'featurectl[duckdb]'")


@pytest.mark.long
def test_a_query_without_end_is_ended_by_an_interrupt(database):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    begin = time.monotonic()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            database.read("select count(*) as n from range(10000000) a(i), range(10000000) b(j) where i * j % 7 = 3")
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin < 60
    assert database.read("select 1 as a").rows() == [(1,)]


def test_naive_times_compare_on_the_clock_of_the_source(database):
    database.run("create table t as select timestamp '2024-01-01 05:00' as seen, timestamptz '2024-01-01 05:00Z' as z")
    query = "select extract(hour from z)::int as hour, seen >= timestamptz '2023-12-31 20:00Z' as late from t"
    assert database.read(query, timezone="Asia/Tokyo").rows() == [(14, True)]


@pytest.mark.parametrize("words", ["access_mode=read_write", "threads=1&access_mode=READ_WRITE", "ACCESS_MODE=x"])
def test_a_file_is_opened_to_be_written_by_no_option(database, words):
    database.run("create table t (a int)", "insert into t values (1)")
    source = database.source("select 1", sql=SqlQuery(url=f"duckdb:///rows.duckdb?{words}", query="delete from t"))
    read = sql_reader.SqlReader(source=source, root=database.root, url=source.sql.url)
    with pytest.raises(DataError, match="a source is only read, never access_mode=") as caught:
        read.scan(read.parts())
    assert (caught.value.code, caught.value.hint) == ("FC508", "leave access_mode out")


def test_a_file_that_is_named_with_read_only_is_read_as_without(database):
    database.run("create table t (a int)", "insert into t values (1)")
    url = "duckdb:///rows.duckdb?access_mode=read_only"
    source = database.source("select 1", sql=SqlQuery(url=url, query="select a from t"))
    read = sql_reader.SqlReader(source=source, root=database.root, url=url)
    assert read.scan(read.parts()).collect().rows() == [(1,)]


def test_a_file_with_other_options_is_given_to_its_driver_to_be_read(database, monkeypatch):
    asked = []
    monkeypatch.setattr(duckdb_file, "run_by_rows", lambda query, _: asked.append(query.url) or nullcontext())
    for words in ("threads=1", "access_mode=automatic&threads=1"):
        source = database.source("select 1", sql=SqlQuery(url=f"duckdb:///rows.duckdb?{words}", query="select 1 as a"))
        run = SqlQueryRun(source=source, root=database.root, url=source.sql.url)
        with duckdb_file.run_in_duckdb(run, None):
            pass
    assert asked == ["duckdb:///rows.duckdb?access_mode=read_only&threads=1"] * 2
