"""Questions about the order of values in ranges, however long, answered a bit of the values at a time.

The values of a sequence are laid out by their highest bit, those with a 0 before those with a 1 and else in their
order, then by the next bit, and so on (a wavelet matrix: Claude, Navarro, Ordonez, 2015). A range stays a range on the
way down to either side, so every question costs a few look-ups a bit. All questions take the steps together: only the
level at hand is kept, so the memory is that of a few columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurectl.pit.arrays import Bools, Ints, running_total
from featurectl.pit.lanes import LaneRanges

MANY_ROWS = 100_000  # fewer are looked at one by one


@dataclass(slots=True)
class BitRanges:
    """Values from 0 on, and for each question a range [lo, hi) of them."""

    values: Ints
    lo: Ints
    hi: Ints

    def split(self, bit: int) -> _Split:
        """Return how the values part by a bit, and each range with them."""
        zero = (self.values >> bit) & 1 == 0
        before = running_total(zero)
        return _Split(zero=zero, lo=before[self.lo], hi=before[self.hi])

    def descend(self, split: _Split, ones: Bools) -> None:
        """Go down to the values with a 1 where `ones`, to those with a 0 elsewhere."""
        zeros = int(np.count_nonzero(split.zero))
        self.lo = np.where(ones, zeros + self.lo - split.lo, split.lo)
        self.hi = np.where(ones, zeros + self.hi - split.hi, split.hi)
        self.values = np.concatenate([self.values[split.zero], self.values[~split.zero]])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Which values have a 0, and how many of these lie before each end of the ranges."""

    zero: Bools
    lo: Ints
    hi: Ints


def bits_of(most: int) -> int:
    """Return how many bits numbers from 0 to `most` have."""
    return max(int(most).bit_length(), 1)


def worth_levels(parts: Sequence[LaneRanges], bits: int) -> bool:
    """Return whether ranges hold so many rows that it takes longer to look at each of them than at every level."""
    rows = sum(int((part.hi - part.lo).sum()) for part in parts)
    every = sum(len(part.lane) + len(part.lo) for part in parts)
    return rows > MANY_ROWS and rows > bits * every


def select(runs: Sequence[BitRanges], place: Ints, bits: int) -> Ints:
    """Return for each question the value at a place (from 0) of all its ranges' values in ascending order.

    The runs are used up. Where a question has no such place the answer is some number.
    """
    place, found = place.copy(), np.zeros(len(place), np.int64)
    for bit in reversed(range(bits)):
        splits = [run.split(bit) for run in runs]
        zeros = np.zeros(len(place), np.int64)
        for split in splits:
            zeros += split.hi - split.lo
        ones = place >= zeros
        place -= np.where(ones, zeros, 0)
        found |= ones.astype(np.int64) << bit
        for run, split in zip(runs, splits, strict=True):
            run.descend(split, ones)
    return found


def count_below(run: BitRanges, bound: Ints, bits: int) -> Ints:
    """Return for each question how many values of its range are below its bound, from 0 on; the run is used up."""
    found = np.zeros(len(bound), np.int64)
    for bit in reversed(range(bits)):
        split, ones = run.split(bit), (bound >> bit) & 1 == 1
        found += np.where(ones, split.hi - split.lo, 0)
        run.descend(split, ones)
    return found
