"""How each kind of database is asked: by a driver that gives columns where there is one, else by rows of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final

from featurectl.sources.sql.query_run import SqlQueryRun
from featurectl.sources.sql.running_query import RunningQuery

RunQuery = Callable[[SqlQueryRun, datetime | None], AbstractContextManager[RunningQuery]]


def running(query: SqlQueryRun, since: datetime | None) -> AbstractContextManager[RunningQuery]:
    """Return the query of a source as it runs; `since` None asks from the year 1.

    Raises:
        StoreError: FC605, the database can't be reached; `ConnectionCutError`, it could be, and then no more.
        DataError: FC501 there is no file of it, FC508 the query fails, FC504 a value can't be read.
    """
    return DRIVERS.get(_kind(query), _by_rows)()(query, since)


def describes(query: SqlQueryRun) -> bool:
    """Return whether the driver of a database tells the types of a query's columns before its rows."""
    return _kind(query) in DRIVERS


def _kind(query: SqlQueryRun) -> str:
    return query.url.partition(":")[0].partition("+")[0]


def _by_rows() -> RunQuery:
    from featurectl.sources.sql.by_rows import run_by_rows

    return run_by_rows


def _postgres() -> RunQuery:
    from featurectl.sources.sql.postgres import run_in_postgres

    return run_in_postgres


def _bigquery() -> RunQuery:
    from featurectl.sources.sql.bigquery import run_in_bigquery

    return run_in_bigquery


def _duckdb() -> RunQuery:
    from featurectl.sources.sql.duckdb_file import run_in_duckdb

    return run_in_duckdb


def _mysql() -> RunQuery:
    from featurectl.sources.sql.mysql import run_in_mysql

    return run_in_mysql


def _snowflake() -> RunQuery:
    from featurectl.sources.sql.snowflake import run_in_snowflake

    return run_in_snowflake


DRIVERS: Final[Mapping[str, Callable[[], RunQuery]]] = {
    "bigquery": _bigquery, "duckdb": _duckdb, "mariadb": _mysql, "mysql": _mysql, "postgresql": _postgres,
    "snowflake": _snowflake,
}  # fmt: skip
