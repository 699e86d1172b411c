"""The online store in PostgreSQL: a table for each view version, written in transactions, read by key."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from featurectl.core.variables import shown_location
from featurectl.online.base import Ask, Bound, Found, OnlineView
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import pack_bound, pack_instant
from featurectl.online.packed_store import PackedStore
from featurectl.online.postgres import tables
from featurectl.online.postgres.connect import WRITERS, PostgresLink, Session, checked_address
from featurectl.online.postgres.schema_upgrade import StoreSchema
from featurectl.online.postgres.steps import (
    KnownTables,
    StatementSteps,
    found_rows,
    found_shared,
    portions,
    put_together,
    short_asks,
    taken,
)
from featurectl.online.postgres.writing import ChunkWriter, bound_now
from featurectl.online.row_schema import claim_schema, field_name

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk

T = TypeVar("T")
_REMOVE_ROWS = 20_000
_WALK_ROWS = 5_000
MOST_COUNTED = 1_000_000  # a look at so many rows takes a tenth of a second


class PostgresBytes:
    """A `ByteStore` in PostgreSQL: what is read is one statement, what is written one transaction a chunk.

    Who writes a view version locks its line in `views`, so that its rows and their number change together.
    """

    def __init__(self, url: str, shown: str = "", answer_s: float | None = None) -> None:
        self.shown = shown or shown_location(url)
        self.is_compact = False  # a disk is not short of room, and SQL compares bytes in their places
        self.generation = 0  # a table is of one view version for ever
        self._link = PostgresLink(checked_address(url, self.shown), answer_s)
        self._known = KnownTables(self.shown)
        self._ready = StoreSchema(self._link)

    def put_schemas(self, schemas: Sequence[tuple[OnlineView, str]]) -> list[int]:
        """Return the id of each document, put there with its view version and table where it was not."""
        self._ready.ensure()
        in_order = sorted(schemas, key=lambda each: tables.view_key(each[0]))  # two at once wait in one order

        def put(session: Session) -> dict[tuple[tables.ViewKey, str], int]:
            return {(tables.view_key(view), text): _registered(session, view, text) for view, text in in_order}

        ids = self._link.write(put)
        return [ids[tables.view_key(view), text] for view, text in schemas]

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions of which a schema is in the store."""
        return frozenset((view, version) for view, version in self._rows(tables.PREPARED, (project, env)))

    def write_chunks(self, view: OnlineView, chunks: Iterable[PackedChunk], writing: PackedWriting) -> int:
        """Write rows, a transaction a chunk, and return how many entities are new.

        Two are under way, and the next is packed meanwhile. Rows of one entity, of which the later counts where their
        instants are equal, go one chunk after the other.
        """
        side_by_side = 1 if writing.how.origin is None else WRITERS
        writer = ChunkWriter(self._link, view, writing, copies=None if self.count(view) == 0 else False)
        pending = _Pending(writing)
        with ThreadPoolExecutor(side_by_side) as pool:
            for chunk in chunks:
                pending.settle(side_by_side - 1)
                pending.add(chunk.count, pool.submit(writer.write, chunk, bound_now(writing)))
            pending.settle()
        return pending.added

    def remove_others(
        self, view: OnlineView, kept: Collection[bytes], until: datetime, none_after: Bound | None
    ) -> int:
        """Remove the rows computed until an instant of all other entities, 20,000 rows in a transaction."""
        table, removed = tables.table_of(view), 0
        for page in self._pages(tables.listed(table), _REMOVE_ROWS):
            others = [key for (key,) in page if key not in kept]
            bounds = (pack_instant(until), pack_bound(none_after))
            removed += self._remove(view, table, others, bounds) if others else 0
        if self._is_there(view):
            self._locked(view, lambda session: session.execute(tables.counted_again(table).encode(), _key(view)))
        return removed

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some keys, 20,000 in a transaction."""
        statement, removed = tables.removed_keys(tables.table_of(view)), 0
        for start in range(0, len(keys) if self._is_there(view) else 0, _REMOVE_ROWS):
            removed += self._removed(view, statement, (keys[start : start + _REMOVE_ROWS],))
        return removed

    def wipe(self, *views: OnlineView) -> tuple[str, ...]:
        """Have the server give free what was removed from the views' tables, and from lists of streams.

        Their statistics, which hold some values of each column, are made anew. Readers and writers go on. Of a table
        without rows ANALYZE leaves them as they are: it is shown one row there, which nobody else sees.
        """
        found = [tables.table_of(view) for view in views if self._is_there(view)]
        found += [tables.LISTS] if self._rows(tables.ARE_THERE, ([tables.LISTS.partition(".")[2]],)) else []
        skipped = [table for table in found if self._link.maintain(f"vacuum (analyze) {table}")]
        for table in [table for table in found if table not in skipped]:
            self._link.write(partial(_forget_values, table=table))
        return (
            *(tables.NOT_VACUUMED.format(table=table) for table in skipped),
            *([tables.KEPT_FILES] if found else []),
        )

    def rows(self, view: OnlineView, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the packed row under each key, None where there is none."""
        [found] = self.fetch([Ask(project=view.project, env=view.env, fields=(field_name(view),), keys=keys)])
        return [row for (row,) in found]

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys: by one statement for up to 5,000 keys."""
        parts = list(short_asks(asks))
        found: list[list[Found]] = []
        for some in portions([part for _, part in parts]):
            found += self._found(some)
        return put_together(asks, parts, found)

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        return self._taken(lambda: found_shared(project, env, names)) if names else []

    def shared(self, view: OnlineView, name: str) -> bytes | None:
        """Return one thing that all entities share, by name."""
        return self.fetch_shared(view.project, view.env, [name])[0]

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of a view version in the order of the keys, 5,000 at a time."""
        for page in self._pages(tables.walked(tables.table_of(view)), _WALK_ROWS):
            yield [(key, row) for key, row in page if wanted(key)]

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        found = self._rows(tables.COUNT, _key(view))
        return int(found[0][0]) if found else 0

    def reset_broken_count(self, view: OnlineView) -> None:
        """Do nothing: a column of numbers holds numbers."""

    def count_rows(self, view: OnlineView) -> int | None:
        """Return how many entities have a row, None where they are more than a million."""
        found = self._rows(tables.counted(tables.table_of(view)), (MOST_COUNTED + 1,))
        count = int(found[0][0]) if found else 0
        return count if count <= MOST_COUNTED else None

    def clock(self) -> datetime:
        """Return the server's time."""
        [(now,)] = self._rows(tables.CLOCK, ())
        instant: datetime = now
        return instant.astimezone(UTC)

    def put_record(self, view: OnlineView, data: bytes, none_after: Bound | None) -> None:
        """Keep the record unless a newer one is there."""
        self._ready.ensure()
        bound = pack_bound(none_after)

        def put(session: Session) -> None:
            _add_view(session, view)
            session.execute(tables.PUT_RECORD.encode(), (data, *_key(view), data, bound))

        self._link.write(put)

    def remove_record(self, view: OnlineView) -> None:
        """Remove the record of the last push, and the table and line of a view of which there is nothing else."""
        if not self._is_there(view):
            return

        def remove(session: Session) -> None:
            session.execute(tables.REMOVE_RECORD.encode(), _key(view))
            if session.execute(tables.REMOVE_BARE_VIEW.encode(), (*_key(view), *_key(view))).rowcount:
                session.execute(f"drop table if exists {tables.table_of(view)}".encode())

        self._locked(view, remove)
        self._known.forget()

    def remove(self, view: OnlineView) -> None:
        """Remove the table of a view version, and what is known of it, at once."""
        if not self._is_there(view):
            return

        def remove(session: Session) -> None:
            session.execute(tables.REMOVE_SCHEMAS.encode(), _key(view))
            session.execute(f"drop table if exists {tables.table_of(view)}".encode())
            session.execute(tables.REMOVE_VIEW.encode(), _key(view))

        self._locked(view, remove)
        self._known.forget()

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _found(self, asks: Sequence[Ask]) -> list[list[Found]]:
        return self._taken(lambda: found_rows(self._known, asks))

    def _taken(self, steps: Callable[[], StatementSteps[T]]) -> T:
        """Return what comes of some steps, which are begun anew where the connection has broken."""
        return self._link.read(lambda session: taken(session, steps()))

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the lines of a statement, none where its table is not there."""

        def read(session: Session) -> list[tuple[Any, ...]]:
            try:
                return session.execute(query.encode(), values, binary=True).fetchall()
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return []

        return self._link.read(read)

    def _is_there(self, view: OnlineView) -> bool:
        return bool(self._rows(tables.COUNT, _key(view)))

    def _pages(self, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the lines of a statement that gives so many after a key, until there are none."""
        last: bytes | None = None
        while page := self._rows(query, (last, last, size)):
            yield page
            last = page[-1][0]

    def _remove(self, view: OnlineView, table: str, keys: list[bytes], bounds: tuple[bytes, bytes]) -> int:
        return self._removed(view, tables.removed_until(table), (keys, *bounds))

    def _removed(self, view: OnlineView, statement: str, values: Sequence[object]) -> int:
        def remove(session: Session) -> int:
            removed = session.execute(statement.encode(), values).rowcount
            session.execute(tables.ADD_ENTITIES.encode(), (-removed, *_key(view)))
            return removed

        return self._locked(view, remove)

    def _locked(self, view: OnlineView, use: Callable[[Session], T]) -> T:
        """Return what comes of a transaction in which nobody else changes the rows of a view version."""

        def transact(session: Session) -> T:
            session.execute(tables.LOCK_VIEW.encode(), _key(view))
            return use(session)

        return self._link.write(transact)


