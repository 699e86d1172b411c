"""A process that reads an SQLite file on a full disk keeps nobody else out of it between its readings."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from featurectl.online.base import Ask
from featurectl.online.sqlite.store import SqliteStore
from featurectl.registry.base import RegistryChange
from featurectl.registry.sql import SqlRegistry
from tests.online.rows import frame, view
from tests.registry.test_contract import ENTRY, VIEW


@contextmanager
def no_room(size: int = 4096) -> Iterator[None]:
    """Let no file grow beyond some bytes: the `-shm` beside an SQLite file can't be made."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def read_one(store, of):
    return store.read(of, [[1]]) != [None]


def fetch_one(store, of):
    place = Ask(project=of.project, env=of.env, fields=(f"{of.view}@{of.version}",), keys=[b""])
    return len(store.fetch([place])) == 1


def write_beside(path):
    """Write as another process would."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("create table another (id int)")


def test_a_registry_that_was_read_without_room_locks_nobody_out(tmp_path):
    path = tmp_path / "registry.db"
    with closing(SqlRegistry(f"sqlite:///{path}")) as registry:
        registry.write_change(registry.load_state("flights"), RegistryChange(write=(VIEW,)), ENTRY)
    with closing(SqlRegistry(f"sqlite:///{path}")) as reader:
        with no_room():
            assert reader.load_state("flights").serial == 1
        write_beside(path)
        assert reader.load_state("flights").serial == 1


@pytest.mark.parametrize("read", [read_one, fetch_one])
def test_an_online_store_that_was_read_without_room_locks_nobody_out(tmp_path, read):
    path, of = tmp_path / "online.db", view({"s": "string"}, {"id": "int64"})
    with closing(SqliteStore(path)) as store:
        store.write(of, frame(of, [[1]], [["x"]]))
    with closing(SqliteStore(path)) as reader:
        with no_room():
            for _ in range(2):
                assert read(reader, of)
        write_beside(path)
        assert reader.count(of) == 1
