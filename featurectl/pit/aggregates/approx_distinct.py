"""approx_count_distinct: exact for few different values, the estimate of a HyperLogLog for many.

The answer is a function of the set of different values alone: not of their order, of repeats, or of how the rows were
put together. So sketches of pieces can be merged, a set of at most `EXACT_VALUES` hashes or `_REGISTERS` maxima, and
give the answer of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from featurectl.pit.aggregates.whole_range import different_values
from featurectl.pit.arrays import Floats, Ints
from featurectl.pit.hashing import Hashes
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import WindowQuestion

EXACT_VALUES = 1024
_INDEX_BITS: Final = 12
_REGISTERS: Final = 1 << _INDEX_BITS
_REST_BITS: Final = 64 - _INDEX_BITS
_ALPHA: Final = 0.7213475204444817  # 1 / (2 ln 2)


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
    """Return about how many different hashes each owner has.

    The first 12 bits of a hash choose a register, which keeps the greatest place of the first 1 among the other 52.
    """
    register = (hashes >> np.uint64(_REST_BITS)).astype(np.int64)
    rest = (hashes & np.uint64((1 << _REST_BITS) - 1)).astype(np.float64)  # exact: 52 bits
    first = np.minimum(_REST_BITS + 1 - np.frexp(rest)[1], _REST_BITS)
    code = np.sort((owner * _REGISTERS + register) * 64 + first)
    greatest = code[np.append(code[1:] // 64 != code[:-1] // 64, True)]
    at = greatest // (64 * _REGISTERS) * 64 + greatest % 64
    having = np.bincount(at, minlength=owners * 64).reshape(owners, 64)
    having[:, 0] = _REGISTERS - having.sum(axis=1)
    return np.rint(_improved(having)).astype(np.int64)


def _improved(having: Ints) -> Floats:
    """Return the improved raw estimate from how many registers have each value (Source: Ertl, arXiv 1702.01284).

    It needs neither a correction for few values nor a table for its bias. Registers at the top of their range, of which
    2**52 values would make some, are taken as the value below it.
    """
    total = np.zeros(len(having))
    for value in range(_REST_BITS, 0, -1):
        total = 0.5 * (total + having[:, value])
    return _ALPHA * _REGISTERS**2 / (total + _REGISTERS * _sigma(having[:, 0] / _REGISTERS))


def _sigma(share: Floats) -> Floats:
    """Return x + sum over k >= 1 of x**(2**k) * 2**(k - 1) of each share x of empty registers, below 1."""
    total, power, weight = share.copy(), share, 1.0
    while True:
        power = power * power
        more = total + power * weight
        if np.array_equal(more, total):
            return total
        total, weight = more, 2 * weight
