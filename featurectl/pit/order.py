"""The total order of a table's rows, nulls of tiebreak columns last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count, takewhile

import polars as pl

from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER


def row_order(keys: Sequence[str], columns: Collection[str]) -> list[str]:
    """Return the columns that rows are ordered by: keys, event time, availability, tiebreak columns, hash.

    >>> row_order(["carrier"], ["carrier", "event_time", "available_at", "tie_0", "tie_order", "delay"])
    ['carrier', 'event_time', 'available_at', 'tie_0', 'tie_order']
    """
    return [*keys, EVENT_TIME, AVAILABLE_AT, *tie_columns(columns), TIE_ORDER]


def tie_columns(columns: Collection[str]) -> list[str]:
    """Return the tiebreak columns among the columns of a table, in order.

    >>> tie_columns(["tie_order", "tie_1", "tie_0"])
    ['tie_0', 'tie_1']
    """
    return list(takewhile(columns.__contains__, (TIE.format(i) for i in count())))


def is_ordered(rows: pl.DataFrame, order: Sequence[str]) -> bool:
    """Return whether each row is at or after the row before it; a null comes last and equals a null."""
    after = pl.lit(value=True)
    for name in reversed(order):
        column, before = pl.col(name), pl.col(name).shift(1)
        if rows[name].null_count():
            later = (column > before).fill_null(column.is_null() & before.is_not_null())
            after = later | (column.eq_missing(before) & after)
        else:
            after = (column > before) | ((column == before) & after)
    return rows.select(after.slice(1).all()).item() is True


def sort_rows(rows: pl.DataFrame, order: Sequence[str]) -> pl.DataFrame:
    """Return the rows in order; rows that are equal in all of its columns stay as they lie."""
    return rows.sort(order, nulls_last=True, maintain_order=True)
