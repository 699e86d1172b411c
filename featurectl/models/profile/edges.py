"""Edges for bins of a column of numbers: quantiles of a sample, places between far values, and single values."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

FINE: Final = 256  # quantiles; no bin but that of a single value holds much more than this part of the rows
SAMPLE: Final = 100_000  # values that edges are chosen from


def choose_edges(values: Floats) -> Floats:
    """Return edges for bins of finite values: about FINE quantiles, and as many more where values lie far apart.

    A bin reaches from above an edge to the next edge, that included; the first edge is right below the least value
    (unless there is no float below), the last one is the greatest. A value that many rows share has a bin of its own;
    so has each value where there are no more than FINE of them.

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


def _far_apart(shared: Floats, counts: Counts) -> Floats:
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
