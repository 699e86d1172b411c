"""SQLite files that are locked, full, read-only or none: a clear error in time, and then the next call works."""

# ruff: noqa: SLF001  # makes the disk of a store full

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from featurectl.cli.main import exit_code_of
from featurectl.core.errors import StoreError, TryAgainError
from featurectl.online.base import Ask, Writing
from featurectl.online.sqlite.store import AsyncSqliteReader, SqliteStore
from tests.online.rows import T0, frame, view

NOBODY = 65_534


@pytest.fixture
def path(tmp_path):
    return tmp_path / "online.db"


@pytest.fixture
def of():
    return view({"s": "string"}, {"id": "int64"})


def rows_of(of, count: int = 1, text: str = "x"):
    return frame(of, [[n] for n in range(count)], [[text]] * count)


def made(path, of, text):
    """Make a file with one row."""
    with closing(SqliteStore(path)) as store:
        store.write(of, rows_of(of, 1, text))


@contextmanager
def writing(path):
    """Let another connection be in the middle of writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield
        other.execute("rollback")


@contextmanager
def kept_out(path):
    """Let another connection keep even readers out."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin immediate")
        other.execute("create table theirs (id int)")
        yield
        other.execute("rollback")


@contextmanager
def as_somebody_without_rights():
    """Be a user who may not write what root may."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def ask(of) -> Ask:
    return Ask(project=of.project, env=of.env, fields=("spend@1",), keys=[b"i1:0"])


def test_a_file_that_another_process_writes_is_read_by_a_store_opened_now(path, of):
    with closing(SqliteStore(path, wait_s=0.01)) as store:
        store.write(of, rows_of(of))
        with writing(path), closing(SqliteStore(path, wait_s=0.01)) as new:
            for reader in (store, new):
                assert (reader.read(of, [[0]])[0].values, reader.count(of)) == ({"s": "x"}, 1)
            for write in (
                lambda: new.write(of, rows_of(of)),
                lambda: new.remove(of),
                lambda: new.keep_only(of, rows_of(of), T0),
            ):
                with pytest.raises(TryAgainError, match=r"writing to the online store .* for 0\.01 s"):
                    write()
        assert store.write(of, rows_of(of, 2)) == 1


def test_a_file_locked_against_readers_is_an_error_in_time_and_then_read(path, of):
    made(path, of, "x")

    async def main():
        reader = AsyncSqliteReader(path, str(path), 0.01)
        with kept_out(path):
            with pytest.raises(StoreError, match="locked") as caught:
                await reader.fetch([ask(of)])
            with pytest.raises(StoreError, match="locked"):
                await reader.fetch_shared(of.project, of.env, ["push/spend@1"])
        found = await reader.fetch([ask(of)])
        await reader.close()
        return caught.value, found

    error, [[[row]]] = asyncio.run(main())
    assert (error.code, row is None) == ("FC602", False)


def test_a_full_disk_is_an_error_and_what_was_there_stays(path, of):
    with closing(SqliteStore(path)) as store:
        store.write(of, rows_of(of))
        pages = store.bytes._connection.execute("pragma page_count").fetchone()[0]
        store.bytes._connection.execute(f"pragma max_page_count = {pages + 5}")
        with pytest.raises(StoreError, match="full") as caught:
            store.write(of, rows_of(of, 1_000, "y" * 500))
        assert (caught.value.code, exit_code_of(caught.value)) == ("FC602", 69)
        assert "room" in caught.value.hint
        assert (store.read(of, [[0], [999]])[1], store.count(of)) == (None, 1)
        assert store.read(of, [[0]])[0].values == {"s": "x"}
        store.bytes._connection.execute(f"pragma max_page_count = {pages * 1_000}")
        assert store.write(of, rows_of(of, 1_000, "y" * 500)) == 999
        assert store.count(of) == 1_000


@pytest.fixture
def only_read(of):
    """A function that makes a file with one row, in a folder with some rights, of which nobody may write."""
    with tempfile.TemporaryDirectory() as folder:

        def make(rights):
            path = Path(folder) / "online.db"
            made(path, of, "x")
            path.chmod(0o444)
            path.parent.chmod(rights)
            return path

        yield make
        Path(folder).chmod(0o777)


def test_a_file_that_may_only_be_read_is_read_and_not_written(of, only_read):
    path = only_read(0o777)
    with as_somebody_without_rights(), closing(SqliteStore(path)) as store:
        assert (store.read(of, [[0]])[0].values, store.count(of)) == ({"s": "x"}, 1)
        with pytest.raises(StoreError, match="readonly") as caught:
            store.write(of, rows_of(of, 2))
        assert (caught.value.code, "writable" in caught.value.hint) == ("FC602", True)


def test_a_folder_that_may_only_be_read_is_said_to_be_the_cause(of, only_read):
    path = only_read(0o555)
    with (
        as_somebody_without_rights(),
        closing(SqliteStore(path)) as store,
        pytest.raises(StoreError, match="readonly") as caught,
    ):
        store.read(of, [[0]])
    assert "its folder must be writable" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to look like one" * 50, b"SQLite format 3\x00" + b"x" * 5_000]
)
def test_a_file_that_is_no_database_is_said_to_be_none(path, of, content):
    path.write_bytes(content)
    with closing(SqliteStore(path)) as store:
        for call in (
            lambda: store.read(of, [[0]]),
            lambda: store.write(of, rows_of(of)),
            lambda: store.fetch([ask(of)]),
        ):
            with pytest.raises(
                StoreError, match=r"online\.db can't be used: (file is not|database disk image)"
            ) as caught:
                call()
            assert caught.value.code == "FC602"
    assert path.read_bytes() == content


READS = {
    "read": lambda store, of: store.read(of, [[0]])[0].values["s"],
    "fetch": lambda store, of: "new" if b"new" in store.fetch([ask(of)])[0][0][0] else "old",
    "count": lambda store, of: {1: "old", 2: "new"}[store.count(of)],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_file_moved_away_is_not_read_on_and_the_one_in_its_place_is(path, of, tmp_path, read):
    other = view({"s": "string"}, {"id": "int64"}, name="another")
    made(path, of, "old")
    made(tmp_path / "new.db", other, "x")  # the view has another number there
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        store.write(of, rows_of(of, 2, "new"))
    with closing(SqliteStore(path)) as store:
        assert read(store, of) == "old"
        path.rename(tmp_path / "old.db")
        for _ in range(2):
            with pytest.raises(StoreError, match="the file was moved or removed") as caught:
                read(store, of)
            assert (caught.value.code, path.exists()) == ("FC602", False)
        (tmp_path / "new.db").rename(path)
        assert read(store, of) == "new"
        made(tmp_path / "newest.db", of, "old")
        (tmp_path / "newest.db").rename(path)
        assert read(store, of) == "old"


def test_a_file_replaced_between_chunks_of_a_write_gets_none_of_the_rest(path, of, tmp_path):
    made(tmp_path / "new.db", of, "new")

    def frames():
        yield rows_of(of, 2, "old")
        for end in ("", "-wal", "-shm"):  # the three of them are the file
            path.with_name(path.name + end).rename(tmp_path / f"old.db{end}")
        (tmp_path / "new.db").rename(path)
        yield rows_of(of, 3, "old")

    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError, match="replaced while it was written"):
            store.write_all(of, frames(), Writing())
        assert (store.count(of), store.read(of, [[0]])[0].values) == (1, {"s": "new"})
        assert store.write(of, rows_of(of, 3, "later")) == 2


def test_a_file_that_is_removed_and_made_anew_is_another_store(path, of):
    with closing(SqliteStore(path)) as store:
        store.write(of, rows_of(of))
    path.unlink()
    with closing(SqliteStore(path)) as store:
        assert (store.read(of, [[0]]), store.count(of)) == ([None], 0)
        assert store.write(of, rows_of(of)) == 1
