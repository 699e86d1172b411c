"""Table versions that somebody may ask for again: no vacuum removes a file of theirs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from featurectl.registry import tables
from featurectl.registry.base import Pin
from featurectl.registry.dialect import insert_new


def insert_pins(connection: Connection, project: str, pins: Sequence[Pin]) -> None:
    """Write pins; one that is there already stays as it is."""
    for pin in pins:
        row = {"view": pin.view, "version": pin.version, "table_version": pin.table_version, "holder": pin.holder}
        insert_new(connection, tables.pins, {"project": project, **row})


def load_pins(connection: Connection, project: str) -> tuple[Pin, ...]:
    """Return a project's pins."""
    table = tables.pins
    query = select(table).where(table.c.project == project).order_by(*table.primary_key.columns)
    return tuple(
        Pin(view=row["view"], version=row["version"], table_version=row["table_version"], holder=row["holder"])
        for row in connection.execute(query).mappings()
    )


def delete_pins(
    connection: Connection, project: str, view: str, version: int, table_versions: Sequence[int] | None = None
) -> None:
    """Take the pins of a view version away, of all versions of its table, or of some."""
    table = tables.pins.c
    same = [table.project == project, table.view == view, table.version == version]
    if table_versions is not None:
        same.append(table.table_version.in_(list(table_versions)))
    connection.execute(delete(tables.pins).where(*same))
