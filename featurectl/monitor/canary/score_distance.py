"""How far the scores of two groups of entities are apart."""

from __future__ import annotations

import itertools
import math
import sys
from typing import Final

import polars as pl

from featurectl.monitor.significance import population_stability

_DECILES: Final = [i / 10 for i in range(11)]
_ROUNDING: Final = 1e-9  # relative: as much may the same score differ


def score_psi(champion: pl.Series, challenger: pl.Series) -> tuple[float, float]:
    """Return the population stability index of scores against the champion's, and what chance alone adds to it.

    Bins are bounded by the deciles of the champion's scores. What lies around a decile, up to a twentieth of the way to
    the next one, has a bin of its own: so scores of few values are distinguished, and a value that many entities share
    may differ a little. Below the least and above the greatest there is a bin each.
    """
    bounds = _bounds(champion)
    counts = [_binned(scores, bounds) for scores in (champion, challenger)]
    met = sorted(counts[0].keys() | counts[1].keys())
    expected, found = ([some.get(place, 0) for place in met] for some in counts)
    return population_stability(expected, found)


def _bounds(champion: pl.Series) -> pl.Series:
    """Return the bounds of the bins, ascending: one below and one above each decile."""
    deciles: list[float] = sorted({champion.quantile(q, "nearest") or 0.0 for q in _DECILES})
    gaps = [math.inf, *(after - before for before, after in itertools.pairwise(deciles)), math.inf]
    bounds = []
    for decile, gap in zip(deciles, map(min, gaps, gaps[1:]), strict=True):
        near = max(gap / 20 if math.isfinite(gap) else 0.0, abs(decile) * _ROUNDING, sys.float_info.min)
        bounds += [decile - near, decile + near]
    return pl.Series(sorted(bounds), dtype=pl.Float64)


def _binned(scores: pl.Series, bounds: pl.Series) -> dict[int, int]:
    """Return how many scores lie in each bin, by how many bounds are below."""
    found = bounds.search_sorted(scores, "left").value_counts(name="count")
    return dict(zip(found.to_series(0).to_list(), found["count"].to_list(), strict=True))
