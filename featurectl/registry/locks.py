"""The lock row of a project: take it, give it back, and make sure within a transaction that it is still ours.

A lock is a lease: who dies with it delays the next command by `LEASE` at most. Nobody renews it, for what is done
under it takes seconds. One that takes longer is still safe: it may write for as long as nobody else has taken the
lock, and never afterwards, because `hold_lock` looks inside the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.core.units import format_iso, parse_instant
from featurectl.registry import tables
from featurectl.registry.base import Lock
from featurectl.registry.dialect import insert_new

LEASE: Final = timedelta(seconds=30)
_TABLE: Final = tables.locks


def read_lock(connection: Connection, project: str, *, for_update: bool = False) -> Lock | None:
    """Return a project's lock, also one whose lease has ended; with `for_update` nobody takes it before we end."""
    query = select(_TABLE).where(_TABLE.c.project == project)
    row = connection.execute(query.with_for_update() if for_update else query).mappings().first()
    return _load_lock(row) if row else None


def take_lock(connection: Connection, project: str, holder: str, lock_id: str, now: datetime) -> Lock:
    """Take a project's lock if it is free or its lease has ended; return the lock that there is now."""
    mine = Lock(id=lock_id, holder=holder, since=now, expires_at=now + LEASE)
    while True:
        held = read_lock(connection, project)
        if held and held.expires_at > now:
            return held
        if held:
            delete_lock(connection, project, held.id)
        if insert_new(connection, _TABLE, _lock_row(project, mine)):
            return mine


def delete_lock(connection: Connection, project: str, lock_id: str) -> None:
    """Delete a project's lock if it has this ID."""
    connection.execute(delete(_TABLE).where(_TABLE.c.project == project, _TABLE.c.token == lock_id))


def hold_lock(connection: Connection, project: str, lock_id: str) -> None:
    """Keep a project's lock from being taken until this transaction ends.

    Raises:
        TryAgainError: it is no longer the lock of this ID.
    """
    held = read_lock(connection, project, for_update=True)
    if held is None or held.id != lock_id:
        now = f"{held.holder} has it now" if held else "it was taken away"
        raise TryAgainError(f"the lock of project {project} is lost: {now}; nothing was written", hint="run it again")


def remove_lock(connection: Connection, project: str, lock_id: str) -> Lock:
    """Delete a project's lock of this ID, or the lease of one of its pipelines, and return it.

    Raises:
        UsageError: the project has no lock, or another one.
    """
    held = read_lock(connection, project, for_update=True)
    if lease := _lease_of(connection, project, lock_id):
        return lease
    if held is None:
        raise not_locked(project)
    if held.id != lock_id:
        raise UsageError(f"project {project} has no lock {lock_id}", hint=f"it is locked by {describe(held)}")
    delete_lock(connection, project, lock_id)
    return held


def _lease_of(connection: Connection, project: str, lock_id: str) -> Lock | None:
    of_pipelines = _TABLE.c.project.startswith(f"{project}/", autoescape=True)
    row = connection.execute(select(_TABLE).where(_TABLE.c.token == lock_id, of_pipelines)).mappings().first()
    if row is None:
        return None
    delete_lock(connection, row["project"], lock_id)
    return _load_lock(row)


def not_locked(project: str) -> UsageError:
    """Return the error of an unlock that finds no lock."""
    return UsageError(f"project {project} is not locked")


def refusal(project: str, held: Lock, waited_s: float) -> TryAgainError:
    """Return the error of a command that finds the lock held, after so many seconds of trying."""
    waited = f"; waited {waited_s:.0f} s" if waited_s else ""
    return TryAgainError(
        f"project {project} is locked by {describe(held)}{waited}",
        hint=f"its lease ends at {_time(held.expires_at)}; if nothing runs there any more: featurectl unlock {held.id}",
    )


def describe(lock: Lock) -> str:
    """Return who holds a lock, since when, and its ID."""
    since = f", since {_time(lock.since)}" if lock.since else ""
    return f"{lock.holder}{since} (lock {lock.id})"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _lock_row(project: str, lock: Lock) -> dict[str, object]:
    return {
        "project": project,
        "token": lock.id,
        "holder": lock.holder,
        "since": format_iso(lock.since) if lock.since else "",
        "expires_at": format_iso(lock.expires_at),
    }


def _load_lock(row: Mapping[Any, Any]) -> Lock:
    expires = parse_instant(row["expires_at"])
    assert expires is not None, f"no instant: {row['expires_at']}"
    return Lock(id=row["token"], holder=row["holder"], since=parse_instant(row["since"]), expires_at=expires)
