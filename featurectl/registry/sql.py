"""The registry in a SQL database: SQLite or PostgreSQL, by SQLAlchemy."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from featurectl.errors import StoreError, TryAgainError, UsageError
from featurectl.registry import tables
from featurectl.registry.base import Change, HistoryEntry
from featurectl.registry.database import Database, registry_id
from featurectl.registry.rows import (
    history_row,
    load_history,
    load_model_version,
    load_object,
    model_document,
    object_row,
)
from featurectl.registry.state import ModelVersion, ObjectVersion, State
from featurectl.spec.environment import shown_location
from featurectl.units import format_instant, format_iso, parse_instant

LEASE: Final = timedelta(minutes=10)  # a lock whose holder has died is free after this


def _real_clock() -> datetime:
    return datetime.now(UTC)


class SqlRegistry:
    """A registry behind a SQLAlchemy URL; `postgresql://` is served by psycopg.

    Nothing is opened before the first call. Reading a registry that does not exist gives empty projects and makes
    nothing; the first write makes the database's folder and tables. `shown` is what errors call it, the URL without
    its secrets by default; `clock` is what leases run by.
    """

    def __init__(self, url: str, *, shown: str = "", clock: Callable[[], datetime] = _real_clock) -> None:
        self._database = Database(url, shown or shown_location(url))
        self._clock = clock

    def load_state(self, project: str) -> State:
        """Return the state of a project; an unknown one is empty, with serial 0. Never writes a project."""
        with self._database.reading() as connection:
            if connection is None:
                return State(project=project, registry_id="", serial=0)
            return _load_state(connection, project)

    @contextmanager
    def lock(self, project: str, holder: str) -> Iterator[None]:
        """Hold the project's lock for the body, at most ten minutes.

        Raises:
            TryAgainError: another holder has it; the message names them.
        """
        token = str(uuid.uuid4())
        self._take_lock(project, holder, token)
        try:
            yield
        finally:
            with suppress(StoreError):  # what the body did stands, and the lease ends by itself
                self._release_lock(project, token)

    def write_change(self, state: State, change: Change, entry: HistoryEntry) -> State:
        """Apply a change in one transaction, with its entry in the history, and return the new state.

        Raises:
            TryAgainError: the project has changed since `state` was read.
        """
        with self._database.writing() as connection:
            serial = _next_serial(connection, state.project)
            if serial != state.serial + 1 or state.registry_id not in ("", registry_id(connection)):
                raise TryAgainError(
                    f"project {state.project} has changed: serial {state.serial} was read, {serial - 1} is there now",
                    hint="plan again",
                )
            for item in (*change.write, *change.retire):
                _delete_object(connection, state.project, item)
            kept = [*change.write, *(replace(item, current=False) for item in change.retire)]
            _insert(connection, tables.objects, [object_row(state.project, item, entry.at) for item in kept])
            _insert(connection, tables.history, [history_row(state.project, entry, serial)])
            return _load_state(connection, state.project)

    def write_model_version(self, project: str, version: ModelVersion, aliases: Sequence[str]) -> ModelVersion:
        """Register a model version under the next number (the argument's number is ignored), moving `aliases`."""
        with self._database.writing() as connection:
            _next_serial(connection, project)
            table = tables.model_versions.c
            last = select(func.max(table.version)).where(table.project == project, table.model == version.model)
            version = replace(version, version=(connection.execute(last).scalar() or 0) + 1)
            row = {"project": project, "model": version.model, "version": version.version}
            _insert(connection, tables.model_versions, [row | {"document": model_document(version)}])
            for alias in aliases:
                _set_alias(connection, (project, version.model, alias), version.version)
        return version

    def write_alias(self, project: str, model: str, alias: str, version: int) -> None:
        """Point an alias of a model at one of its versions.

        Raises:
            UsageError: the model has no such version.
        """
        with self._database.writing() as connection:
            _next_serial(connection, project)
            table = tables.model_versions.c
            found = select(table.version).where(
                table.project == project, table.model == model, table.version == version
            )
            if connection.execute(found).first() is None:
                raise UsageError(f"model {model} has no version {version}")
            _set_alias(connection, (project, model, alias), version)

    def read_history(self, project: str) -> Sequence[HistoryEntry]:
        """Return what happened, newest first."""
        with self._database.reading() as connection:
            if connection is None:
                return ()
            table = tables.history
            query = select(table).where(table.c.project == project).order_by(table.c.serial.desc())
            return tuple(load_history(dict(row)) for row in connection.execute(query).mappings())

    def close(self) -> None:
        """Give back connections."""
        self._database.close()

    def _take_lock(self, project: str, holder: str, token: str) -> None:
        now, table = self._clock(), tables.locks
        with self._database.writing() as connection:
            held = connection.execute(select(table).where(table.c.project == project)).mappings().first()
            expires = parse_instant(held["expires_at"]) if held else None
            if held and expires and expires > now:
                raise TryAgainError(
                    f"project {project} is locked by {held['holder']}",
                    hint=f"wait until it is done; the lock ends by itself at {format_instant(expires)} UTC",
                )
            if held:
                connection.execute(delete(table).where(table.c.token == held["token"]))
            row = {"project": project, "token": token, "holder": holder, "expires_at": format_iso(now + LEASE)}
            if not _insert_new(connection, table, row):
                raise TryAgainError(f"project {project} is locked by another command, at this moment")

    def _release_lock(self, project: str, token: str) -> None:
        table = tables.locks
        with self._database.writing() as connection:
            connection.execute(delete(table).where(table.c.project == project, table.c.token == token))


def _load_state(connection: Connection, project: str) -> State:
    def rows(table: Table) -> Sequence[dict[str, object]]:
        query = select(table).where(table.c.project == project).order_by(*table.primary_key.columns)
        return [dict(row) for row in connection.execute(query).mappings()]

    serials = [row["serial"] for row in rows(tables.projects)]
    return State(
        project=project,
        registry_id=registry_id(connection),
        serial=int(str(serials[0])) if serials else 0,
        objects=tuple(load_object(row) for row in rows(tables.objects)),
        model_versions=tuple(load_model_version(str(row["document"])) for row in rows(tables.model_versions)),
        aliases={(str(r["model"]), str(r["alias"])): int(str(r["version"])) for r in rows(tables.aliases)},
    )


def _next_serial(connection: Connection, project: str) -> int:
    """Return the project's serial grown by one, holding its row, so that no other transaction grows it too."""
    table = tables.projects
    _insert_new(connection, table, {"project": project, "serial": 0})
    grown = update(table).where(table.c.project == project).values(serial=table.c.serial + 1).returning(table.c.serial)
    return int(connection.execute(grown).scalar_one())


def _insert_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row unless its key is there; True when it was inserted. Waits for a transaction that does the same."""
    insert_new = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    statement = insert_new(table).values(row).on_conflict_do_nothing().returning(table.c.project)
    return connection.execute(statement).first() is not None


def _delete_object(connection: Connection, project: str, item: ObjectVersion) -> None:
    table = tables.objects
    same = (table.c.kind == item.kind, table.c.name == item.name, table.c.version == item.version)
    connection.execute(delete(table).where(table.c.project == project, *same))


def _set_alias(connection: Connection, key: tuple[str, str, str], version: int) -> None:
    project, model, alias = key
    table = tables.aliases
    same = (table.c.project == project, table.c.model == model, table.c.alias == alias)
    connection.execute(delete(table).where(*same))
    _insert(connection, table, [{"project": project, "model": model, "alias": alias, "version": version}])


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        connection.execute(insert(table), list(rows))
