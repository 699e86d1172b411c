"""The rows of a table's Parquet files: all at once, or those of one file some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from featurectl.core.object_store import polars_options
from featurectl.offline.files import ROW_GROUP
from featurectl.pit.questions import EVENT_TIME


def read_files(paths: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of files, one file's after the other's, in one piece."""
    options = polars_options(paths[0])
    return pl.read_parquet(
        list(paths), columns=list(columns), hive_partitioning=False, glob=False, storage_options=options
    ).rechunk()


def read_whole(path: str) -> pl.DataFrame:
    """Return all columns and rows of a file."""
    return pl.read_parquet(path, hive_partitioning=False, glob=False, storage_options=polars_options(path))


def scan_there(path: str, columns: Sequence[str]) -> pl.LazyFrame:
    """Return what reads those of some columns that a file has."""
    scan = pl.scan_parquet(path, hive_partitioning=False, glob=False, storage_options=polars_options(path))
    there = scan.collect_schema()
    return scan.select([name for name in columns if name in there])


def scan_file(path: str, columns: Sequence[str], since: datetime | None = None) -> pl.LazyFrame:
    """Return what reads some columns of a file, of rows that happened at an instant or later (None: of all)."""
    options = polars_options(path)
    scan = pl.scan_parquet(path, hive_partitioning=False, glob=False, storage_options=options)
    return (scan if since is None else scan.filter(pl.col(EVENT_TIME) >= since)).select(columns)


def read_slices(path: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Give the rows of a file that was written here in their order, a row group at a time, one at least."""
    scan, begin, rows = scan_file(path, columns), 0, ROW_GROUP
    while rows == ROW_GROUP:
        found = scan.slice(begin, ROW_GROUP).collect()
        begin, rows = begin + found.height, found.height
        if rows or begin == 0:
            yield found
