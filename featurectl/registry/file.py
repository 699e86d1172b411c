"""A registry in an SQLite file, by the standard library: SQLAlchemy takes longer to load than many a command."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from featurectl.core.disk_room import open_crowded
from featurectl.core.erasures import Erasures
from featurectl.registry.base import HistoryEntry, Pin, SeenColumns
from featurectl.registry.rows import (
    load_canary,
    load_history,
    load_model_versions,
    load_object,
    load_tombstone,
    load_view_columns,
)
from featurectl.registry.state import State
from featurectl.registry.steps import HEAD

T = TypeVar("T")
_PIN: Final = ("project", "view", "version", "table_version", "holder")
_VIEW_COLUMNS: Final = ("project", "view", "version", "columns")


def read_state(file: Path, project: str) -> State | None:
    """Return what `SqlRegistry.load_state` gives; None where that is to be asked, or to say what is wrong.

    So it is with a file that is not there, locked, no registry, or of another schema than the newest.
    """
    return _read(file, lambda connection: _state(connection, project))


def read_pins(file: Path, project: str) -> tuple[Pin, ...] | None:
    """Return what `SqlRegistry.read_pins` gives; None as `read_state` does."""
    return _read(file, lambda connection: _pins(connection, project))


def read_last_apply(file: Path, project: str) -> tuple[HistoryEntry, ...] | None:
    """Return what `SqlRegistry.read_last_apply` gives, as none or one; None as `read_state` does."""
    return _read(file, lambda connection: _last_apply(connection, project))


def read_view_columns(file: Path, project: str) -> SeenColumns | None:
    """Return what `SqlRegistry.read_view_columns` gives; None as `read_state` does."""
    order = "view, version"
    return _read(file, lambda connection: load_view_columns(_rows(connection, "view_columns", project, order)))


def read_newest_erasure(file: Path, project: str) -> int | None:
    """Return what `SqlRegistry.newest_erasure` gives; None as `read_state` does."""
    query = "select coalesce(max(number), 0) from erasures where project = ?"
    return _read(file, lambda connection: int(connection.execute(query, [project]).fetchone()[0]))


def write_pins(file: Path, project: str, pins: Sequence[Pin]) -> bool:
    """Do what `SqlRegistry.write_pins` does; False, and nothing is done, where `read_state` gives None."""
    rows = [(project, pin.view, pin.version, pin.table_version, pin.holder) for pin in pins]
    return _write(file, f"insert or ignore into pins ({', '.join(_PIN)}) values (?, ?, ?, ?, ?)", rows)


def write_view_columns(file: Path, project: str, seen: SeenColumns) -> bool:
    """Do what `SqlRegistry.write_view_columns` does; False, and nothing is done, where `read_state` gives None."""
    rows = [(project, *place, json.dumps(dict(columns))) for place, columns in seen.items()]
    statement = f"insert or replace into view_columns ({', '.join(_VIEW_COLUMNS)}) values (?, ?, ?, ?)"
    return _write(file, statement, rows)


def _write(file: Path, statement: str, rows: Sequence[tuple[object, ...]]) -> bool:
    def write(connection: sqlite3.Connection) -> bool:
        with connection:
            connection.executemany(statement, rows)
        return True

    return _in_one_moment(file, write, "begin immediate") or False


def _read(file: Path, read: Callable[[sqlite3.Connection], T]) -> T | None:
    """Return what is read in one moment of the database."""
    return _in_one_moment(file, read, "begin")


def _in_one_moment(file: Path, act: Callable[[sqlite3.Connection], T], begin: str) -> T | None:
    """Return what is done in one transaction, None where it can't be begun or the schema is not the newest."""
    if not file.is_file():  # it would be made
        return None
    try:
        opened, _ = open_crowded(lambda: sqlite3.connect(file, timeout=0, isolation_level=None))
        with closing(opened) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute(begin)
            revision = connection.execute("select version_num from alembic_version").fetchone()
            return act(connection) if revision and revision[0] == HEAD else None
    except sqlite3.Error:
        return None


def _rows(connection: sqlite3.Connection, table: str, project: str, order: str) -> list[dict[str, Any]]:
    query = f"select * from {table} where project = ? order by {order}"
    return [dict(row) for row in connection.execute(query, [project])]


def _state(connection: sqlite3.Connection, project: str) -> State:
    serials = _rows(connection, "projects", project, "project")
    objects = _rows(connection, "objects", project, "kind, name, version")
    models = _rows(connection, "model_versions", project, "model, version")
    aliases = _rows(connection, "aliases", project, "model, alias")
    canaries = _rows(connection, "canaries", project, "model, number")
    pointed = {(row["model"], row["alias"]): row["version"] for row in aliases}
    runs = tuple(load_canary(row["document"]) for row in canaries)
    return State(
        project=project,
        registry_id=str(connection.execute("select id from registry").fetchone()[0]),
        serial=serials[0]["serial"] if serials else 0,
        objects=tuple(load_object(row | {"current": bool(row["current"])}) for row in objects),
        model_versions=load_model_versions((row["document"] for row in models), pointed, runs),
        aliases=pointed,
        canaries=runs,
        erasures=_erasures(connection, project),
    )


def _erasures(connection: sqlite3.Connection, project: str) -> Erasures:
    found = tuple(map(load_tombstone, _rows(connection, "erasures", project, "number")))
    if not found:
        return Erasures()
    [row] = _rows(connection, "erasure_secrets", project, "project")
    return Erasures(secret=bytes.fromhex(row["secret"]), tombstones=found)


def _last_apply(connection: sqlite3.Connection, project: str) -> tuple[HistoryEntry, ...]:
    query = (
        "select serial, at, who, commit_id, command, summary from history "
        "where project = ? and command = 'apply' and commit_id <> '' order by serial desc limit 1"
    )
    return tuple(load_history(dict(row)) for row in connection.execute(query, [project]))


def _pins(connection: sqlite3.Connection, project: str) -> tuple[Pin, ...]:
    rows = _rows(connection, "pins", project, "view, version, table_version, holder")
    return tuple(Pin(**{name: row[name] for name in _PIN[1:]}) for row in rows)
