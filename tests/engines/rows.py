"""Rows of the source `arrivals` for tests of engines: one a tuple, with clocks in hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

T0 = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
SCHEMA: dict[str, Any] = {
    "carrier": pl.String,
    "origin": pl.String,
    "arr_delay": pl.Float64,
    "at": INSTANT,
    "known_at": INSTANT,
}


def at(hour: float | None) -> datetime | None:
    return None if hour is None else T0 + timedelta(hours=hour)


def rows(*given: tuple[Any, ...]) -> pl.DataFrame:
    """(carrier, delay, event hour, available hour) each."""
    data = [(c, "JFK", d, at(e), at(a)) for c, d, e, a in given]
    return pl.DataFrame(data, schema=SCHEMA, orient="row")
