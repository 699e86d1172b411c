"""min, max, any, all: folds that pick one of the values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from featurectl.pit.aggregates.base import FoldedColumn, blank, column_of
from featurectl.pit.columns import pick
from featurectl.pit.fold import UfuncFold
from featurectl.pit.inputs import InputColumns
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import WindowQuestion


class Extreme:
    """The least or greatest value; of booleans true is greater, so that max is `any` and min is `all`.

    A NaN (where a source keeps them) makes the answer NaN. Strings are ordered by code point.
    """

    def __init__(self, *, greatest: bool) -> None:
        self._kind = "max" if greatest else "min"
        self._fold = UfuncFold(np.maximum if greatest else np.minimum)

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return the type of the column, null where there is no value."""
        column = column_of(question)
        inputs = parts[0].lane.inputs
        dtype = inputs.column(column).dtype
        by_number = (dtype.is_numeric() and not dtype.is_decimal()) or dtype.is_temporal() or dtype == pl.Boolean
        folded = FoldedColumn(
            kind=self._kind,
            fold=self._fold,
            state=(lambda name: (inputs.numbers(name),)) if by_number else (lambda name: (inputs.ranks(name).rank,)),
        )
        (found,), filled = folded.over(column, [part.only(column) for part in parts])
        return blank(found, filled).cast(dtype) if by_number else _valued(inputs, column, blank(found, filled))


def _valued(inputs: InputColumns, column: str, ranks: pl.Series) -> pl.Series:
    return pick(inputs.ranks(column).distinct, ranks)
