"""Bring a registry's schema to the newest step."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_FOLDER: Final = Path(__file__).parent


def steps() -> tuple[str, ...]:
    """Return the revisions of the schema, oldest first."""
    return tuple(script.revision for script in reversed(list(_scripts().walk_revisions())))


def upgrade(connection: Connection, current: str | None) -> None:
    """Run the steps after `current` (None: all of them) within the connection's transaction."""
    scripts, context = _scripts(), MigrationContext.configure(connection)
    missing = reversed(list(scripts.iterate_revisions("head", current or "base")))
    with Operations.context(context):
        for script in missing:
            script.module.upgrade()
    context.stamp(scripts, "head")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))
