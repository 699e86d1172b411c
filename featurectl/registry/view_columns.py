"""Types of columns that the definition of a view version does not say: those that its table was made with."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from featurectl.registry import tables
from featurectl.registry.base import SeenColumns
from featurectl.registry.rows import load_view_columns


def replace_view_columns(connection: Connection, project: str, seen: SeenColumns) -> None:
    """Write the columns of view versions in place of those that are there."""
    table = tables.view_columns.c
    for (view, version), columns in seen.items():
        same = (table.project == project, table.view == view, table.version == version)
        connection.execute(delete(tables.view_columns).where(*same))
        row = {"project": project, "view": view, "version": version, "columns": json.dumps(dict(columns))}
        connection.execute(insert(tables.view_columns).values(row))


def select_view_columns(connection: Connection, project: str) -> Mapping[tuple[str, int], Mapping[str, str]]:
    """Return the columns by view and version."""
    table = tables.view_columns
    query = select(table).where(table.c.project == project).order_by(*table.primary_key.columns)
    return load_view_columns(dict(row) for row in connection.execute(query).mappings())
