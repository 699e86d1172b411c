"""How far two columns are apart that were counted in the same bins, or by the same categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.models.profile.categories import Categories
from featurectl.models.profile.numbers import NumberCounts
from featurectl.monitor.significance import population_stability

Floats = npt.NDArray[np.float64]
_TENTH: Final = 10  # about as many groups of bins does the stability index compare
_HEAVY: Final = 20  # a bin of this part of the rows is a group of its own
_RARE: Final = 100  # categories of less than this part of the rows are one
_KS_MEAN: Final = math.sqrt(math.pi / 2) * math.log(2)  # of Kolmogorov's distribution
_NORMAL_MEAN: Final = math.sqrt(2 / math.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """PSI, Jensen-Shannon distance (of base 2: 0 to 1), Kolmogorov-Smirnov and Wasserstein, the last in the unit.

    Categories have no order, so neither of the last two; infinite values have no Wasserstein distance. `chance` is what
    each would be on the average of two samples of one distribution, `degrees` of how many bins but one.
    """

    psi: float
    psi_chance: float
    degrees: int
    js: float
    js_chance: float
    ks: float | None = None
    ks_chance: float | None = None
    wasserstein: float | None = None
    wasserstein_chance: float | None = None


def number_distances(before: NumberCounts, after: NumberCounts) -> Distances:
    """Return the distances of two columns in the same bins; each has values."""
    starts = group_starts(before.counts)
    grouped = _grouped(*(np.add.reduceat(item.counts, starts).tolist() for item in (before, after)))
    spread = math.sqrt(1 / before.known + 1 / after.known)
    shares = [np.cumsum(item.counts)[:-1] / item.known for item in (before, after)]
    ks = float(np.abs(shares[0] - shares[1]).max(initial=0.0))
    moved = wasserstein(before, after)
    with np.errstate(over="ignore", invalid="ignore"):
        width = float((np.diff(before.edges) * np.sqrt(shares[0] * (1 - shares[0]))[:-1]).sum())
    usual = None if moved is None or not math.isfinite(width) else _NORMAL_MEAN * spread * width
    return replace(
        grouped,
        ks=ks,
        ks_chance=_KS_MEAN * spread,
        wasserstein=moved,
        wasserstein_chance=usual,
    )


def category_distances(before: Categories, after: Categories) -> Distances:
    """Return the distances of two columns by the same categories; each has values."""
    common = [value for value, count in before.counts.items() if count * _RARE >= before.known]
    sides = []
    for item in (before, after):
        own = [item.counts[value] for value in common]
        known_rare = sum(item.counts.values()) - sum(own)
        sides.append([*own, known_rare, item.others])
    return _grouped(*sides)


def wasserstein(before: NumberCounts, after: NumberCounts) -> float | None:
    """Return the area between two cumulative distributions; None where values have no finite sum.

    Within a bin the area below either follows from counts and the sum of its values, whatever they are: so the result
    is exact but for bins in which the two cross.
    """
    if before.infinite or after.infinite or not len(before.edges):
        return None
    first, second = (_areas(item) for item in (before, after))
    with np.errstate(invalid="ignore"):
        area = float(np.abs(first - second).sum())
    return area if math.isfinite(area) else None


def _areas(of: NumberCounts) -> Floats:
    """Return the area below a cumulative distribution, a bin each: of the last bin above it, for that is finite."""
    edges, below = of.edges - of.centre, np.cumsum(of.counts)[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        first = edges[0] * below[0] - of.sums[0]
        inner = edges[1:] * below[1:] - edges[:-1] * below[:-1] - of.sums[1:-1]
        last = of.sums[-1] - edges[-1] * of.counts[-1]
        areas: Floats = np.concatenate([[first], inner, [last]]) / of.known
    return areas


def group_starts(counts: npt.NDArray[np.int64]) -> Sequence[int]:
    """Return where groups of bins begin: of about a tenth of the rows each, a bin of many rows alone."""
    rows, starts, held, alone = int(counts.sum()), [0], 0, False
    for place, count in enumerate(counts.tolist()):
        heavy = count * _HEAVY >= rows
        if place and (heavy or alone or held * _TENTH >= rows):
            starts.append(place)
            held = 0
        held, alone = held + count, heavy
    return starts


def _grouped(before: Sequence[int], after: Sequence[int]) -> Distances:
    """Return PSI and Jensen-Shannon of counts in groups, with what is chance.

    The same share is added to the groups of both: half a row of the side that has fewer.
    """
    sizes = sum(before), sum(after)
    halves = (0.5 * sizes[0] / min(sizes), 0.5 * sizes[1] / min(sizes))
    psi, chance = population_stability(before, after, halves)
    degrees = sum(1 for pair in zip(before, after, strict=True) if any(pair)) - 1
    js_chance = math.sqrt(min(divergence_of_psi(chance), 1.0))
    js = _jensen_shannon(before, after)
    return Distances(psi=psi, psi_chance=chance, degrees=degrees, js=js, js_chance=js_chance)


def divergence_of_psi(psi: float) -> float:
    """Return the Jensen-Shannon divergence in bits that goes with a small PSI."""
    return psi / (8 * math.log(2))


def _jensen_shannon(before: Sequence[int], after: Sequence[int]) -> float:
    sides = [np.array(side) / sum(side) for side in (before, after)]
    middle = (sides[0] + sides[1]) / 2
    bits = 0.0
    for side in sides:
        met = side > 0
        bits += float((side[met] * np.log2(side[met] / middle[met])).sum()) / 2
    return math.sqrt(min(max(bits, 0.0), 1.0))
