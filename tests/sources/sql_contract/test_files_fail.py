"""Databases that are files, and what can happen to them: locked, gone, no database, torn, or another file meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.sources.sql import by_rows, duckdb_file, kept_rows
from tests.sources.sql_contract.kinds import DUCKDB, FILES, SQLITE, Database

NUMBERS = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) select i, 'row ' || i as a from n"
)
LOCK = {
    SQLITE: "import sqlite3; c = sqlite3.connect({!r}, isolation_level=None); c.execute('begin exclusive')",
    DUCKDB: "import duckdb; c = duckdb.connect({!r})",
}


@pytest.fixture(params=[SQLITE, DUCKDB])
def database(request, tmp_path, monkeypatch) -> Database:
    made = Database(request.param, tmp_path, "", monkeypatch)
    made.run("create table t (i int, a text)", "insert into t values (1, 'one'), (2, 'two')")
    return made


def file_of(database: Database) -> Path:
    return database.root / FILES[database.kind].removeprefix(f"{database.kind}:///")


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Let another program write the file, for as long as this lasts."""
    code = LOCK[database.kind].format(str(file_of(database))) + "; print(1, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"1\n"
        try:
            yield
        finally:
            writer.communicate(b"\n")


@pytest.mark.long
def test_a_file_that_is_locked_is_said_and_read_afterwards(database):
    with (
        locked(database),
        pytest.raises(StoreError, match=f"source orders: {FILES[database.kind]} can't be read: ") as caught,
    ):
        database.read("select i, a from t")
    assert caught.value.code == "FC605"
    assert "lock" in caught.value.message
    assert database.read("select i, a from t order by i").rows() == [(1, "one"), (2, "two")]


@pytest.mark.sample(2)
@pytest.mark.parametrize("content", [b"no database", b"", b"SQLite format 3\x00" + b"\x00" * 4096])
def test_what_is_no_database_is_said(database, content):
    file_of(database).write_bytes(content)
    with pytest.raises(FeaturectlError, match=r"source orders") as caught:
        database.read("select i, a from t")
    assert caught.value.code in ("FC605", "FC508")
    assert file_of(database).read_bytes() == content


def test_a_file_that_is_gone_is_said_and_not_made(database):
    reader = database.reader("select i, a from t order by i")
    assert reader.columns() == {"i": "int64", "a": "string"}
    file_of(database).unlink()
    with pytest.raises(FeaturectlError, match="has no database file") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC501"
    assert not file_of(database).exists()


def test_another_file_between_two_reads_is_read_as_it_is(database):
    columns = {"i": "int64", "a": "string"}
    reader = database.reader("select * from t", columns=columns, columns_declared=True)
    before = reader.scan(reader.parts())
    _replace(database, "create table t (i int, a text, b int)", "insert into t values (3, 'three', 4)")
    assert reader.scan(reader.parts()).collect()["i"].to_list() == [3]
    assert before.collect()["i"].to_list() == [1, 2]
    _replace(database, "create table t (i int, b text)")
    with pytest.raises(FeaturectlError, match="its query has no column 'a'") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC503"


def _replace(database: Database, *statements: str) -> None:
    """Put another database in the place of the file, as a job does that writes one anew."""
    beside = Database(database.kind, database.root / "beside", "", database.monkeypatch)
    beside.root.mkdir()
    beside.run(*statements)
    file_of(beside).replace(file_of(database))
    beside.root.rmdir()


@pytest.mark.long
def test_another_file_while_rows_are_read_changes_none_of_them(database, monkeypatch):
    monkeypatch.setattr(by_rows, "CHUNK_ROWS", 500)
    monkeypatch.setattr("featurectl.sources.sql.by_sqlalchemy.CHUNK_ROWS", 500)
    monkeypatch.setattr(duckdb_file, "BATCH_ROWS", 500)
    query = f"create table n as {NUMBERS.format(30_000)}"
    database.run(query)
    add, seen = kept_rows.KeptRows.add, []

    def added(kept, frame):
        seen.append(frame.height)
        if len(seen) == 2:
            _replace(database, "create table n (i int, a text)", "insert into n values (0, 'other')")
        add(kept, frame)

    with monkeypatch.context() as patched:
        patched.setattr(kept_rows.KeptRows, "add", added)
        frame = database.read("select i, a from n order by i")
    assert frame.rows() == [(i, f"row {i}") for i in range(1, 30_001)]
    assert len(seen) > 2
    assert database.read("select i, a from n").rows() == [(0, "other")]


@pytest.mark.long
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_file_that_is_torn_gives_no_rows(database, part):
    database.run(f"create table n as {NUMBERS.format(200_000)}")
    whole = file_of(database).read_bytes()
    torn = whole[: int(len(whole) * part)]
    file_of(database).write_bytes(torn)
    with pytest.raises(FeaturectlError, match="source orders") as caught:
        database.read("select i, a from n")
    assert caught.value.code in ("FC605", "FC508")
    assert "Traceback" not in caught.value.message
    assert file_of(database).read_bytes() == torn


def test_a_file_of_duckdb_with_a_key_is_said(tmp_path, monkeypatch):
    database = Database(DUCKDB, tmp_path, "", monkeypatch)
    with duckdb.connect() as connection:
        connection.execute("set force_mbedtls_unsafe = 'true'")  # what writes safely is an extension
        connection.execute(f"attach '{file_of(database)}' as sealed (encryption_key 'quack-quack')")
        connection.execute("create table sealed.t as select 1 as i")
    with pytest.raises(StoreError, match="can't be read: ") as caught:
        database.read("select i from t")
    assert caught.value.code == "FC605"
    assert "quack-quack" not in caught.value.message


@pytest.mark.long
def test_rows_of_sqlite_are_read_while_another_program_writes(tmp_path, monkeypatch):
    database = Database(SQLITE, tmp_path, "", monkeypatch)
    database.run("pragma journal_mode = wal", "create table t (i int)", "insert into t values (1)")
    code = "import sqlite3; c = sqlite3.connect({!r}, isolation_level=None); c.execute('begin immediate'); "
    monkeypatch.setitem(LOCK, SQLITE, code + "c.execute('insert into t values (2)')")
    with locked(database):
        assert database.read("select i from t").rows() == [(1,)]