class _Pending:
    """The chunks that are under way, and what came of those before them."""

    def __init__(self, writing: PackedWriting) -> None:
        self.added = self._written = 0
        self._writing = writing
        self._waiting: deque[tuple[int, Future[int]]] = deque()

    def add(self, count: int, task: Future[int]) -> None:
        """Let a chunk be under way."""
        self._waiting.append((count, task))

    def settle(self, most: int = 0) -> None:
        """Wait until no more than so many chunks are under way."""
        while len(self._waiting) > most:
            count, task = self._waiting.popleft()
            self.added += task.result()
            self._written += count
            self._writing.how.on_rows(self._written)


_key = tables.view_key


def _add_view(session: Session, view: OnlineView) -> None:
    """Make the line and the table of a view version where they are not there."""
    table = tables.rows_table(view.project, view.env, field_name(view))
    if session.execute(tables.ADD_VIEW.encode(), (*_key(view), table)).rowcount:
        session.execute(tables.made(tables.table_of(view)).encode())


def _registered(session: Session, view: OnlineView, document: str) -> int:
    _add_view(session, view)

    def put(schema_id: int, text: str) -> str:
        session.execute(tables.ADD_SCHEMA.encode(), (*_key(view), schema_id, text))
        (there,) = session.execute(tables.DOCUMENT.encode(), (*_key(view), schema_id)).fetchone() or ("",)
        return str(there)

    return claim_schema(document, put)


def _forget_values(session: Session, table: str) -> None:
    """Have the statistics of a table hold no value, if it has no rows: of one row there is none in them."""
    added, removed = tables.passing_row(table)
    if session.execute(f"select from {table} limit 1".encode()).fetchone() is None:
        for statement in (added, f"analyze {table}", removed):
            session.execute(statement.encode())


class PostgresStore(PackedStore):
    """An `OnlineStore` in PostgreSQL; a server that is silent for `answer_s` is not waited for."""

    def __init__(self, url: str, shown: str = "", answer_s: float | None = None) -> None:
        super().__init__(PostgresBytes(url, shown, answer_s))
