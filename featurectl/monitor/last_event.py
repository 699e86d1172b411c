"""The last event of a view of which others lie ahead of now."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from featurectl.offline.base import OfflineTable
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_AT_ONCE: Final = 1_000_000
_MOST: Final = 20_000_000  # rows: half a second


def last_event_until(table: OfflineTable, now: datetime, known: datetime) -> datetime | None:
    """Return the newest event until now of the rows that were available at `known`; None: there is none.

    Reads the clocks of all rows; of a table of more than 20 M rows none, and it is None, too.
    """
    version = table.version()
    if version is None or table.statistics().rows > _MOST:
        return None
    latest: datetime | None = None
    for block in table.blocks(version, _AT_ONCE, [EVENT_TIME, AVAILABLE_AT]):
        had = block.lazy().filter(pl.col(EVENT_TIME) <= now, pl.col(AVAILABLE_AT) <= known)
        found = had.select(pl.col(EVENT_TIME).max()).collect().item()
        if isinstance(found, datetime) and (latest is None or found > latest):
            latest = found
    return latest
