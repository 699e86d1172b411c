"""Objects that leave a registry's database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete

from featurectl.registry import tables
from featurectl.registry.state import ObjectVersion


def delete_objects(connection: Connection, project: str, items: Sequence[ObjectVersion]) -> None:
    """Remove versions of objects; one that is not there is none."""
    table = tables.objects
    same = [table.c[key] == bindparam(f"old_{key}") for key in ("kind", "name", "version")]
    keys = [{"old_kind": item.kind, "old_name": item.name, "old_version": item.version} for item in items]
    if keys:
        connection.execute(delete(table).where(table.c.project == project, *same), keys)
