"""How many values lie between edges, and their sums: by cells of a grid, and by comparison where an edge is near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from featurectl.models.profile.edges import Counts, Floats
from featurectl.models.profile.grid import CELLS, Cells, Grid, equal_cells, growing_cells

Places = npt.NDArray[np.intp]
_FEW: Final = 1 << 12  # values that are searched among the edges: a grid would cost more
_SMALL: Final = 1 << 15
_NEAR: Final = 2  # edges in a cell, each of which is compared with; among more of them is searched
_ENDS: Final = (  # between which edges a grid may lie, as shares of all of them
    (0.0, 1.0), (0.01, 0.99), (0.05, 0.95), (0.1, 0.9), (0.25, 0.75), (0.4, 0.6),
    (0.0, 0.9), (0.0, 0.75), (0.0, 0.5), (0.0, 0.35), (0.0, 0.2), (0.1, 1.0), (0.25, 1.0), (0.5, 1.0), (0.8, 1.0),
)  # fmt: skip
_Way = Literal["plain", "aided", "every"]
_PARTS: Final = 8  # places in a bin by which a grid is judged
_NEAR_COST, _HARD_COST, _EVERY_COST, _SINGLES_COST, _GOOD = 25.0, 70.0, 6.0, 3.0, 1.0  # nanoseconds, about


@dataclass(frozen=True, slots=True)
class BinTotals:
    """How many values are in each bin, and the sums there of how far they are from a centre."""

    counts: Counts
    sums: Floats


class Bins:
    """Bins by their edges, ascending: bin 0 is all up to the first edge, the last one all above the last edge.

    `counts` are how many values the bins will hold, more or less: a grid is chosen by them.
    """

    def __init__(self, edges: Floats, centre: float, counts: Counts | None = None) -> None:
        self.edges, self.centre = edges, centre
        self.count = len(edges) + 1
        self._counts = np.ones(self.count, dtype=np.int64) if counts is None else counts
        self._table: _Table | None = None

    def tally(self, values: Floats, away: Floats, spare: Floats) -> BinTotals:
        """Return what is in each bin of finite values, `away` from the centre; `spare` is as long, and overwritten."""
        if len(values) < _FEW or not len(self.edges):
            return _summed(self.edges.searchsorted(values), away, self.count)
        if self._table is None:
            self._table = _choose_table(self, self._counts)
        return self._table.tally(values, away, spare)


def _summed(places: Places, away: Floats, count: int) -> BinTotals:
    sums = np.bincount(places, away, minlength=count).astype(np.float64, copy=False)  # of no values they are integers
    return BinTotals(np.bincount(places, minlength=count), sums)


class _Table:
    """A grid over edges: the cell of a value tells how many edges are in lower cells.

    Where no edge is in the cell, that is its bin: so cells are counted, not values. Values of the others are compared
    with the edges there, and searched among them where they are many; but for one single value of each cell, where
    many are such: what is left of the cell's count is of that. Where most values are near edges every one is compared.
    """

    def __init__(self, edges: Floats, grid: Grid, way: _Way, singles: _Singles | None) -> None:
        self._edges, self._grid = edges, grid
        self._padded = np.append(edges, [np.inf] * _NEAR)
        inside = _edges_inside(edges, grid)
        self._below = (np.cumsum(inside) - inside).astype(np.int32)
        self._has_edge, self._is_hard = inside > 0, inside > _NEAR
        self._edge_cells = np.flatnonzero(inside)
        self._starts = np.flatnonzero(np.diff(self._below, prepend=-1))
        self._locates_every, self._singles = way == "every", singles

    def tally(self, values: Floats, away: Floats, spare: Floats) -> BinTotals:
        """Return what is in each bin."""
        cells = self._grid.cells(values, spare)
        if self._locates_every:
            for start in range(0, len(cells), _SMALL):  # so that no memory is given back and taken anew
                part = slice(start, start + _SMALL)
                cells[part] = self._locate(values[part], cells[part])
            return _summed(cells, away, len(self._edges) + 1)
        near = self._has_edge.take(cells, mode="clip")
        if self._singles is not None:
            near &= self._singles.others(values, cells)
        at = np.flatnonzero(near)
        inside = cells[at]
        met, found = (
            _summed(cells, away, CELLS),
            _summed(self._locate(values[at], inside), away[at], len(self._edges) + 1),
        )
        if self._singles is not None:
            self._singles.add_to(found, met.counts - np.bincount(inside, minlength=CELLS))
        for into, of in ((found.counts, met.counts), (found.sums, met.sums)):
            of[self._edge_cells] = 0
            into[self._below[self._starts]] += np.add.reduceat(of, self._starts)
        return found

    def _locate(self, values: Floats, cells: Cells) -> Places:
        places = self._below.take(cells).astype(np.intp)
        for _ in range(_NEAR):
            places += values > self._padded.take(places)
        hard = np.flatnonzero(self._is_hard.take(cells))
        places[hard] = self._edges.searchsorted(values[hard])
        return places


class _Singles:
    """Of each cell of a grid the value with a bin of its own that is met most, NaN where there is none."""

    def __init__(self, bins: Bins, grid: Grid, spread: _Spread) -> None:
        top, self._cells = spread.top_singles(grid)
        values = spread.places[top]
        self._bins = bins.edges.searchsorted(values)
        self._away = values - bins.centre
        self._of_cells = np.full(CELLS, np.nan)
        self._of_cells[self._cells] = values

    def others(self, values: Floats, cells: Cells) -> npt.NDArray[np.bool_]:
        """Return which values are not that of their cell."""
        are_others: npt.NDArray[np.bool_] = values != self._of_cells.take(cells, mode="clip")
        return are_others

    def add_to(self, found: BinTotals, counts: Counts) -> None:
        """Add values by how often those of the cells are met."""
        met = counts[self._cells]
        found.counts[self._bins] += met
        found.sums[self._bins] += np.where(met, met * self._away, 0.0)


class _Spread:
    """Places of values, and the share at each: evenly within bins; those of single values at the end."""

    def __init__(self, edges: Floats, counts: Counts) -> None:
        low, high, inside = edges[:-1], edges[1:], counts[1:-1] / max(counts[1:-1].sum(), 1)
        alone = np.flatnonzero(high == np.nextafter(low, np.inf))
        alone, wide = alone[np.argsort(inside[alone], kind="stable")], np.delete(np.arange(len(high)), alone)
        with np.errstate(over="ignore", invalid="ignore"):
            parts = np.outer((np.arange(_PARTS) + 0.5) / _PARTS, high[wide] - low[wide]) + low[wide]
        parts = np.where(np.isfinite(parts), parts, high[wide])
        self.places = np.concatenate([parts.ravel(), high[alone]])
        self._shares = np.concatenate([np.tile(inside[wide] / _PARTS, _PARTS), inside[alone]])
        self._singles = np.arange(len(self.places) - len(alone), len(self.places))

    def top_singles(self, grid: Grid) -> tuple[Places, Cells]:
        """Return which places are the most frequent single value of their cell, and these cells."""
        own = self.places[self._singles][::-1]
        cells, first = np.unique(grid.cells(own, np.empty(len(own))), return_index=True)
        return self._singles[::-1][first], cells

    def judge(self, edges: Floats, grid: Grid) -> tuple[float, _Way]:
        """Return about what a value costs in a grid beside what it costs in any, and how it is best tallied."""
        near = _edges_inside(edges, grid).take(grid.cells(self.places, np.empty(len(self.places))))
        costs = self._shares * np.where(near > _NEAR, _HARD_COST, (near > 0) * _NEAR_COST)
        every = float(self._shares[near > _NEAR].sum()) * _HARD_COST + _EVERY_COST
        aided = float(costs.sum() - costs[self.top_singles(grid)[0]].sum()) + _SINGLES_COST
        ways: list[tuple[float, _Way]] = [(float(costs.sum()), "plain"), (aided, "aided"), (every, "every")]
        return min(ways)


def _edges_inside(edges: Floats, grid: Grid) -> Counts:
    """Return how many edges are in each cell."""
    return np.bincount(grid.cells(edges, np.empty(len(edges))), minlength=CELLS)


def _choose_table(bins: Bins, counts: Counts) -> _Table:
    """Return a table that is quick for values that are spread like the counts."""
    spread, best = _Spread(bins.edges, counts), None
    for grid in _grids(bins.edges):
        cost, way = spread.judge(bins.edges, grid)
        if best is None or cost < best[0]:
            best = cost, way, grid
        if cost < _GOOD:
            break
    assert best is not None
    _, way, grid = best
    return _Table(bins.edges, grid, way, _Singles(bins, grid, spread) if way == "aided" else None)


def _grids(edges: Floats) -> Iterator[Grid]:
    for part, to in _ENDS:
        low, high = (float(edges[round(end * (len(edges) - 1))]) for end in (part, to))
        yield equal_cells(low, high)
        if 0 < low < high:
            yield growing_cells(low, high)
