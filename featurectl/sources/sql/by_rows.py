"""Queries that are read row by row, by SQLAlchemy: any database with a dialect of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from featurectl.sources.sql.by_sqlalchemy import CHUNK_ROWS, executed
from featurectl.sources.sql.query_run import SqlQueryRun
from featurectl.sources.sql.rows import column_types, rows_frame
from featurectl.sources.sql.running_query import RunningQuery, check_named_once


@contextmanager
def run_by_rows(query: SqlQueryRun, since: datetime | None) -> Iterator[RunningQuery]:
    """Give the running query; see `drivers.running`."""
    with executed(query, since) as result:
        yield rows_of(result, query.where)


def rows_of(result: sa.CursorResult[tuple[object, ...]], where: str) -> RunningQuery:
    """Return the rows of a result of SQLAlchemy.

    Raises:
        DataError: FC508, a column is there twice.
    """
    check_named_once(list(result.keys()), where)
    types = column_types(result)

    def frames() -> Iterator[pl.DataFrame]:
        for rows in result.partitions(CHUNK_ROWS):
            yield rows_frame(rows, types, where)

    return RunningQuery(types=types, frames=frames())
