"""Documents of model versions in a registry's database: new and retired ones, and files that were written anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, insert, update

from featurectl.registry import tables
from featurectl.registry.rows import model_document
from featurectl.registry.state import ModelVersion


def insert_document(connection: Connection, project: str, version: ModelVersion) -> None:
    """Write a version whose number is free."""
    row = {"project": project, "model": version.model, "version": version.version, "document": model_document(version)}
    connection.execute(insert(tables.model_versions).values(row))


def write_retired(connection: Connection, project: str, versions: Sequence[ModelVersion]) -> None:
    """Mark versions as retired; the transaction must have seen that nothing points at them."""
    write_documents(connection, project, [replace(version, status="retired") for version in versions])


def write_documents(connection: Connection, project: str, versions: Sequence[ModelVersion]) -> None:
    """Write what is known of versions in place of what was; one that is not there stays so."""
    table = tables.model_versions
    for version in versions:
        same = (table.c.project == project, table.c.model == version.model, table.c.version == version.version)
        connection.execute(update(table).where(*same).values(document=model_document(version)))
