"""Leases in a SQL registry, beside the locks of projects: for what runs for long, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection, update

from featurectl.core.errors import RunningError, StoreError
from featurectl.core.units import format_iso
from featurectl.registry import tables
from featurectl.registry.database import Database
from featurectl.registry.dialect import read_clock
from featurectl.registry.locks import LEASE, delete_lock, describe, read_lock, take_lock

_TABLE = tables.locks


class SqlLeases:
    """Leases are rows of the table of locks, whose key no project has; `clock` is what they run by."""

    def __init__(self, database: Database, clock: Callable[[], datetime] | None = None) -> None:
        self._database, self._clock = database, clock

    def take(self, key: str, holder: str, lease_id: str, dead: Collection[str] = ()) -> None:
        """Take a lease under an ID; `dead` are IDs of those whose holders are known to be gone.

        Raises:
            RunningError: another holder has it.
        """
        with self._database.writing() as connection:
            for other in dead:
                delete_lock(connection, key, other)
            held = take_lock(connection, key, holder, lease_id, self._now(connection))
        if held.id != lease_id:
            name = key.rpartition("/")[2]
            hint = f"it goes on until {held.expires_at:%H:%M:%S} UTC at least; when that process is gone: "
            raise RunningError(f"pipeline {name} is run by {describe(held)}", hint=f"{hint}featurectl unlock {held.id}")

    def renew(self, key: str, lease_id: str) -> str:
        """Have a lease end later; returned is who has it instead, "" where it is still of that ID.

        One that has ended by itself and was taken by nobody is taken again.
        """
        with self._database.writing() as connection:
            held = read_lock(connection, key, for_update=True)
            if held is None:
                return "it was taken away"
            if held.id != lease_id:
                return f"{held.holder} has it"
            later = format_iso(self._now(connection) + LEASE)
            same = (_TABLE.c.project == key, _TABLE.c.token == lease_id)
            connection.execute(update(_TABLE).where(*same).values(expires_at=later))
            return ""

    def end(self, key: str, lease_id: str) -> None:
        """Give a lease back; one that is another's stays. Without the registry it ends by itself."""
        with suppress(StoreError), self._database.writing() as connection:
            delete_lock(connection, key, lease_id)

    def _now(self, connection: Connection) -> datetime:
        return self._clock() if self._clock else read_clock(connection)
