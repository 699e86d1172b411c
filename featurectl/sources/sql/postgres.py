"""Queries to PostgreSQL: read as Arrow by ADBC where all types of the columns allow it, else by rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import with_since
from featurectl.sources.sql.by_rows import run_by_rows
from featurectl.sources.sql.postgres_types import DescribedQuery, arrow_type
from featurectl.sources.sql.query_run import POSTGRES_SINCE, SqlQueryRun
from featurectl.sources.sql.rows import FIRST_OWN, postgres_types
from featurectl.sources.sql.running_query import RunningQuery, check_named_once

if TYPE_CHECKING:
    from psycopg import Connection

_SET_SINCE: Final = "select set_config('featurectl.since', %s, true)"
_ENUMS: Final = "select oid from pg_catalog.pg_type where typtype = 'e' and oid = any(%s)"
_MODULES: Final = ("adbc_driver_postgresql", "pyarrow")


@contextmanager
def run_in_postgres(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`. It is described first, and runs when rows are wanted."""
    described = describe(query, since) if all(find_spec(name) for name in _MODULES) else None
    if described is None:
        with run_by_rows(query, since) as rows:
            yield rows
        return
    frames = _frames(query, since, described)
    try:
        yield RunningQuery(types=described.types, frames=frames)
    finally:
        frames.close()


def _frames(query: SqlQueryRun, since: datetime | None, described: DescribedQuery) -> Generator[pl.DataFrame]:
    """Yield the rows as Arrow; what ADBC can't begin although PostgreSQL has described it, as rows of psycopg."""
    from featurectl.sources.sql.postgres_arrow import ArrowRun

    frames = ArrowRun(query=query, described=described).begin()
    if frames is not None:
        yield from frames
        return
    with run_by_rows(query, since) as rows:
        if rows.types != described.types:
            raise ConnectionCutError(query.unreachable("its columns changed while it was begun"), code="FC605")
        yield from rows.frames


def describe(query: SqlQueryRun, since: datetime | None) -> DescribedQuery | None:
    """Return how a query is read as Arrow; None where it can't be."""
    assert query.source.sql is not None
    text = with_since(query.source.sql.query, POSTGRES_SINCE)
    moment = query.since_value(since, "postgresql")
    assert isinstance(moment, datetime)
    with query.connected() as connection:
        opened: Any = connection.connection.dbapi_connection
        if connection.dialect.driver != "psycopg":
            return None
        with _as_of_sqlalchemy(connection, opened):
            columns = _columns(opened, text, moment.isoformat())
            enums = _enums(opened, [column[1] for column in columns if column[1] >= FIRST_OWN])
    check_named_once([column[0] for column in columns], query.where)
    types = postgres_types(columns)
    arrow = {column[0]: arrow_type(column[1], types[column[0]], is_enum=column[1] in enums) for column in columns}
    known = {name: kind for name, kind in arrow.items() if kind is not None}
    if not known or len(known) < len(arrow):
        return None
    return DescribedQuery(text=text, since=moment.isoformat(), types=types, arrow=known)


def _columns(opened: Connection[Any], text: str, since: str) -> Sequence[Any]:
    """Return the description of a query's columns, of which no row is fetched."""
    opened.execute(_SET_SINCE, [since])
    with opened.cursor(name="featurectl") as cursor:
        cursor.execute(text.encode())
        return cursor.description or ()


def _enums(opened: Connection[Any], numbers: Sequence[int]) -> set[int]:
    return {number for (number,) in opened.execute(_ENUMS, [list(numbers)])} if numbers else set()


@contextmanager
def _as_of_sqlalchemy(connection: sa.Connection, opened: Connection[Any]) -> Iterator[None]:
    """Let what fails here be what it is where SQLAlchemy asks."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError.instance(
            None, None, error, psycopg.Error, connection_invalidated=opened.closed, dialect=connection.dialect
        ) from error
