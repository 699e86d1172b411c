"""The embedded online store: one SQLite file, written in transactions, read by key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.disk_room import hint_of, sqlite_failure
from featurectl.core.errors import FeaturectlError, StoreError, TryAgainError
from featurectl.online.base import Ask, Bound, Found, OnlineView
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import NEWER_BYTES, RECORD_NEWER_BYTES, pack_bound, pack_instant
from featurectl.online.packed_store import PackedStore
from featurectl.online.row_schema import claim_schema
from featurectl.online.sqlite import statements
from featurectl.online.sqlite.file import DatabaseFile

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk

_WAIT_S = 10.0
_REMOVE_ROWS = 20_000
_WALK_ROWS = 5_000
_BELOW: bytes | int = -1  # every key
MANY_KEYS = 8  # from so many on one statement looks for several
_KEYS_AT_ONCE = 512
_HINTS = {
    "not a database": "is `online:` of the environment the right file?",
    "locked": "another program keeps the whole file for itself",
}


class SqliteBytes:
    """A `ByteStore` in a file: WAL, one transaction a chunk, readers never wait for a writer.

    Every call looks whether the file at its path is still the one that is open: another one is read and written then,
    and where there is none any more that is an error until one is there.
    """

    def __init__(self, path: Path, shown: str = "", wait_s: float | None = None) -> None:
        self._path = path
        self._wait_s = _WAIT_S if wait_s is None else wait_s  # for a lock that another process holds
        self.shown = shown or str(path)
        self.is_compact = False  # a file is not short of room, and SQL compares bytes in their places
        self.generation = 0
        self._file = DatabaseFile(path, self._wait_s, statements.TABLES)
        self._numbers: dict[tuple[str, str, str], int] = {}

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._file.connection

    def _look(self) -> None:
        """Take up another file that lies at the path by now; nothing is known of it."""
        if self._file.is_another():
            self.generation += 1
            self._numbers.clear()

    def put_schemas(self, schemas: Sequence[tuple[OnlineView, str]]) -> list[int]:
        """Return the id of each document, registered with its view version where it was not, in one transaction."""
        with self._errors(writing=True):
            self._look()
        with self._transaction() as connection:
            return [self._registered(connection, view, document) for view, document in schemas]

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions whose schema is in the file; a file that is not there has none."""
        with self._errors():
            if not self._path.exists():
                return frozenset()
            self._look()
            return frozenset(self._connection.execute(statements.PREPARED, (project, env)))

    def write_chunks(self, view: OnlineView, chunks: Iterable[PackedChunk], writing: PackedWriting) -> int:
        """Write rows, a transaction a chunk, and return how many entities are new."""
        with self._errors(writing=True):
            self._check_same()  # it may have been closed since its schema was put there, for its disk is full
            number = self._number(view)
        first, end = NEWER_BYTES[writing.order]
        written = added = 0
        for chunk in chunks:
            newer = (first + 1, end - first, pack_bound(writing.how.none_after))
            added += self._write_chunk(number, chunk, newer)
            written += chunk.count
            writing.how.on_rows(written)
        return added

    def remove_others(
        self, view: OnlineView, kept: Collection[bytes], until: datetime, none_after: Bound | None
    ) -> int:
        """Remove the rows computed until an instant of all other entities, 20,000 rows in a transaction."""
        number, last, removed = self._looked_up(view), _BELOW, 0
        while page := self._page(statements.LISTED, number, last, _REMOVE_ROWS):
            last = page[-1][0]
            bounds = (pack_instant(until), pack_bound(none_after))
            removed += self._remove_until(number, [key for (key,) in page if key not in kept], bounds)
        with self._transaction() as connection:
            connection.execute(statements.COUNT_AGAIN, (number,))
        return removed

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some keys, 20,000 in a transaction."""
        number, removed = self._looked_up(view), 0
        for start in range(0, len(keys) if number else 0, _REMOVE_ROWS):
            removed += self._removed(number, statements.REMOVE_KEY, [(key,) for key in keys[start:][:_REMOVE_ROWS]])
        return removed

    def wipe(self, *views: OnlineView) -> tuple[str, ...]:  # noqa: ARG002  # one file has them all
        """Write the file anew without what was removed, and empty the log beside it."""
        with self._errors(writing=True):
            if self._path.exists():
                self._look()
                self._file.wipe()
        return ()

    def rows(self, view: OnlineView, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the packed row under each key, None where there is none."""
        with self._errors():
            self._look()
            number = self._number(view)
            found = [self._connection.execute(statements.ROW, (number, key)).fetchone() for key in keys]
            return [None if row is None else row[0] for row in found]

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys: all as of one moment, so locks are taken once."""
        try:
            self._look()
            connection = self._connection
            connection.execute("begin")
            try:
                return [self._fetch(ask) for ask in asks]
            finally:
                if connection.in_transaction:  # SQLite ends it by itself when the file can't be read
                    connection.execute("commit")
        except (sqlite3.Error, OSError) as error:
            raise self._error(error, writing=False) from error
        finally:
            self._file.release()

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        with self._errors():
            self._look()
            return [self._shared(project, env, name) for name in names]

    def shared(self, view: OnlineView, name: str) -> bytes | None:
        """Return one thing that all entities share, by name."""
        return self.fetch_shared(view.project, view.env, [name])[0]

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of a view version in the order of the keys, 5,000 at a time."""
        number, last = self._looked_up(view), _BELOW
        while page := self._page(statements.WALKED, number, last, _WALK_ROWS):
            last = page[-1][0]
            yield [(key, row) for key, row in page if wanted(key)]

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        with self._errors():
            self._look()
            found = self._connection.execute("select entities from views where id = ?", (self._number(view),))
            row = found.fetchone()
            return int(row[0]) if row else 0

    def reset_broken_count(self, view: OnlineView) -> None:
        """Do nothing: a column of numbers holds numbers."""

    def count_rows(self, view: OnlineView) -> int:
        """Return how many entities have a row: a fifth of a second for a million."""
        with self._errors():
            self._look()
            (count,) = self._connection.execute(statements.COUNTED, (self._number(view),)).fetchone()
            return int(count)

    def clock(self) -> datetime:
        """Return the time of this machine: all who use the file are on it."""
        return datetime.now(UTC)

    def put_record(self, view: OnlineView, data: bytes, none_after: Bound | None) -> None:
        """Keep the record unless a newer one is there."""
        with self._errors(writing=True):
            self._look()
        first, end = RECORD_NEWER_BYTES
        with self._transaction() as connection:
            connection.execute(statements.ADD_VIEW, (view.project, view.env, view.view, view.version))
            newer = (first + 1, end - first, pack_bound(none_after))
            connection.execute(statements.NEWER_RECORD, (self._number(view), data, *newer))

    def remove_record(self, view: OnlineView) -> None:
        """Remove the record of the last push, and the line of a view of which there is nothing else."""
        number = self._looked_up(view)
        with self._transaction() as connection:
            connection.execute(statements.REMOVE_RECORD, (number,))
            connection.execute(statements.REMOVE_BARE_VIEW, (number,))

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version, 20,000 in a transaction."""
        number = self._looked_up(view)
        with self._transaction() as connection:
            connection.execute(statements.REMOVE_RECORD, (number,))
        while self._remove_rows(number):
            pass
        with self._transaction() as connection:
            connection.execute("delete from schemas where view = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _registered(self, connection: sqlite3.Connection, view: OnlineView, document: str) -> int:
        connection.execute(statements.ADD_VIEW, (view.project, view.env, view.view, view.version))
        number = self._number(view)

        def put(schema_id: int, document: str) -> str:
            connection.execute("insert or ignore into schemas values (?, ?, ?)", (number, schema_id, document))
            return self._document(number, schema_id) or ""

        return claim_schema(document, put)

    def _number(self, view: OnlineView) -> int:
        """Return the number of a view version in this file, 0 when it was never written."""
        row = self._connection.execute(statements.FIND, (view.project, view.env, view.view, view.version)).fetchone()
        return int(row[0]) if row else 0

    def _document(self, number: int, schema_id: int) -> str | None:
        query = "select document from schemas where view = ? and id = ?"
        found = self._connection.execute(query, (number, schema_id)).fetchone()
        return str(found[0]) if found else None

    def _write_chunk(self, number: int, chunk: PackedChunk, newer: tuple[int, int, bytes]) -> int:
        """Add the rows that are new; only when some were not, replace those that are older."""
        pairs = list(zip(chunk.keys.parts(), chunk.rows().parts(), strict=True))
        with self._transaction() as connection:
            added = connection.executemany(statements.ADD_ROW, ((number, key, row) for key, row in pairs)).rowcount
            if added < len(pairs):
                connection.executemany(statements.NEWER_ROW, ((number, key, row, *newer) for key, row in pairs))
            connection.execute("update views set entities = entities + ? where id = ?", (added, number))
        return added

    def _fetch(self, ask: Ask) -> list[Found]:
        numbers = [self._numbered(ask.project, ask.env, field) for field in ask.fields]
        if numbers and len(ask.keys) >= MANY_KEYS:
            return list(zip(*(self._rows_under(number, ask.keys) for number in numbers), strict=True))
        find = self._connection.execute
        rows: list[Found] = []
        for key in ask.keys:
            found = [find(statements.ROW, (number, key)).fetchone() if number else None for number in numbers]
            rows.append([None if row is None else row[0] for row in found])
        return rows

    def _rows_under(self, number: int, keys: Sequence[bytes]) -> Found:
        """Return the row of a view version under each of many keys, by a statement for up to 512 of them."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys) if number else 0, _KEYS_AT_ONCE):
            part = keys[start : start + _KEYS_AT_ONCE]
            size = 1 << (len(part) - 1).bit_length()  # of few sizes, so that the statements are there already
            places = ",".join("?" * size)
            query = f"select entity, row from rows where view = ? and entity in ({places})"
            values = (number, *part, *[part[-1]] * (size - len(part)))
            found.update(self._connection.execute(query, values).fetchall())
        return [found.get(key) for key in keys]

    def _numbered(self, project: str, env: str, field: str) -> int:
        """Return the number of a view version in this file, looked up once, and 0 as long as it has none."""
        number = self._numbers.get((project, env, field), 0)
        if not number:
            view, _, version = field.rpartition("@")
            row = self._connection.execute(statements.FIND, (project, env, view, int(version))).fetchone()
            number = self._numbers[project, env, field] = int(row[0]) if row else 0
        return number

    def _shared(self, project: str, env: str, name: str) -> bytes | None:
        kind, _, rest = name.partition("/")
        field, _, schema_id = rest.partition("/")
        number = self._numbered(project, env, field)
        if kind == "schema":
            document = self._document(number, int(schema_id))
            return None if document is None else document.encode()
        row = self._connection.execute("select push_record from views where id = ?", (number,)).fetchone()
        return row[0] if row else None

    def _looked_up(self, view: OnlineView) -> int:
        with self._errors():
            self._look()
            return self._number(view)

    def _page(self, query: str, number: int, last: bytes | int, rows: int) -> list[tuple[bytes, ...]]:
        with self._errors():
            return self._connection.execute(query, (number, last, rows)).fetchall()

    def _remove_until(self, number: int, keys: Sequence[bytes], bounds: tuple[bytes, bytes]) -> int:
        return self._removed(number, statements.REMOVE_UNTIL, [(key, *bounds) for key in keys])

    def _removed(self, number: int, statement: str, values: Sequence[tuple[bytes, ...]]) -> int:
        if not values:
            return 0
        with self._transaction() as connection:
            removed = connection.executemany(statement, ((number, *value) for value in values)).rowcount
            connection.execute("update views set entities = entities - ? where id = ?", (removed, number))
        return removed

    def _remove_rows(self, number: int) -> int:
        with self._transaction() as connection:
            removed = connection.execute(statements.REMOVE, (number, _REMOVE_ROWS)).rowcount
            connection.execute("update views set entities = entities - ? where id = ?", (removed, number))
        return removed

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors(writing=True):
            self._check_same()
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it by itself when the disk is full
                    self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def _check_same(self) -> None:
        """Check that the file is the one of before: what is known of the views is of that one."""
        if self._file.is_another():
            raise FileNotFoundError("the file was replaced while it was written")

    @contextmanager
    def _errors(self, *, writing: bool = False) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._error(error, writing=writing) from error
        finally:
            self._file.release()

    def _error(self, error: sqlite3.Error | OSError, *, writing: bool) -> FeaturectlError:
        text, message = str(error), f"the online store {self.shown} can't be used: {sqlite_failure(error)}"
        if writing and "locked" in text:
            return TryAgainError(
                f"another command has been writing to the online store {self.shown} for {self._wait_s:g} s"
            )
        hint = hint_of(error) or next((hint for words, hint in _HINTS.items() if words in text), "")
        return StoreError(message, code="FC602", hint=hint)


class SqliteStore(PackedStore):
    """An `OnlineStore` in a file."""

    def __init__(self, path: Path, shown: str = "", wait_s: float | None = None) -> None:
        super().__init__(SqliteBytes(path, shown, wait_s))


class AsyncSqliteReader:
    """An `AsyncRowReader` of a file: a look-up takes microseconds, so it is made at once.

    It waits at most `budget_s`, and only for a program that keeps even readers out of the file.
    """

    def __init__(self, path: Path, shown: str, budget_s: float) -> None:
        self._store = SqliteBytes(path, shown, budget_s)

    async def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""
        return self._store.fetch(asks)

    async def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        return self._store.fetch_shared(project, env, names)

    async def close(self) -> None:
        """Close the file."""
        self._store.close()
