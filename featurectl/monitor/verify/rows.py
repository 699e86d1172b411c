"""Other rows than the table's own: what a pipeline with a fault would have seen. Each changes the rows of a bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from featurectl.monitor.verify.served_rows import RowChange
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER

_ROW: Final = "\x00row"
_LATE: Final = "\x00late"


def without_overtaken(keys: Sequence[str]) -> RowChange:
    """Leave out rows that became available when a later event of their entity was known already."""

    def change(rows: pl.DataFrame, _: int) -> pl.DataFrame:
        newest = pl.col(EVENT_TIME).cum_max()
        late = pl.col(EVENT_TIME) < (newest.over(keys) if keys else newest)
        order = rows.select(*keys, EVENT_TIME, AVAILABLE_AT).with_row_index(_ROW)
        marked = order.sort(*keys, AVAILABLE_AT, EVENT_TIME).with_columns(late.alias(_LATE)).sort(_ROW)
        return rows.filter(~marked[_LATE])

    return change


def without_later_than(delay_us: int) -> RowChange:
    """Leave out rows that became available more than so long after their event."""

    def change(rows: pl.DataFrame, _: int) -> pl.DataFrame:
        return rows.filter(pl.col(AVAILABLE_AT).to_physical() - pl.col(EVENT_TIME).to_physical() <= delay_us)

    return change


def known_at_once(rows: pl.DataFrame, _: int) -> pl.DataFrame:
    """Let every row be known from its event time on."""
    return rows.with_columns(pl.col(EVENT_TIME).alias(AVAILABLE_AT))


def without_winners(keys: Sequence[str]) -> RowChange:
    """Leave out the row that wins where several of an entity have one event time."""

    def change(rows: pl.DataFrame, _: int) -> pl.DataFrame:
        same = [pl.col(name) for name in (*keys, EVENT_TIME)]
        as_before = pl.all_horizontal(column == column.shift(1) for column in same).fill_null(value=False)
        as_behind = pl.all_horizontal(column == column.shift(-1) for column in same).fill_null(value=False)
        return rows.filter(~(as_before & ~as_behind))

    return change


def ties_reversed(keys: Sequence[str]) -> RowChange:
    """Turn round the order of rows that are distinguished by nothing but their ties."""

    def change(rows: pl.DataFrame, _: int) -> pl.DataFrame:
        ties = [name for name in rows.columns if name.startswith("tie_")]
        turned = pl.int_range(pl.len(), 0, -1).cast(rows.schema[TIE_ORDER]).alias(TIE_ORDER)
        again = rows.with_columns(turned).drop(name for name in ties if name != TIE_ORDER)
        return again.sort(*keys, EVENT_TIME, AVAILABLE_AT, TIE_ORDER)

    return change
