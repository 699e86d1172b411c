"""Queries to PostgreSQL: read as Arrow by ADBC where all types of the columns allow it, else by rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.postgres import NO_ANSWER, connect_watched, probe_seconds
from featurectl.sources.begun_again import ConnectionCutError
from featurectl.sources.since import with_since
from featurectl.sources.sql.postgres_address import libpq_address, libpq_parameters
from featurectl.sources.sql.postgres_types import DescribedQuery, arrow_type
from featurectl.sources.sql.query_run import POSTGRES_SINCE, SqlQueryRun, first_line
from featurectl.sources.sql.rows import FIRST_OWN, postgres_types
from featurectl.sources.sql.running_query import RunningQuery, check_named_once

if TYPE_CHECKING:
    from psycopg import Connection

_SET: Final = "select set_config('TimeZone', %s, true), set_config('featurectl.since', %s, true)"
_ENUMS: Final = "select oid from pg_catalog.pg_type where typtype = 'e' and oid = any(%s)"
_MODULES: Final = ("psycopg", "adbc_driver_postgresql", "pyarrow")


@contextmanager
def run_in_postgres(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`. It is described first, and runs when rows are wanted.

    SQLAlchemy is for rows alone: it and its dialect take a quarter of a second to be there.
    """
    described = describe(query, since)
    if described is None:
        from featurectl.sources.sql.by_rows import run_by_rows

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
    from featurectl.sources.sql.by_rows import run_by_rows

    with run_by_rows(query, since) as rows:
        if rows.types != described.types:
            raise ConnectionCutError(query.unreachable("its columns changed while it was begun"), code="FC605")
        yield from rows.frames


def describe(query: SqlQueryRun, since: datetime | None) -> DescribedQuery | None:
    """Return how a query is read as Arrow; None where it can't be."""
    parameters = libpq_parameters(query.url) if all(find_spec(name) for name in _MODULES) else None
    if parameters is None:
        return None
    assert query.source.sql is not None
    text = with_since(query.source.sql.query, POSTGRES_SINCE)
    moment = query.since_value(since, "postgresql")
    assert isinstance(moment, datetime)
    with _connected(query, parameters) as connection:
        connection.execute(_SET, [query.source.timezone, moment.isoformat()])
        columns = _columns(connection, text)
        enums = _enums(connection, [column[1] for column in columns if column[1] >= FIRST_OWN])
    check_named_once([column[0] for column in columns], query.where)
    types = postgres_types(columns)
    arrow = {column[0]: arrow_type(column[1], types[column[0]], is_enum=column[1] in enums) for column in columns}
    known = {name: kind for name, kind in arrow.items() if kind is not None}
    if not known or len(known) < len(arrow):
        return None
    address = libpq_address(parameters)
    return DescribedQuery(address=address, text=text, since=moment.isoformat(), types=types, arrow=known)


@contextmanager
def _connected(query: SqlQueryRun, parameters: Mapping[str, str]) -> Iterator[Connection[Any]]:
    """Give a connection of which nothing is committed; what fails of it until it ends is an error of the source."""
    try:
        with closing(_opened(query, parameters)) as connection, _failures(query, connection):
            yield connection
    except FeaturectlError:
        raise
    except Exception as error:  # what the driver raises that is no error of a driver
        query.raise_crash(error, "psycopg")
        raise


def _opened(query: SqlQueryRun, parameters: Mapping[str, str]) -> Connection[Any]:
    try:
        import psycopg
    except ImportError as error:
        raise query.without_driver(error) from error
    try:
        return connect_watched((), {**parameters, "client_encoding": "utf8"}, probe_seconds())
    except psycopg.OperationalError as error:
        raise StoreError(query.unreachable(first_line(error)), code="FC605") from error
    except psycopg.Error as error:  # a word of the URL that libpq does not know, say
        raise query.unopened(first_line(error)) from error


@contextmanager
def _failures(query: SqlQueryRun, connection: Connection[Any]) -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        said = first_line(error)
        kind = ConnectionCutError if connection.closed and not said.startswith(NO_ANSWER) else StoreError
        raise kind(query.unreachable(said), code="FC605") from error
    except psycopg.Error as error:
        raise query.failed(first_line(error)) from error


def _columns(opened: Connection[Any], text: str) -> Sequence[Any]:
    """Return the description of a query's columns, of which no row is fetched."""
    with opened.cursor(name="featurectl") as cursor:
        cursor.execute(text.encode())
        return cursor.description or ()


def _enums(opened: Connection[Any], numbers: Sequence[int]) -> set[int]:
    return {number for (number,) in opened.execute(_ENUMS, [list(numbers)])} if numbers else set()
