"""The columns of a table as the folds need them: numpy arrays with one number a row, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from featurectl.pit.arrays import Bools, Floats, Ints, Numbers
from featurectl.pit.fold import FoldState
from featurectl.pit.hashing import Hashes, hash_rows

_LIMB_BITS: Final = 32
_MOST: Final = 2**63 - 1  # of an int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """A column as the ranks of its values, from 0; `distinct` holds the values in ascending order, NaN last."""

    rank: Ints  # 0 where the column is null
    distinct: pl.Series


class InputColumns:
    """The columns of one table. A null is some number here: `valid` says which rows to leave out first.

    What is made of a column is kept: not by a wrapper of the methods, for that would be a circle of references, and
    the arrays of a bucket are to go with the last question about it.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._valid: dict[str, Bools | None] = {}
        self._numbers: dict[str, Numbers] = {}
        self._limbs: dict[str, FoldState] = {}
        self._ranks: dict[str, Ranks] = {}
        self._hashes: dict[str, Hashes] = {}

    def column(self, name: str) -> pl.Series:
        """Return the column as it is in the table."""
        return self._frame[name]

    def valid(self, name: str) -> Bools | None:
        """Return which rows are not null, or None when all are."""
        if name not in self._valid:
            column = self._frame[name]
            self._valid[name] = column.is_not_null().to_numpy() if column.null_count() else None
        return self._valid[name]

    def numbers(self, name: str) -> Numbers:
        """Return a number, boolean, timestamp or date as int64 or float64 (decimals: float64)."""
        if name not in self._numbers:
            self._numbers[name] = _plain(self._frame[name])
        return self._numbers[name]

    def limbs(self, name: str) -> FoldState:
        """Return integers (decimals: their unscaled integers) as arrays whose sums can't wrap.

        One array when even the sum of all rows stays within 64 bits, else limbs of 32 bits from the lowest: the
        number is the sum of limb i * 2**(32 i), and only the highest limb is signed.
        """
        if name not in self._limbs:
            self._limbs[name] = _whole(self._frame[name].to_physical())
        return self._limbs[name]

    def ranks(self, name: str) -> Ranks:
        """Return the column as ranks."""
        if name not in self._ranks:
            column = self._frame[name]
            rank = column.rank("dense").cast(pl.Int64).fill_null(1).to_numpy() - 1
            self._ranks[name] = Ranks(rank=rank, distinct=column.drop_nulls().unique().sort())
        return self._ranks[name]

    def hashes(self, name: str) -> Hashes:
        """Return a hash of each value of `ranks(name).distinct`; it is the value's in every table."""
        if name not in self._hashes:
            self._hashes[name] = hash_rows(self.ranks(name).distinct.to_frame()).to_numpy().view(np.uint64)
        return self._hashes[name]


def _plain(column: pl.Series) -> Numbers:
    if column.dtype.is_decimal() or column.dtype.is_float():
        return column.cast(pl.Float64).fill_null(0.0).to_numpy()
    return column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()


def _whole(column: pl.Series) -> FoldState:
    whole = column.cast(pl.Int128).fill_null(0)
    largest = max((abs(end) for end in (whole.min(), whole.max()) if isinstance(end, int)), default=0)
    if largest * len(whole) <= _MOST:
        return (whole.cast(pl.Int64).to_numpy(),)
    return tuple(limb.to_numpy() for limb in _split(whole, 2 if largest <= _MOST + 1 else 4))


def _split(whole: pl.Series, count: int) -> list[pl.Series]:
    base = pl.Series([2**_LIMB_BITS], dtype=pl.Int128)
    limbs = []
    for _ in range(count - 1):
        above = whole // base
        limbs.append((whole - above * base).cast(pl.Int64))
        whole = above
    return [*limbs, whole.cast(pl.Int64)]


def join_limbs(limbs: FoldState) -> pl.Series:
    """Return the numbers that limbs stand for, as Int128; right when they fit in it."""
    base = pl.Series([2**_LIMB_BITS], dtype=pl.Int128)
    whole = pl.Series(limbs[-1]).cast(pl.Int128)
    for limb in reversed(limbs[:-1]):
        whole = whole * base + pl.Series(limb).cast(pl.Int128)
    return whole


def approximate_limbs(limbs: FoldState) -> Floats:
    """Return the numbers that limbs stand for, as float64."""
    whole = np.zeros(len(limbs[0]))
    for i, limb in enumerate(limbs):
        whole += limb * 2.0 ** (_LIMB_BITS * i)
    return whole
