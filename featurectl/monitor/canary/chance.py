"""What may be chance: shares of requests, and distances between scores of two groups of entities."""

from __future__ import annotations

import itertools
import math
import sys
from typing import Final

import polars as pl

DOUBT: Final = 1e-4  # a share is beyond its limit when chance would give as much less often than this
_DECILES: Final = [i / 10 for i in range(11)]
_SIGMAS: Final = 4.5
_ROUNDING: Final = 1e-9  # relative: as much may the same score differ


def is_beyond(count: int, of: int, share: float) -> bool:
    """Return whether a count is so high that a share of at most `share` hardly gives it: binomial, beyond 1e-4.

    >>> is_beyond(3, 100, 0.01), is_beyond(12, 100, 0.01), is_beyond(1, 100, 0.0)
    (False, True, True)
    """
    if count <= of * share or share >= 1:
        return False
    return share <= 0 or _tail(count, of, share) < DOUBT


def _tail(count: int, of: int, share: float) -> float:
    """Return the probability of so many or more, `count` being above the mean: the terms only fall from there."""
    log = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
    term = math.exp(log + count * math.log(share) + (of - count) * math.log1p(-share))
    total, at = term, count
    while at < of and term > total * 1e-12:
        term *= (of - at) / (at + 1) * share / (1 - share)
        total, at = total + term, at + 1
    return total


def score_psi(champion: pl.Series, challenger: pl.Series) -> tuple[float, float]:
    """Return the population stability index of scores against the champion's, and what chance alone adds to it.

    Bins are bounded by the deciles of the champion's scores. What lies around a decile, up to a twentieth of the way to
    the next one, has a bin of its own: so scores of few values are told apart, and a value that many entities share may
    differ a little. Below the least and above the greatest there is a bin each. Half a score is added to every bin: an
    empty one is no infinity.
    """
    bounds = _bounds(champion)
    counts = [_binned(scores, bounds) for scores in (champion, challenger)]
    met = sorted(counts[0].keys() | counts[1].keys())
    total = 0.0
    for place in met:
        expected, found = (
            (some.get(place, 0) + 0.5) / (len(scores) + 0.5 * len(met))
            for some, scores in zip(counts, (champion, challenger), strict=True)
        )
        total += (found - expected) * math.log(found / expected)
    return total, (len(met) - 1) * (1 / len(champion) + 1 / len(challenger))


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


def is_far(psi: float, chance: float, degrees: int, limit: float) -> bool:
    """Return whether scores are further apart than a limit and chance together, which hardly ever is chance.

    By chance alone PSI is distributed like a chi-square of as many degrees of freedom as there are bins but one, in
    units of `chance / degrees`.
    """
    return psi > limit + chance * (1 + _SIGMAS * math.sqrt(2 / max(degrees, 1)))
