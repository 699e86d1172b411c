"""approx_count_distinct: exact for few different values, the estimate of a HyperLogLog for many.

The answer is a function of the set of different values alone: not of their order, of repeats, or of how the rows were
put together. So sketches of pieces can be merged, a set of at most `EXACT_VALUES` hashes or `REGISTERS` maxima, and
give the answer of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from featurectl.pit.aggregates.whole_range import different_values
from featurectl.pit.arrays import Ints
from featurectl.pit.hashing import Hashes
from featurectl.pit.hyperloglog import EXACT_VALUES, REGISTERS, estimated_counts, register_values
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import WindowQuestion


class ApproxCountDistinct:
    """The number of different values: exact up to 1,024 of them, else with a standard error of 1.6 %.

    NaN is one value. The hashes are those of `pit.hashing`, the same everywhere and for ever.
    """

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Int64, 0 where there is no value."""
        counts = []
        for found in different_values(question, parts):
            counts.append(found.counts)
            many = np.flatnonzero(found.counts > EXACT_VALUES)
            if len(many):
                place = np.full(len(found.counts), -1)
                place[many] = np.arange(len(many))
                chosen = place[found.owner] >= 0
                hashes = parts[0].lane.inputs.hashes(str(question.column))[found.rank[chosen]]
                counts[-1][many] = _estimates(place[found.owner[chosen]], hashes, len(many))
        return pl.Series(np.concatenate(counts))


def _estimates(owner: Ints, hashes: Hashes, owners: int) -> Ints:
    """Return about how many different hashes each owner has."""
    register, value = register_values(hashes)
    code = np.sort((owner * REGISTERS + register) * 64 + value)
    greatest = code[np.append(code[1:] // 64 != code[:-1] // 64, True)]
    at = greatest // (64 * REGISTERS) * 64 + greatest % 64
    having = np.bincount(at, minlength=owners * 64).reshape(owners, 64)
    having[:, 0] = REGISTERS - having.sum(axis=1)
    return estimated_counts(having)
