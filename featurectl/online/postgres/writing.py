"""Packed rows on their way into a table: chunks, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg

from featurectl.online.base import OnlineView
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import pack_bound
from featurectl.online.postgres import tables
from featurectl.online.postgres.connect import PostgresLink, Session

if TYPE_CHECKING:
    from featurectl.online.encode.cells import Ragged
    from featurectl.online.encode.rows import PackedChunk


class ChunkWriter:
    """Writes chunks of rows of a view version, which several threads may do at once.

    `copies`: whether rows are copied; None where the first chunk has to find that out, as the table may be empty.
    As long as it was empty at the beginning and no row is met, rows are copied, one chunk after the other; the
    first that is there ends that, and what was copied of its chunk is undone and compared row by row, as all that comes
    then. Chunks that are compared are written side by side: each locks its rows in the order of their keys and the line
    of its view version after them, so that none waits for another in a circle. Whoever else changes rows of the view
    version has that line locked from the beginning: it waits for these, and these for it.
    """

    def __init__(self, link: PostgresLink, view: OnlineView, writing: PackedWriting, *, copies: bool | None) -> None:
        self._link = link
        self._of = tables.view_key(view)
        self._table = tables.table_of(view)
        self._replace = tables.replaced(self._table, writing.order).encode()
        upserts = (tables.upserted(self._table, writing.order, only_missing=each) for each in (False, True))
        self._upsert, self._upsert_missing = (statement.encode() for statement in upserts)
        self._replaces = True  # whether the last rows all replaced some, which is done with less
        self._writing = writing
        self._copies = copies

    def write(self, chunk: PackedChunk, bound: bytes) -> int:
        """Write a chunk whole or not at all, and return how many entities are new."""
        keys, rows = chunk.keys, chunk.rows()
        lines = b"" if self._copies is False else _copied_lines(keys, rows)  # made before anyone has to wait

        def transact(session: Session) -> int:
            if self._copies is not False:
                found = session.execute(tables.LOCK_VIEW.encode(), self._of).fetchone()
                self._copies = found == (0,) if self._copies is None else self._copies
            else:
                session.execute(tables.SHARE_VIEW.encode(), self._of)
            added = self._added(session, keys, rows, bound, lines)
            if added:  # else chunks that end together would wait for each other
                session.execute(tables.ADD_ENTITIES.encode(), (added, *self._of))
            return added

        return self._link.write(transact)

    def _added(self, session: Session, keys: Ragged, rows: Ragged, bound: bytes, lines: bytes) -> int:
        if self._copies:
            try:
                with session.transaction(), session.cursor().copy(tables.copied(self._table).encode()) as copy:
                    copy.write(lines)
            except psycopg.errors.UniqueViolation:
                self._copies = False
            else:
                return len(keys.lengths)
        session.execute(tables.BY_KEYS.encode())
        return sum(self._compared(session, *some, bound) for some in self._passes(keys, rows))

    def _compared(self, session: Session, keys: Ragged, rows: Ragged, bound: bytes) -> int:
        from featurectl.online.postgres.binary import bytea_array, bytea_cursor

        cursor = bytea_cursor(session)
        values = (bytea_array(keys), bytea_array(rows), bound)
        count, replaces = len(keys.lengths), self._replaces
        if replaces:
            cursor.execute(self._replace, values)
            if cursor.rowcount == count:
                return 0
            self._replaces = False  # for one who is taken out of a circle, too, and begins anew
            cursor.execute(self._upsert_missing, (*values, bound))
        else:
            cursor.execute(self._upsert, values)
        written, added = cursor.fetchone() or (0, 0)
        self._replaces = written == count and not added
        return int(added)

    def _passes(self, keys: Ragged, rows: Ragged) -> Iterator[tuple[Ragged, Ragged]]:
        """Yield the rows in as many parts as an entity has rows at most: a statement takes one of each."""
        if self._writing.how.origin is not None or len(set(listed := keys.parts())) == len(listed):
            yield keys, rows
            return
        from featurectl.online.postgres.binary import ragged_of

        parts: list[dict[bytes, bytes]] = []
        met: dict[bytes, int] = {}
        for key, row in zip(listed, rows.parts(), strict=True):
            turn = met[key] = met.get(key, -1) + 1
            if turn == len(parts):
                parts.append({})
            parts[turn][key] = row
        for part in parts:
            yield ragged_of([*part]), ragged_of([*part.values()])


def _copied_lines(keys: Ragged, rows: Ragged) -> bytes:
    from featurectl.online.postgres.binary import copied_pairs  # needs numpy, which who reads does not

    return copied_pairs(keys, rows)


def bound_now(writing: PackedWriting) -> bytes:
    """Return the instant, in 7 bytes, later than which nothing can rightly have been computed by now."""
    return pack_bound(writing.how.none_after)
