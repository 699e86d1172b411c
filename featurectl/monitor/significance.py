"""What may be chance: a share that is counted, and how far two samples of one distribution are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

DOUBT: Final = 1e-4  # a share is beyond its limit when chance would give as much less often than this
SIGMAS: Final = 4.5
_HALF: Final = 0.5  # of a row, which every bin is given: an empty one is no infinity


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


def population_stability(
    expected: Sequence[int], found: Sequence[int], halves: tuple[float, float] = (_HALF, _HALF)
) -> tuple[float, float]:
    """Return the population stability index of counts in bins, and what chance alone adds to it.

    `halves` are added to every bin of either side. A bin that neither side meets is none.

    >>> population_stability([50, 50, 0], [50, 50, 0]), round(population_stability([90, 10], [60, 40])[0], 2)
    ((0.0, 0.02), 0.52)
    """
    met = [(before, after) for before, after in zip(expected, found, strict=True) if before or after]
    sizes = sum(expected), sum(found)
    total = 0.0
    for pair in met:
        before, after = (
            (count + half) / (size + half * len(met)) for count, half, size in zip(pair, halves, sizes, strict=True)
        )
        total += (after - before) * math.log(after / before)
    return total, (len(met) - 1) * (1 / sizes[0] + 1 / sizes[1])


def most_by_chance(chance: float, degrees: int) -> float:
    """Return what a PSI hardly ever is above by chance alone, given its mean.

    It is distributed like a chi-square of as many degrees of freedom as there are bins but one, in units of
    `chance / degrees`.
    """
    return chance * (1 + SIGMAS * math.sqrt(2 / max(degrees, 1)))


def is_far(psi: float, chance: float, degrees: int, limit: float) -> bool:
    """Return whether two samples are further apart than a limit and chance together, which hardly ever is chance."""
    return psi > limit + most_by_chance(chance, degrees)
