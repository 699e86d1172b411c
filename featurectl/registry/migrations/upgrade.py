"""Bring a database to the newest step of its schema: a registry's, or another one whose steps lie in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFolder:
    """Where the steps of a schema lie, and the schema that knows how far it has come; None: that of the connection."""

    path: Path
    schema: str | None = None


REGISTRY: Final = ScriptFolder(path=Path(__file__).parent)


def steps(folder: ScriptFolder = REGISTRY) -> tuple[str, ...]:
    """Return the revisions of a schema, oldest first."""
    return tuple(script.revision for script in reversed(list(_scripts(folder).walk_revisions())))


def upgrade(connection: Connection, current: str | None, folder: ScriptFolder = REGISTRY) -> None:
    """Run the steps after `current` (None: all of them) within the connection's transaction."""
    scripts = _scripts(folder)
    context = MigrationContext.configure(connection, opts={"version_table_schema": folder.schema})
    missing = reversed(list(scripts.iterate_revisions("head", current or "base")))
    with Operations.context(context):
        for script in missing:
            script.module.upgrade()
    context.stamp(scripts, "head")


def _scripts(folder: ScriptFolder) -> ScriptDirectory:
    return ScriptDirectory(str(folder.path))
