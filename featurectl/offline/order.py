"""The order of a table's rows, and in which bucket each lies."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER


def row_order(keys: Sequence[str]) -> list[str]:
    """Return the columns that rows are ordered by: keys, event time, availability, ties.

    >>> row_order(["carrier"])
    ['carrier', 'event_time', 'available_at', 'tie_order']
    """
    return [*keys, EVENT_TIME, AVAILABLE_AT, TIE_ORDER]


def is_ordered(rows: pl.DataFrame, order: Sequence[str]) -> bool:
    """Return whether each row is at or after the row before it; one comparison per column, none of them null."""
    after = pl.lit(value=True)
    for name in reversed(order):
        column = pl.col(name)
        after = (column > column.shift(1)) | ((column == column.shift(1)) & after)
    return rows.select(after.fill_null(value=True).all()).item() is True


def ordered(rows: pl.DataFrame, order: Sequence[str]) -> pl.DataFrame:
    """Return the rows in order; they are sorted only when they are not."""
    return rows if is_ordered(rows, order) else rows.sort(order, maintain_order=True)


def choose_buckets(rows: int, rows_per_bucket: int) -> int:
    """Return the least power of two that keeps an average bucket within so many rows.

    >>> choose_buckets(10, 4), choose_buckets(0, 4)
    (4, 1)
    """
    full = -(-rows // rows_per_bucket)
    return 1 << max(full - 1, 0).bit_length()
