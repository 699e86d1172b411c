"""first, last, first_n, last_n: rows picked by their place in the total order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from featurectl.pit.aggregates.base import column_of, number_of
from featurectl.pit.aggregates.lists import lists_of
from featurectl.pit.arrays import Ints
from featurectl.pit.columns import pick
from featurectl.pit.gather import gather
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import WindowQuestion


class Pick:
    """The value of the first or the last row that has one."""

    def __init__(self, *, last: bool) -> None:
        self._pick = last_row if last else first_row

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return the type of the column, null where there is no value."""
        column = column_of(question)
        row = numbered(self._pick([part.only(column) for part in parts]))
        return pick(parts[0].lane.inputs.column(column), row)


class PickMany:
    """The values of the first or the last n rows that have one, in ascending order of time."""

    def __init__(self, *, last: bool) -> None:
        self._last = last

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return a list of the column's type, at most n long, empty where there is no value."""
        column, n = column_of(question), number_of(question)
        values = parts[0].lane.inputs.column(column)
        valued = [part.only(column) for part in parts]
        ends = [part.last(n) if self._last else part.first(n) for part in valued]
        return pl.concat([self._lists(values, chunk.rows, chunk.sizes, n) for chunk in gather(ends)])

    def _lists(self, values: pl.Series, rows: Ints, sizes: Ints, n: int) -> pl.Series:
        owner = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((rows, owner))
        rank = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        chosen = rank >= np.repeat(sizes, sizes) - n if self._last else rank < n
        return lists_of(values.gather(rows[order][chosen]), np.minimum(sizes, n))


def last_row(parts: Sequence[LaneRanges]) -> Ints:
    """Return the table's row number of the last row for each probe, -1 where there is none."""
    found = np.full(len(parts[0].lo), -1, np.int64)
    for part in parts:
        some = np.flatnonzero(part.hi > part.lo)
        found[some] = np.maximum(found[some], part.lane.table_rows(part.hi[some] - 1))
    return found


def first_row(parts: Sequence[LaneRanges]) -> Ints:
    """Return the table's row number of the first row for each probe, -1 where there is none."""
    found = np.full(len(parts[0].lo), -1, np.int64)
    for part in parts:
        some = np.flatnonzero(part.hi > part.lo)
        rows = part.lane.table_rows(part.lo[some])
        found[some] = np.where(found[some] < 0, rows, np.minimum(found[some], rows))
    return found


def numbered(rows: Ints) -> pl.Series:
    """Return row numbers as a column that is null where they are -1."""
    numbers = pl.Series("row", rows)
    return numbers.to_frame().select(pl.when(pl.col("row") >= 0).then(pl.col("row")))["row"]
