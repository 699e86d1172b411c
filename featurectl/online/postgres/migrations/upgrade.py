"""Bring the schema of an online store to the newest step, by the tool of the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from featurectl.online.postgres.migrations.steps import SCHEMA
from featurectl.registry.migrations.upgrade import ScriptFolder, upgrade

if TYPE_CHECKING:
    import psycopg

FOLDER: Final = ScriptFolder(path=Path(__file__).parent, schema=SCHEMA)
_LOCK: Final = 7_310_582_947  # any number, the same in every process, and another one than the registry's
_URL: Final = "postgresql+psycopg://"  # of no server: connections come from who asks


def bring_up_to_date(connect: Callable[[], psycopg.Connection[Any]]) -> None:
    """Run the steps that are missing in one transaction; of several at once one does, and the others wait.

    `connect` opens a connection that does not commit by itself.

    Raises:
        psycopg.Error: the server refuses one, or does not answer.
    """
    engine = create_engine(_URL, creator=connect, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            upgrade(connection, _revision(connection), FOLDER)
    except DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from error
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    """Return the step that the schema has reached; None where there is none."""
    if not inspect(connection).has_table("alembic_version", schema=SCHEMA):
        return None
    return connection.execute(text(f"select version_num from {SCHEMA}.alembic_version")).scalar_one_or_none()
