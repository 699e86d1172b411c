"""Rows of a view as an offline table keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from featurectl.pit.hashing import hash_rows

INSTANT = pl.Datetime("us", "UTC")
KEYS: Mapping[str, str] = {"carrier": "string", "number": "int64"}


def table_rows(count: int, start: int = 0, **columns: Any) -> pl.DataFrame:
    """Return `count` rows of 7 x 3 composite keys at the microseconds from `start` on, in no useful order."""
    frame = pl.DataFrame(
        {
            "carrier": [f"c{i * 11 % 7}" for i in range(count)],
            "number": [i * 5 % 3 for i in range(count)],
            "event_time": pl.Series(range(start, start + count)).cast(INSTANT),
            "available_at": pl.Series([start + i + i % 4 for i in range(count)]).cast(INSTANT),
            "delay": [None if i % 5 == 0 else i / 4 for i in range(count)],
            "names": [[f"n{i}"] * (i % 3) for i in range(count)],
        },
        schema_overrides={"carrier": pl.String, "number": pl.Int64, "delay": pl.Float64, "names": pl.List(pl.String)},
    )
    rows = frame.with_columns(hash_rows(frame).alias("tie_order"))
    order = ["carrier", "number", "event_time", "available_at", "tie_order", "delay", "names"]
    return rows.select(order).with_columns(**columns)


def as_table(*frames: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(frames).sort("carrier", "number", "event_time", "available_at", "tie_order")
