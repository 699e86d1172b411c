"""The file of topics: its tables, its version, and its failures in our words.

    topics(id, name, incarnation)
    partitions(topic, partition, first_offset, next_offset)   a row for each partition
    messages(topic, partition, offset, key, value, sent_at_us)
    readers(topic, reader_group, leases)                      who reads which partition (`topics/leases.py`)

Whoever sends takes `next_offset` of the partition and raises it in the transaction that inserts its messages, so that
offsets have no holes, are never given twice, and nobody sees half of what was sent at once. What was trimmed lies below
`first_offset`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from featurectl.core.disk_room import hint_of, sqlite_failure
from featurectl.core.errors import StoreError
from featurectl.online.sqlite.file import DatabaseFile

VERSION: Final = 1
_TABLES: Final = f"""
begin immediate;
create table if not exists topics(
    id integer primary key, name text not null unique, incarnation text not null);
create table if not exists partitions(
    topic integer not null, partition integer not null, first_offset integer not null, next_offset integer not null,
    primary key (topic, partition)) without rowid;
create table if not exists messages(
    topic integer not null, partition integer not null, offset integer not null, key blob, value blob not null,
    sent_at_us integer, primary key (topic, partition, offset)) without rowid;
create table if not exists readers(
    topic integer not null, reader_group text not null, leases text not null,
    primary key (topic, reader_group)) without rowid;
pragma user_version = {VERSION};
commit;
"""
_HINTS: Final = {
    "not a database": "is `streams:` of the environment the right file?",
    "locked": "another program keeps the whole file for itself",
    "no such table": "another program has changed the file, or it is no file of topics",
}


class TopicsFile:
    """One connection to the file, opened when it is first used, and to the file that lies at its path."""

    def __init__(self, path: Path, shown: str, wait_s: float) -> None:
        self.shown = shown
        self._path = path
        self._wait_s = wait_s
        self._file = DatabaseFile(path, wait_s, "")
        self._prepared: sqlite3.Connection | None = None
        self._openings = 0

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self._path.exists()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for statements that see the file as of one moment."""
        with self.errors():
            connection = self._connection()
            connection.execute("begin")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("commit")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for statements that all count, or none of them."""
        with self.errors(writing=True):
            connection = self._connection()
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite ends it by itself when the disk is full
                    connection.execute("rollback")
                raise
            connection.execute("commit")

    def wipe(self) -> None:
        """Write the file anew without what was removed; senders wait as long."""
        with self.errors(writing=True):
            self._connection()
            self._file.wipe()

    def change_mark(self) -> tuple[int, int]:
        """Return what is another pair once somebody else has written to the file, or it is another file."""
        with self.errors():
            connection = self._connection()
            return self._openings, int(connection.execute("pragma data_version").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _connection(self) -> sqlite3.Connection:
        self._file.is_another()  # what was open is closed then
        connection = self._file.connection
        if connection is not self._prepared:
            self._prepare(connection)
            self._prepared = connection
            self._openings += 1
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("pragma user_version").fetchone()[0])
        if version > VERSION:
            raise StoreError(
                f"the topics {self.shown} were made by a newer version of featurectl",
                code="FC606",
                hint="install the version that the others use",
            )
        if version < VERSION:
            connection.executescript(_TABLES)
        connection.execute("pragma synchronous = full")  # offsets that were given must not be given again

    @contextmanager
    def errors(self, *, writing: bool = False) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._error(error, writing=writing) from error
        finally:
            self._file.release()

    def _error(self, error: sqlite3.Error | OSError, *, writing: bool) -> StoreError:
        text, message = str(error), f"the topics {self.shown} can't be used: {sqlite_failure(error)}"
        if writing and "locked" in text:
            message = f"another program has been writing to the topics {self.shown} for {self._wait_s:g} s"
            return StoreError(message, code="FC606")
        hint = hint_of(error) or next((hint for words, hint in _HINTS.items() if words in text), "")
        return StoreError(message, code="FC606", hint=hint)
