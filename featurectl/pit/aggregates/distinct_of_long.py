"""How many different values long ranges hold, without a look at every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from featurectl.pit.arrays import Ints
from featurectl.pit.gather import gather
from featurectl.pit.inputs import Ranks
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.levels import BitRanges, bits_of, count_below

_FEW: Final = 8  # of so many rows one may lie in another part than the largest


def count_different(parts: Sequence[LaneRanges], ranks: Ranks) -> Ints:
    """Return how many different values each probe has over all parts, none of which holds nulls.

    In the part with the most rows a value counts at its first row of a range: where the row before with this value lies
    before the range. Values of other parts count when the first does not hold them; these rows are gathered.
    """
    first, *others = sorted(parts, key=lambda part: -int((part.hi - part.lo).sum()))
    found = _firsts(first, ranks)
    others = [part for part in others if (part.hi > part.lo).any()]
    return found if not others else found + _more(first, others, ranks)


def mostly_one(parts: Sequence[LaneRanges]) -> bool:
    """Return whether one part holds most of the rows, so that few are left to be gathered."""
    rows = sorted(int((part.hi - part.lo).sum()) for part in parts)
    return sum(rows[:-1]) * _FEW <= rows[-1]


def _firsts(part: LaneRanges, ranks: Ranks) -> Ints:
    rank = part.lane.take(ranks.rank)
    order = np.argsort(rank, kind="stable")
    again = rank[order[1:]] == rank[order[:-1]]
    after = np.zeros(len(rank), np.int64)  # 1 + the place of the row before with the same value; 0: there is none
    after[order[1:][again]] = order[:-1][again] + 1
    return count_below(BitRanges(after, part.lo, part.hi), part.lo + 1, bits_of(len(rank) + 1))


def _more(first: LaneRanges, others: Sequence[LaneRanges], ranks: Ranks) -> Ints:
    """Return how many values of the others each probe has that its range of the first part does not hold."""
    rank, length = first.lane.take(ranks.rank), len(first.lane) + 1
    seen = np.sort(rank * length + np.arange(len(rank)))
    counts, start = [], 0
    for chunk in gather(others):
        owner = np.repeat(np.arange(len(chunk.sizes)), chunk.sizes)
        pairs = np.unique(owner * len(ranks.distinct) + ranks.rank[chunk.rows])
        owner, wanted = pairs // len(ranks.distinct), pairs % len(ranks.distinct)
        at = np.searchsorted(seen, wanted * length + first.lo[start + owner])
        held = np.append(seen, -1)[at] // length == wanted
        held &= np.append(seen, -1)[at] % length < first.hi[start + owner]
        counts.append(np.bincount(owner[~held], minlength=len(chunk.sizes)))
        start += len(chunk.sizes)
    return np.concatenate(counts).astype(np.int64)
