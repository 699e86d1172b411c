"""Aliases of a model's versions."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from featurectl.registry import tables

Key = tuple[str, str, str]  # project, model, alias


def set_alias(connection: Connection, key: Key, version: int) -> None:
    """Point an alias at a version."""
    drop_alias(connection, key)
    project, model, alias = key
    row = {"project": project, "model": model, "alias": alias, "version": version}
    connection.execute(insert(tables.aliases), [row])


def drop_alias(connection: Connection, key: Key) -> None:
    """Take an alias away; one that is not there is no error."""
    table = tables.aliases
    project, model, alias = key
    same = (table.c.project == project, table.c.model == model, table.c.alias == alias)
    connection.execute(delete(table).where(*same))


def read_alias(connection: Connection, key: Key) -> int | None:
    """Return the version that an alias points at, None when there is none of that name."""
    table = tables.aliases
    project, model, alias = key
    same = (table.c.project == project, table.c.model == model, table.c.alias == alias)
    found: int | None = connection.execute(select(table.c.version).where(*same)).scalar()
    return found
