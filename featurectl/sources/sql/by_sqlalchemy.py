"""A database of a source that SQLAlchemy opens, to be read: any that has a dialect of it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.core.postgres import NO_ANSWER
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import asks_since, with_since
from featurectl.sources.sql.connections import (
    chosen_driver,
    first_line,
    is_refused,
    let_only_read,
    was_interrupted,
    watch_connections,
)
from featurectl.sources.sql.postgres_times import lacked_time
from featurectl.sources.sql.query_run import NOT_READING, POSTGRES_SINCE, SqlQueryRun

CHUNK_ROWS: Final = 50_000
_SET_SINCE: Final = "select set_config('featurectl.since', cast(cast(:since as timestamptz) as text), true)"
_QUERY_ERRORS: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)  # the query's fault, not the database's
_OTHER_COLON: Final = re.compile(r"(?<!:):(?!:|since\b)")  # SQLAlchemy would take `:a` for a parameter, in texts too


@contextmanager
def connected(query: SqlQueryRun) -> Iterator[sa.Connection]:
    """Give a connection to the database that only reads; what fails of it until it ends is an error of the source.

    Raises:
        StoreError: FC605, the database can't be reached; `ConnectionCutError`, it could be, and then no more.
        DataError: FC501 there is no file of it, FC508 the query fails.
    """
    engine = _engine(query)
    with _failures(query, engine), _opened(query, engine) as connection:
        if engine.dialect.name == "postgresql":
            zone = sa.text("select set_config('TimeZone', :zone, false)")
            connection.execute(zone, {"zone": query.source.timezone})
        if engine.dialect.name == "sqlite":
            let_only_read(connection)
        yield connection


@contextmanager
def executed(query: SqlQueryRun, since: datetime | None) -> Iterator[sa.CursorResult[tuple[object, ...]]]:
    """Give the running query; `since` None asks from the year 1.

    Raises:
        StoreError, DataError: as `connected` does.
    """
    assert query.source.sql is not None
    with connected(query) as connection:
        text = query.source.sql.query
        wanted = {"since": query.since_value(since, connection.dialect.name)} if asks_since(text) else {}
        if wanted and connection.dialect.name == "postgresql":
            connection.execute(sa.text(_SET_SINCE), wanted)
            text, wanted = with_since(text, POSTGRES_SINCE), {}
        statement = sa.text(_OTHER_COLON.sub(r"\:", text))
        options = {"stream_results": True, "max_row_buffer": CHUNK_ROWS}
        with connection.execute(statement, wanted, execution_options=options) as result:
            yield result


def _opened(query: SqlQueryRun, engine: sa.Engine) -> sa.Connection:
    try:
        return engine.connect()
    except OperationalError:
        raise
    except SQLAlchemyError as error:  # a word of the URL that the driver does not know, say
        raise query.unopened(first_line(error)) from error


def _engine(query: SqlQueryRun) -> sa.Engine:
    try:
        url = chosen_driver(sa.make_url(query.url))
        if url.get_backend_name() == "sqlite":
            url = _read_only(query, url)
        engine = sa.create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ImportError) as error:  # before its base, ArgumentError
        raise query.without_driver(error) from error
    except (ArgumentError, ValueError) as error:
        raise DataError(f"source {query.source.name}: {query.shown} is no database URL", code="FC508") from error
    except FeaturectlError:
        raise
    except Exception as error:
        query.raise_crash(error, query.url.partition(":")[0])
        raise
    watch_connections(engine)
    if engine.dialect.name == "postgresql":
        sa.event.listen(engine, "handle_error", lambda failure: _of_values(failure, query.where))
    return engine


def _of_values(failure: sa.engine.ExceptionContext, where: str) -> DataError | None:
    """Return the error of a value that the driver makes none of Python's of, where it is known which."""
    is_of_values = type(failure.original_exception).__name__ == "DataError"
    cursor = getattr(failure.execution_context, "cursor", None)
    return lacked_time(cursor, where) if is_of_values else None


def _read_only(query: SqlQueryRun, url: sa.URL) -> sa.URL:
    file = query.database_file(url.database or "")
    return url.set(database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})


@contextmanager
def _failures(query: SqlQueryRun, engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from None
        if getattr(error.orig, "sqlite_errorcode", None) in _QUERY_ERRORS:
            raise _failed(query, error) from error
        cut = error.connection_invalidated and not first_line(error).startswith(NO_ANSWER)
        kind = ConnectionCutError if cut else StoreError
        raise kind(query.unreachable(first_line(error)), code="FC605") from error
    except SQLAlchemyError as error:
        raise _failed(query, error) from error
    except FeaturectlError:
        raise
    except Exception as error:  # what a driver raises that is no error of a driver
        query.raise_crash(error, engine.dialect.driver, getattr(engine.dialect.dbapi, "__name__", ""))
        raise


def _failed(query: SqlQueryRun, error: SQLAlchemyError) -> DataError:
    return query.failed(NOT_READING if is_refused(error) else first_line(error))
