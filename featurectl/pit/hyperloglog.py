"""The arithmetic of approx_count_distinct: 4,096 registers, and about how many different hashes have filled them.

The first 12 bits of a hash choose a register, which keeps the greatest place of the first 1 among the other 52.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.pit.arrays import Floats, Ints

EXACT_VALUES: Final = 1024  # up to so many different values are counted, not estimated
REGISTERS: Final = 1 << 12
TOP: Final = 52  # the greatest value of a register
_REST: Final = (1 << TOP) - 1
_ALPHA: Final = 0.7213475204444817  # 1 / (2 ln 2)


def register_values(hashes: npt.NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return which register each hash goes to, and the value that it brings: 1 to 52."""
    register = (hashes >> np.uint64(TOP)).astype(np.int64)
    rest = (hashes & np.uint64(_REST)).astype(np.float64)  # exact: 52 bits
    return register, np.minimum(TOP + 1 - np.frexp(rest)[1], TOP).astype(np.int64)


def estimated_counts(having: Ints) -> Ints:
    """Return the estimates of several sets from how many registers of each have the values 0 to 63, a row a set.

    The improved raw estimate needs neither a correction for few values nor a table for its bias. Registers at the top
    of their range, of which 2**52 values would make some, are taken as the value below it.

    Source: Ertl, arXiv 1702.01284.
    """
    total = np.zeros(len(having))
    for value in range(TOP, 0, -1):
        total = 0.5 * (total + having[:, value])
    found: Floats = _ALPHA * REGISTERS**2 / (total + REGISTERS * _sigma(having[:, 0] / REGISTERS))
    return np.rint(found).astype(np.int64)


def _sigma(share: Floats) -> Floats:
    """Return x + sum over k >= 1 of x**(2**k) * 2**(k - 1) of each share x of empty registers, below 1."""
    total, power, weight = share.copy(), share, 1.0
    while True:
        power = power * power
        more = total + power * weight
        if np.array_equal(more, total):
            return total
        total, weight = more, 2 * weight
