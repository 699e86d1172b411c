"""Connections of SQLAlchemy to databases of users, for sources and for scores: watched, and their errors in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from featurectl.postgres import PROBE_S, connect_watched


def watch_connections(engine: sa.Engine) -> None:
    """Open connections of an engine to PostgreSQL so that they are watched while the server answers."""
    sa.event.listen(engine, "do_connect", _connect_watched)


def _connect_watched(dialect: sa.Dialect, _: object, args: Sequence[Any], options: Mapping[str, Any]) -> object:
    """Open a connection to a server that is watched while it answers; None, to open it as usual, for another driver."""
    return connect_watched(args, options, PROBE_S) if dialect.driver == "psycopg" else None


def first_line(error: SQLAlchemyError) -> str:
    """Return the first line of what the driver said."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
