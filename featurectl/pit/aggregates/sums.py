"""count, sum, mean, var, stddev: folds by addition."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import plural
from featurectl.pit.aggregates.base import FoldedColumn, blank, column_of, count_rows
from featurectl.pit.arrays import Bools, Floats
from featurectl.pit.fold import FoldState, MomentsFold, UfuncFold
from featurectl.pit.inputs import InputColumns, approximate_limbs, join_limbs
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import WindowQuestion

_DECIMAL_DIGITS: Final = 38
_NEAR_128_BITS: Final = 1.6e38  # below it the sum of limbs is exact in 128 bits


class Count:
    """The number of rows, or of rows with a value in the column; 0 where there is none."""

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Int64."""
        return pl.Series(count_rows([part.only(question.column) for part in parts]))


class Sum:
    """The sum: of integers, booleans and decimals exact or an error, of floats rounded at each addition."""

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Int64, Float64 or Decimal(38, scale); null where there is no value."""
        column = column_of(question)
        inputs = parts[0].lane.inputs
        sums, filled = _add(inputs, column).over(column, [part.only(column) for part in parts])
        dtype = inputs.column(column).dtype
        if dtype.is_float():
            return blank(sums[0], filled)
        if dtype.is_decimal():
            return _exact_decimals(question, sums, filled, _scale(dtype))
        return _exact_integers(question, sums, filled)


class Mean:
    """The arithmetic mean; of integers and decimals it is rounded once."""

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Float64, null where there is no value."""
        column = column_of(question)
        inputs = parts[0].lane.inputs
        valued = [part.only(column) for part in parts]
        sums, filled = _add(inputs, column).over(column, valued)
        dtype = inputs.column(column).dtype
        total = sums[0] if len(sums) == 1 else _rounded(sums)
        mean: Floats = total / np.maximum(count_rows(valued), 1)
        return blank(mean / 10.0 ** _scale(dtype) if dtype.is_decimal() else mean, filled)


class Spread:
    """Variance or standard deviation, of a sample (divided by n - 1: null for one row) or of a population."""

    def __init__(self, *, root: bool, sample: bool) -> None:
        self._root = root
        self._less = int(sample)

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Float64, null where there are too few values."""
        column = column_of(question)
        inputs = parts[0].lane.inputs

        def moments(name: str) -> FoldState:
            mean = inputs.numbers(name).astype(np.float64)
            return np.ones(len(mean)), mean, np.zeros(len(mean))

        folded = FoldedColumn(kind="moments", fold=MomentsFold(), state=moments)
        (count, _, apart), _ = folded.over(column, [part.only(column) for part in parts])
        variance: Floats = apart / np.maximum(count - self._less, 1)
        return blank(np.sqrt(variance) if self._root else variance, count > self._less)


def _add(inputs: InputColumns, column: str) -> FoldedColumn:
    if inputs.column(column).dtype.is_float():
        return FoldedColumn(kind="sum", fold=UfuncFold(np.add), state=lambda name: (inputs.numbers(name),))
    return FoldedColumn(kind="sum", fold=UfuncFold(np.add), state=inputs.limbs)


def _rounded(limbs: FoldState) -> Floats:
    near = approximate_limbs(limbs)  # exact enough where the whole does not fit in 128 bits: nothing cancels there
    whole = join_limbs(limbs).cast(pl.Float64).to_numpy()
    return np.where(np.abs(near) < _NEAR_128_BITS, whole, near)


def _scale(dtype: pl.DataType) -> int:
    assert isinstance(dtype, pl.Decimal)
    return dtype.scale


def _exact_integers(question: WindowQuestion, sums: FoldState, filled: Bools) -> pl.Series:
    if len(sums) == 1:
        return blank(sums[0], filled)
    low, high = (limb.astype(np.int64) for limb in sums)
    carried = high + (low >> 32)
    _reject(question, (carried < -(2**31)) | (carried >= 2**31), "64 bits")
    return blank((carried << 32) + (low & 0xFFFFFFFF), filled)


def _exact_decimals(question: WindowQuestion, sums: FoldState, filled: Bools, scale: int) -> pl.Series:
    whole = join_limbs(sums)
    least, most = (pl.Series([end], dtype=pl.Int128) for end in (1 - 10**_DECIMAL_DIGITS, 10**_DECIMAL_DIGITS - 1))
    outside = ((whole > most) | (whole < least)).to_numpy() | (np.abs(approximate_limbs(sums)) > _NEAR_128_BITS)
    _reject(question, outside, f"{_DECIMAL_DIGITS} digits")
    unit = pl.Series([Decimal(1).scaleb(-scale)], dtype=pl.Decimal(_DECIMAL_DIGITS, scale))
    exact = whole.cast(pl.Decimal(_DECIMAL_DIGITS, 0)) * unit
    return exact.to_frame("value").select(pl.when(pl.Series(filled)).then(pl.col("value")))["value"]


def _reject(question: WindowQuestion, outside: Bools, size: str) -> None:
    if outside.any():
        raise DataError(
            f'the sum of "{question.column}" for feature "{question.name}" is outside {size} '
            f"for {int(outside.sum()):,} of {len(outside):,} {plural(len(outside), 'row')}",
            code="FC507",
            hint=f'cast "{question.column}" to float64 in the source\'s select, or use a shorter window',
        )
