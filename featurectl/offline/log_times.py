"""The latest time in a column of a stream's log, by what the log says of its files."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from polars.exceptions import PolarsError

from featurectl.core.frames.timestamps import INSTANT
from featurectl.offline.actions import files_of
from featurectl.offline.event_log import EventLog, OpenedLog
from featurectl.offline.failures import store_failure


def latest_time(log: EventLog, opened: OpenedLog, column: str) -> datetime | None:
    """Return the latest time in a column of times of a version of a log; None: there is none.

    It is exact to the millisecond: of files that were put together the log has no more. Of files of which it has no
    times, as older versions wrote it, that column is read.

    Raises:
        StoreError: FC603, the log can't be read.
    """
    if opened.table is None:
        return None
    try:
        files, name, nulls = files_of(opened.table), f"max.{column}", f"null_count.{column}"
        absent = {each: pl.lit(None, dtype=dtype) for each, dtype in ((name, INSTANT), (nulls, pl.Int64))}
        files = files.with_columns(**{each: null for each, null in absent.items() if each not in files.columns})
        rest = files.filter(pl.col(name).is_null() & (pl.col(nulls) < pl.col("num_records")).fill_null(value=True))
        times = [files[name].max()]
        if rest.height:
            scan = pl.scan_parquet(
                [f"{log.location}/{path}" for path in rest["path"]],
                schema={column: INSTANT},
                missing_columns="insert",
                extra_columns="ignore",
                glob=False,
                hive_partitioning=False,
            )
            times.append(scan.select(pl.col(column).max()).collect(engine="streaming").item())
    except (PolarsError, OSError) as error:
        message = f"the log {log.shown} can't be read"
        raise store_failure(message, error, lambda text: text.replace(log.location, log.shown)) from error
    return max((time for time in times if isinstance(time, datetime)), default=None)
