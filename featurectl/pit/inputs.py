"""The columns of a table as the folds need them: numpy arrays with one number a row, made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import polars as pl

from featurectl.pit.arrays import Bools, Floats, Ints, Numbers
from featurectl.pit.fold import State
from featurectl.pit.keys import MOST

_LIMB_BITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """A column as the ranks of its values, from 0; `distinct` holds the values in ascending order, NaN last."""

    rank: Ints  # 0 where the column is null
    distinct: pl.Series


class Inputs:
    """The columns of one table. A null is some number here: `valid` says which rows to leave out first."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self.valid = cache(self._valid)
        self.numbers = cache(self._numbers)
        self.limbs = cache(self._limbs)
        self.ranks = cache(self._ranks)

    def column(self, name: str) -> pl.Series:
        """Return the column as it is in the table."""
        return self._frame[name]

    def _valid(self, name: str) -> Bools | None:
        """Return which rows are not null, or None when all are."""
        column = self._frame[name]
        return column.is_not_null().to_numpy() if column.null_count() else None

    def _numbers(self, name: str) -> Numbers:
        """Return a number, boolean, timestamp or date as int64 or float64 (decimals: float64)."""
        column = self._frame[name]
        if column.dtype.is_decimal() or column.dtype.is_float():
            return column.cast(pl.Float64).fill_null(0.0).to_numpy()
        return column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()

    def _limbs(self, name: str) -> State:
        """Return integers (decimals: their unscaled integers) as arrays whose sums can't wrap.

        One array when even the sum of all rows stays within 64 bits, else limbs of 32 bits from the lowest: the
        number is the sum of limb i * 2**(32 i), and only the highest limb is signed.
        """
        column = self._frame[name].to_physical()
        whole = column.cast(pl.Int128).fill_null(0)
        largest = max((abs(end) for end in (whole.min(), whole.max()) if isinstance(end, int)), default=0)
        if largest * len(whole) <= MOST:
            return (whole.cast(pl.Int64).to_numpy(),)
        return tuple(limb.to_numpy() for limb in _split(whole, 2 if largest <= MOST + 1 else 4))

    def _ranks(self, name: str) -> Ranks:
        column = self._frame[name]
        rank = column.rank("dense").cast(pl.Int64).fill_null(1).to_numpy() - 1
        return Ranks(rank=rank, distinct=column.drop_nulls().unique().sort())


def _split(whole: pl.Series, count: int) -> list[pl.Series]:
    base = pl.Series([2**_LIMB_BITS], dtype=pl.Int128)
    limbs = []
    for _ in range(count - 1):
        above = whole // base
        limbs.append((whole - above * base).cast(pl.Int64))
        whole = above
    return [*limbs, whole.cast(pl.Int64)]


def join_limbs(limbs: State) -> pl.Series:
    """Return the numbers that limbs stand for, as Int128; right when they fit in it."""
    base = pl.Series([2**_LIMB_BITS], dtype=pl.Int128)
    whole = pl.Series(limbs[-1]).cast(pl.Int128)
    for limb in reversed(limbs[:-1]):
        whole = whole * base + pl.Series(limb).cast(pl.Int128)
    return whole


def approximate_limbs(limbs: State) -> Floats:
    """Return the numbers that limbs stand for, as float64."""
    whole = np.zeros(len(limbs[0]))
    for i, limb in enumerate(limbs):
        whole += limb * 2.0 ** (_LIMB_BITS * i)
    return whole
