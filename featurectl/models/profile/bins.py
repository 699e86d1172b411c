"""Bins of a column of numbers: edges chosen from a sample, and the bin of each value, found by a table."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

FINE: Final = 256  # quantiles; no bin but that of a single value holds much more than this part of the rows
SAMPLE: Final = 100_000  # values that edges are chosen from
_CELLS: Final = 1 << 15
_EASY: Final = 2  # edges in a cell, each of which is compared with
_FEW: Final = 50  # where fewer edges than one of so many share a cell, these are searched, and one is compared with
_ENDS: Final = (  # between which edges a grid may lie, as shares of all of them
    (0.0, 1.0), (0.01, 0.99), (0.05, 0.95), (0.1, 0.9), (0.25, 0.75), (0.4, 0.6),
    (0.0, 0.9), (0.0, 0.75), (0.0, 0.5), (0.0, 0.35), (0.0, 0.2), (0.1, 1.0), (0.25, 1.0), (0.5, 1.0), (0.8, 1.0),
)  # fmt: skip


def choose_edges(values: Floats) -> Floats:
    """Return edges for bins of finite values: about FINE quantiles, and as many more where values lie far apart.

    A bin reaches from above an edge to the next edge, that included; the first edge is right below the least value, the
    last one is the greatest. A value that many rows share has a bin of its own; so has each value where there are no
    more than FINE of them.

    >>> len(choose_edges(np.array([2.0, 2.0]))), choose_edges(np.array([2.0, 2.0])).round(9).tolist()
    (2, [2.0, 2.0])
    """
    if not len(values):
        return np.empty(0)
    least, greatest = values.min(), values.max()
    ordered = np.sort(np.append(_sample(values), [least, greatest]))
    shared, counts = np.unique(ordered, return_counts=True)
    if len(shared) <= FINE:
        alone, quantiles = shared, shared[:0]
    else:
        alone = shared[counts * 2 * FINE >= len(ordered)]
        quantiles = ordered[np.linspace(0, len(ordered) - 1, FINE + 1).round().astype(np.int64)[1:]]
    with np.errstate(over="ignore"):
        lower = np.nextafter(np.append(alone, least), -math.inf)
    edges: Floats = np.unique(
        np.concatenate([quantiles, alone, [greatest], _far_apart(shared, counts), lower[np.isfinite(lower)]])
    )
    return edges


def _far_apart(shared: Floats, counts: npt.NDArray[np.int64]) -> Floats:
    """Return places between values, such that no bin is much of a Wasserstein distance.

    The distance of two samples is the sum of gaps between values, each times how far the shares below it differ, which
    for a share of p is in proportion to the root of p(1 - p). The places cut that sum into FINE equal parts.
    """
    below = np.cumsum(counts)[:-1] / counts.sum()
    with np.errstate(over="ignore"):
        parts = np.diff(shared) * np.sqrt(below * (1 - below))
    total = np.concatenate([[0.0], np.cumsum(parts)])
    if not 0 < total[-1] < math.inf:
        return np.empty(0)
    places: Floats = np.interp(np.linspace(0, total[-1], FINE + 1)[1:-1], total, shared)
    return places


def _sample(values: Floats) -> Floats:
    if len(values) <= SAMPLE:
        return values
    drawn: Floats = values[np.random.default_rng(0).integers(0, len(values), SAMPLE)]
    return drawn


class Bins:
    """Bins by their edges, ascending: bin 0 is all up to the first edge, the last one all above the last edge.

    A grid of equal cells lies over the edges. The cell of a value tells how many edges are below the cell; those inside
    of it are compared with, and in a cell of many edges they are searched. The grid lies where that is rare; `counts`
    are how many values the bins will hold, more or less.
    """

    def __init__(self, edges: Floats, counts: Places | None = None) -> None:
        self.edges = edges
        self.count = len(edges) + 1
        self._padded = np.append(edges, [math.inf] * _EASY)
        self._low, self._scale = 0.0, 0.0
        weights = np.ones(len(edges)) if counts is None else counts[:-1].astype(np.float64)
        if len(edges):
            grids = [_grid(edges, low, high) for low, high in _ENDS]
            self._low, self._scale = min(grids, key=lambda grid: self._shared(grid, weights))
        inside = np.bincount(self._cells(edges), minlength=_CELLS)
        self._below = (np.cumsum(inside) - inside).astype(np.int32)
        is_easy = self._shared((self._low, self._scale), weights, 1) * _FEW <= weights.sum()
        self._steps = 1 if is_easy else _EASY
        self._hard = inside > self._steps
        self._has_hard = bool(self._hard.any())

    def locate(self, values: Floats) -> Places:
        """Return the bin of each value; none is NaN."""
        cells = self._cells(values)
        found = self._below.take(cells)
        for _ in range(self._steps):
            found += values > self._padded.take(found)
        places: Places = found.astype(np.int64)
        if self._has_hard:
            hard = np.flatnonzero(self._hard.take(cells))
            places[hard] = self.edges.searchsorted(values[hard])
        return places

    def _cells(self, values: Floats) -> npt.NDArray[np.int32]:
        """Return the cell of each value; no smaller value has a higher one, so an edge of a lower cell is below."""
        with np.errstate(over="ignore", invalid="ignore"):
            at = values - self._low
            at *= self._scale
            np.fmin(np.fmax(at, 0.0, out=at), _CELLS - 1, out=at)
        return at.astype(np.int32)

    def _shared(self, grid: tuple[float, float], weights: Floats, easy: int = _EASY) -> float:
        """Return how many values lie in bins whose edge shares a cell with more others than are compared with."""
        self._low, self._scale = grid
        cells = self._cells(self.edges)
        crowded = np.bincount(cells, minlength=_CELLS).take(cells) > easy
        return float(weights[crowded].sum())


def _grid(edges: Floats, low: float, high: float) -> tuple[float, float]:
    first, last = (float(edges[round(part * (len(edges) - 1))]) for part in (low, high))
    width = last - first
    scale = _CELLS / width if width > 0 else 0.0
    return (first, scale) if math.isfinite(scale) and math.isfinite(width) else (first, 0.0)
