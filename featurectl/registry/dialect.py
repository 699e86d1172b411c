"""What SQLite and PostgreSQL say each in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, func, select

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert


def insert_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row unless its key is there; True when it was inserted. Waits for a transaction that does the same."""
    statement = _insert(connection, table).values(row).on_conflict_do_nothing().returning(table.c.project)
    return connection.execute(statement).first() is not None


def _insert(connection: Connection, table: Table) -> SqliteInsert | PostgresInsert:
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def read_clock(connection: Connection) -> datetime:
    """Return the time by the clock that all users of the database share.

    Those of a server are on many machines, whose clocks differ: theirs is the server's, at this moment, not that of
    the transaction's beginning. Those of a file are on one machine, whose clock is SQLite's too.
    """
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)
