"""Fold ranges of rows by an associative operation, whatever their length, without subtracting prefixes.

A short range is folded row by row. A long one takes the whole tiles of 64 rows inside it, folded once for all
questions and again tiled, and the two ragged ends. Tiles start at their entity's first row: the order of
additions, and so every bit of a float sum, depends on that entity's rows and the range alone.

Cost of a question: O(64 log64 n).
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from featurectl.pit.arrays import CHUNK_ROWS, Floats, Ints, Numbers, batches, running_total, unroll
from featurectl.pit.keys import Groups

TILE_ROWS = 64
SHORT_ROWS = 2 * TILE_ROWS  # a longer range holds at least one whole tile

FoldState = tuple[Numbers, ...]  # one element of each array is one folded thing: a row, a tile, a range


class Fold(Protocol):
    """An associative operation on states."""

    def reduce(self, state: FoldState, lo: Ints, hi: Ints) -> FoldState:
        """Return the fold of each range, none of them empty; the arrays hold one element more than the ranges."""

    def merge(self, left: FoldState, right: FoldState) -> FoldState:
        """Return the fold of each pair."""


class UfuncFold:
    """A numpy ufunc (add, minimum, maximum) on each array of the state."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc

    def reduce(self, state: FoldState, lo: Ints, hi: Ints) -> FoldState:
        """Return the fold of each range by `reduceat`; what lies between two ranges is folded and dropped."""
        edges = np.empty(2 * len(lo), np.int64)
        edges[0::2], edges[1::2] = lo, hi
        return tuple(self._ufunc.reduceat(values, edges)[0::2] for values in state)

    def merge(self, left: FoldState, right: FoldState) -> FoldState:
        """Return the ufunc of each pair."""
        return tuple(self._ufunc(a, b) for a, b in zip(left, right, strict=True))


class MomentsFold:
    """(count, mean, sum of squared distances from the mean): variance that does not cancel.

    Source: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979).
    """

    def __init__(self) -> None:
        self._add = UfuncFold(np.add)

    def reduce(self, state: FoldState, lo: Ints, hi: Ints) -> FoldState:
        """Return the moments of each range in two passes: its mean, then the distances from it."""
        if len(lo) == 0:
            return tuple(values[:0] for values in state)
        parts = [self._reduce(state, lo[a:b], hi[a:b]) for a, b in batches(hi - lo, CHUNK_ROWS)]
        return tuple(np.concatenate([part[i] for part in parts]) for i in range(3))

    def _reduce(self, state: FoldState, lo: Ints, hi: Ints) -> FoldState:
        count, mean, spread = state
        total_count, total_spread = self._add.reduce((count, spread), lo, hi)
        positions, owner = unroll(lo, hi)
        weight, center = count[positions], mean[positions]
        first = running_total(hi - lo)[:-1]
        middle: Floats = np.add.reduceat(weight * center, first) / total_count
        apart = center - middle[owner]
        return total_count, middle, total_spread + np.add.reduceat(weight * apart * apart, first)

    def merge(self, left: FoldState, right: FoldState) -> FoldState:
        """Return the moments of each pair."""
        (count_a, mean_a, spread_a), (count_b, mean_b, spread_b) = left, right
        count: Floats = np.add(count_a, count_b, dtype=np.float64)
        apart: Floats = np.subtract(mean_b, mean_a, dtype=np.float64)
        share: Floats = np.divide(count_b, count)
        mean: Floats = mean_a + apart * share
        spread: Floats = spread_a + spread_b + apart * apart * count_a * share
        return count, mean, spread


class Pyramid:
    """Rows, their tiles, the tiles' tiles and so on, each made when first needed."""

    def __init__(self, fold: Fold, state: FoldState, groups: Groups) -> None:
        self._fold = fold
        self._state = tuple(np.append(values, values[:1]) for values in state)
        self._groups = groups

    def answer(self, lo: Ints, hi: Ints, group: Ints) -> FoldState:
        """Return the fold of each range [lo, hi), which is not empty and lies inside `group`."""
        long = hi - lo > SHORT_ROWS
        if not long.any():
            return self._fold.reduce(self._state, lo, hi)
        found = tuple(np.empty(len(lo), values.dtype) for values in self._state)
        if not long.all():
            _put(found, ~long, self._fold.reduce(self._state, lo[~long], hi[~long]))
        _put(found, long, self._climb(lo[long], hi[long], group[long]))
        return found

    def _climb(self, lo: Ints, hi: Ints, group: Ints) -> FoldState:
        start, tile = self._groups.starts[group], self._tiles.starts[group]
        first, last = -((start - lo) // TILE_ROWS), (hi - start) // TILE_ROWS
        found = tuple(values.copy() for values in self._above.answer(tile + first, tile + last, group))
        body, end = start + first * TILE_ROWS, start + last * TILE_ROWS
        head = lo < body
        if head.any():
            ends = self._fold.reduce(self._state, lo[head], body[head])
            _put(found, head, self._fold.merge(ends, tuple(values[head] for values in found)))
        tail = end < hi
        if tail.any():
            ends = self._fold.reduce(self._state, end[tail], hi[tail])
            _put(found, tail, self._fold.merge(tuple(values[tail] for values in found), ends))
        return found

    @cached_property
    def _tiles(self) -> Groups:
        offsets = running_total((self._groups.ends - self._groups.starts) // TILE_ROWS)
        return Groups(starts=offsets[:-1], ends=offsets[1:])

    @cached_property
    def _above(self) -> Pyramid:
        tiles = self._tiles
        number = np.arange(len(tiles.owner)) - tiles.starts[tiles.owner]
        first = self._groups.starts[tiles.owner] + number * TILE_ROWS
        return Pyramid(self._fold, self._fold.reduce(self._state, first, first + TILE_ROWS), tiles)


def _put(found: FoldState, where: np.typing.NDArray[np.bool_], values: FoldState) -> None:
    for into, part in zip(found, values, strict=True):
        into[where] = part
