"""Retired versions of models in a registry's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, update

from featurectl.registry import tables
from featurectl.registry.rows import model_document
from featurectl.registry.state import ModelVersion


def write_retired(connection: Connection, project: str, versions: Sequence[ModelVersion]) -> None:
    """Mark versions as retired; the transaction must have seen that nothing points at them."""
    table = tables.model_versions
    for version in versions:
        same = (table.c.project == project, table.c.model == version.model, table.c.version == version.version)
        document = model_document(replace(version, status="retired"))
        connection.execute(update(table).where(*same).values(document=document))
