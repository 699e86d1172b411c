"""What SQLite and PostgreSQL say each in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row unless its key is there; True when it was inserted. Waits for a transaction that does the same."""
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    statement = insert(table).values(row).on_conflict_do_nothing().returning(table.c.project)
    return connection.execute(statement).first() is not None


def read_clock(connection: Connection) -> datetime:
    """Return the time by the clock that all users of the database share.

    Those of a server are on many machines, whose clocks differ: theirs is the server's, at this moment, not that of
    the transaction's beginning. Those of a file are on one machine, whose clock is SQLite's too.
    """
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)
