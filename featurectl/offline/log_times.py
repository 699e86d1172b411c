"""The latest time in a column of a stream's log, by what the log says of its files."""

from __future__ import annotations

from datetime import datetime

from polars.exceptions import PolarsError

from featurectl.offline.actions import files_of
from featurectl.offline.event_log import EventLog, OpenedLog
from featurectl.offline.failures import store_failure


def latest_time(log: EventLog, opened: OpenedLog, column: str) -> datetime | None:
    """Return the latest time in a column of times of a version of a log; None: there is none.

    It is exact to the millisecond: of files that were put together the log has no more.

    Raises:
        StoreError: FC603, the log can't be read.
    """
    if opened.table is None:
        return None
    try:
        files, name = files_of(opened.table), f"max.{column}"
        latest = files[name].max() if name in files.columns else None
    except (PolarsError, OSError) as error:
        message = f"the log {log.shown} can't be read"
        raise store_failure(message, error, lambda text: text.replace(log.location, log.shown)) from error
    return latest if isinstance(latest, datetime) else None
