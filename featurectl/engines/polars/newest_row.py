"""When the newest rows of a source happened and became available."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from featurectl.core.frames.timestamps import within_datetime
from featurectl.engines.clocks import AVAILABLE, EVENT, clocked
from featurectl.language.definitions.source import Source


def newest_row(scan: pl.LazyFrame, source: Source, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the greatest event time until `now` and the greatest availability of the rows available at `now`.

    None where there is none.
    """
    if source.static:
        return None, None
    seen = clocked(scan, source).filter(pl.col(AVAILABLE) <= now)
    happened = pl.col(EVENT).filter(pl.col(EVENT) <= now)
    found = seen.select(within_datetime(e.max()) for e in (happened, pl.col(AVAILABLE))).collect().row(0)
    return found[0], found[1]
