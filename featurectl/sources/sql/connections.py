"""Connections of SQLAlchemy to databases of users, for sources and for scores: watched, and their errors in a line."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from featurectl.core.postgres import CONNECT_S, connect_watched, probe_seconds


def chosen_driver(url: sa.URL) -> sa.URL:
    """Return a URL with the driver that opens it: for MySQL PyMySQL, or mysqlclient where only that is installed.

    >>> str(chosen_driver(sa.make_url("mysql+mysqldb://db/shop")))
    'mysql+mysqldb://db/shop'
    """
    is_open = url.drivername in ("mysql", "mariadb")
    if not is_open or (find_spec("MySQLdb") and not find_spec("pymysql")):
        return url
    return url.set(drivername=f"{url.drivername}+pymysql")


def watch_connections(engine: sa.Engine) -> None:
    """Let no connection of an engine wait for ever: those to PostgreSQL are watched while the server answers."""
    sa.event.listen(engine, "do_connect", _connect_watched)


def _connect_watched(dialect: sa.Dialect, _: object, args: Sequence[Any], options: dict[str, Any]) -> object:
    """Open a connection to a server that is watched while it answers; None, to open it as usual, for another driver."""
    if dialect.driver == "pymysql":
        options.setdefault("connect_timeout", CONNECT_S)
    return connect_watched(args, options, probe_seconds()) if dialect.driver == "psycopg" else None


_STEPS: Final = 1_000_000  # of SQLite's machine: some hundredths of a second
# What a statement that reads does. Writing is refused by the file, which is open to be read; tables of an index for
# places or texts name it when they are opened, and look by `data_version` whether the file has changed.
_ALLOWED: Final = {
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE,
}  # fmt: skip
_CODE: Final = {"load_extension", "fts3_tokenizer"}  # functions that load code, or call what is at an address


def let_only_read(connection: sa.Connection) -> None:
    """Refuse whatever reaches beyond the one file of a connection to SQLite: VACUUM INTO and ATTACH make others.

    A query that goes on and on is ended by Ctrl-C: SQLite asks now and then, and Python looks at signals meanwhile.
    """
    opened: Any = connection.connection.dbapi_connection
    opened.set_authorizer(_authorize)
    opened.set_progress_handler(_go_on, _STEPS)


def _go_on() -> int:
    return 0


def _authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        is_allowed = first == "data_version"
    else:
        is_allowed = action in _ALLOWED and not (action == sqlite3.SQLITE_FUNCTION and second in _CODE)
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


def was_interrupted(error: SQLAlchemyError) -> bool:
    """Return whether it was Ctrl-C that ended a query to SQLite: the interrupt itself does not come through it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def is_refused(error: SQLAlchemyError) -> bool:
    """Return whether a statement was refused by `let_only_read`."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH


def first_line(error: SQLAlchemyError) -> str:
    """Return the first line of what the driver said."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
