"""Two distributions as bars: of numbers between the ends of most values, of categories by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.models.profile.categories import Categories
from featurectl.models.profile.numbers import NumberCounts
from featurectl.models.profile.profile import Values

BARS: Final = 30
_ENDS: Final = (0.01, 0.99)  # what lies beyond these quantiles of both is in the outer bars
_MOST: Final = 10  # categories; the rest is one bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Bars of two distributions, each the share of its values: `labels` name them, or both ends of numbers."""

    labels: Sequence[str]
    before: Sequence[float]
    after: Sequence[float]


_NOTHING: Final = Drawing(labels=(), before=(), after=())


def draw_columns(before: Values, after: Values) -> Drawing:
    """Return the bars of two columns that were counted alike; none where neither has values."""
    if isinstance(before, NumberCounts):
        assert isinstance(after, NumberCounts)
        return _of_numbers(before, after)
    assert not isinstance(after, NumberCounts)
    return _of_categories(before, after)


def _of_numbers(before: NumberCounts, after: NumberCounts) -> Drawing:
    met = [item for item in (before, after) if item.known and len(item.edges)]
    if not met:
        return _NOTHING
    low = min(_quantile(item, _ENDS[0]) for item in met)
    high = max(_quantile(item, _ENDS[1]) for item in met)
    if high - low == math.inf:  # further than a float tells
        return _NOTHING
    bounds = np.linspace(low, high, BARS + 1)[1:-1] if high > low else np.empty(0)
    return Drawing(labels=(f"{low:.4g}", f"{high:.4g}"), before=_shares(before, bounds), after=_shares(after, bounds))


def _shares(of: NumberCounts, bounds: npt.NDArray[np.float64]) -> list[float]:
    """Return the share of values in each bar; within a bin they are taken to lie evenly."""
    if not of.known or not len(of.edges):
        return [0.0] * (len(bounds) + 1)
    edges, below = _line(of)
    at = np.interp(bounds, edges, below)
    shares: list[float] = np.diff(np.concatenate([[0.0], at, [1.0]])).tolist()
    return shares


def _quantile(of: NumberCounts, share: float) -> float:
    edges, below = _line(of)
    return float(edges[min(int(np.searchsorted(below, share)), len(edges) - 1)])


def _line(of: NumberCounts) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return points of the cumulative distribution, from the least finite value to the greatest."""
    below = np.cumsum(of.counts) / of.known
    low, high = min(of.least, float(of.edges[0])), max(of.greatest, float(of.edges[-1]))
    return np.concatenate([[low], of.edges, [high]]), np.concatenate([[0.0], below])


def _of_categories(before: Categories, after: Categories) -> Drawing:
    def share(of: Categories, value: str) -> float:
        return of.counts.get(value, 0) / of.known if of.known else 0.0

    ranked = sorted(before.counts, key=lambda value: -max(share(before, value), share(after, value)))
    shown = ranked[:_MOST]
    sides = [[share(item, value) for value in shown] for item in (before, after)]
    rest = [max(1 - sum(side), 0.0) if item.known else 0.0 for side, item in zip(sides, (before, after), strict=True)]
    return Drawing(labels=(*shown, "others"), before=(*sides[0], rest[0]), after=(*sides[1], rest[1]))
