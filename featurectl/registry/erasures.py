"""Tombstones of erased keys: what is written once a person's rows are to go, before the first of them does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from featurectl.core.erasures import SECRET_BYTES, Erasures, Tombstone
from featurectl.core.errors import TryAgainError
from featurectl.core.units import format_iso, instant_us
from featurectl.registry import tables
from featurectl.registry.dialect import insert_new
from featurectl.registry.rows import TableRow, load_tombstone


def make_secret(connection: Connection, project: str) -> bytes:
    """Return the secret of a project's hashes, made when there is none; of two that are made at once one stays."""
    row = {"project": project, "secret": secrets.token_bytes(SECRET_BYTES).hex()}
    insert_new(connection, tables.erasure_secrets, row)
    return known_secret(connection, project)


def known_secret(connection: Connection, project: str) -> bytes:
    """Return the secret of a project's hashes, empty where there is none."""
    query = select(tables.erasure_secrets.c.secret).where(tables.erasure_secrets.c.project == project)
    return bytes.fromhex(connection.execute(query).scalar() or "")


def insert_tombstones(
    connection: Connection, project: str, items: Sequence[Tombstone], at: datetime
) -> tuple[Tombstone, ...]:
    """Write tombstones under numbers of their own (those of the arguments are ignored).

    A number is the microseconds of its instant, or one more than the last: a registry that was restored does not give
    it to another key. One of the same key that was not done is done with the new one. The caller holds the project's
    row, so that no other transaction writes any.
    """
    table = tables.erasures.c
    first = max(newest_tombstone(connection, project) + 1, instant_us(at))
    written = tuple(replace(item, number=first + place, at=at, done_at=None) for place, item in enumerate(items))
    for item in written:
        same = (table.project == project, table.entity == item.entity, table.digest == item.digest)
        connection.execute(update(tables.erasures).where(*same, table.done_at == "").values(done_at=format_iso(at)))
        connection.execute(insert(tables.erasures).values(_row(project, item)))
    return written


def newest_tombstone(connection: Connection, project: str) -> int:
    """Return the number of the newest tombstone of a project, 0 where it has none."""
    table = tables.erasures.c
    return connection.execute(select(func.max(table.number)).where(table.project == project)).scalar() or 0


def require_erased(connection: Connection, project: str, number: int | None) -> None:
    """Refuse to write what is without the rows of erasures up to a number (None: it has no rows), where one is later.

    Raises:
        TryAgainError: keys were erased since.
    """
    if number is not None and newest_tombstone(connection, project) > number:
        raise TryAgainError("keys were erased meanwhile", hint="run it again")


def mark_done(connection: Connection, project: str, numbers: Iterable[int], at: datetime) -> None:
    """Take note that all that could be reached of the rows of some tombstones was removed."""
    table = tables.erasures.c
    same = (table.project == project, table.number.in_(list(numbers)), table.done_at == "")
    connection.execute(update(tables.erasures).where(*same).values(done_at=format_iso(at)))


def load_erasures(connection: Connection, project: str) -> Erasures:
    """Return what was erased of a project."""
    query = select(tables.erasures).where(tables.erasures.c.project == project).order_by(tables.erasures.c.number)
    found = tuple(load_tombstone(row) for row in map(dict[str, object], connection.execute(query).mappings()))
    return Erasures(secret=known_secret(connection, project), tombstones=found) if found else Erasures()


def _row(project: str, item: Tombstone) -> TableRow:
    return {
        "project": project,
        "number": item.number,
        "entity": item.entity,
        "keys": json.dumps(item.keys),
        "digest": item.digest,
        "quick": str(item.quick),
        "at": format_iso(item.at),
        "done_at": "" if item.done_at is None else format_iso(item.done_at),
    }
