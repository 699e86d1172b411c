"""The order of a table's rows, and in which bucket each lies."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from featurectl.pit.order import row_order, sort_rows


def ordered(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return the rows in total order; they are sorted only when they are not."""
    return sort_rows(rows, row_order(keys, rows.columns))


def choose_buckets(rows: int, rows_per_bucket: int) -> int:
    """Return the least power of two that keeps an average bucket within so many rows.

    >>> choose_buckets(10, 4), choose_buckets(0, 4)
    (4, 1)
    """
    full = -(-rows // rows_per_bucket)
    return 1 << max(full - 1, 0).bit_length()
