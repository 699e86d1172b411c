"""The serial of a project, which grows by one with each change."""

from __future__ import annotations

from sqlalchemy import Connection, update

from featurectl.core.errors import TryAgainError
from featurectl.registry import tables
from featurectl.registry.database import registry_id
from featurectl.registry.dialect import insert_new
from featurectl.registry.state import State


def next_serial(connection: Connection, project: str) -> int:
    """Return the project's serial grown by one, holding its row, so that no other transaction grows it too."""
    table = tables.projects
    insert_new(connection, table, {"project": project, "serial": 0})
    grown = update(table).where(table.c.project == project).values(serial=table.c.serial + 1).returning(table.c.serial)
    return int(connection.execute(grown).scalar_one())


def serial_after(connection: Connection, state: State, hint: str) -> int:
    """Return the serial that follows a state's.

    Raises:
        TryAgainError: the project has changed since the state was read.
    """
    serial = next_serial(connection, state.project)
    if serial != state.serial + 1 or state.registry_id not in ("", registry_id(connection)):
        message = f"project {state.project} has changed: serial {state.serial} was read, {serial - 1} is there now"
        raise TryAgainError(message, hint=hint)
    return serial
