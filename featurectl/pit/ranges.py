"""How many rows of a key lie before an instant: binary search over all keys at once."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import polars as pl

from featurectl.pit.arrays import Ints
from featurectl.pit.keys import Groups

_MOST: Final = 2**62
Side = Literal["left", "right"]  # left: rows before the instant; right: those at it too


class Times:
    """Instants that never fall inside a group, ready to be searched.

    `group * slots + (time - least) // step` is one sorted column, which numpy searches. Where 63 bits are too few for
    microseconds the steps are longer: every question then halves the rows of its own step, all questions at a time.
    """

    def __init__(self, values: Ints, groups: Groups) -> None:
        self._values = values
        self._least = int(values.min()) if len(values) else 0
        self._most = int(values.max()) if len(values) else 0
        span = self._most - self._least + 3
        self._slots = min(span, max(_MOST // max(len(groups.starts), 1), 1))  # of a group
        self._step = -(-span // self._slots)
        self._sorted = self._numbered(groups.owner, values)

    def _numbered(self, group: Ints, instant: Ints) -> Ints:
        since = (instant - (self._least - 1)).view(np.uint64)  # times may be further apart than 63 bits reach
        slot = since if self._step == 1 else since // np.uint64(self._step)
        return group * self._slots + slot.view(np.int64)

    def count(self, group: Ints, instant: Ints, side: Side) -> Ints:
        """Return the position behind the last row of `group` before (right: at or before) each instant."""
        near = np.clip(instant, self._least - 1, self._most + 1)
        number = self._numbered(group, near)
        if self._step == 1:
            return np.searchsorted(self._sorted, number, side=side)
        lo, hi = (np.searchsorted(self._sorted, number, side=end) for end in ("left", "right"))
        while np.any(lo < hi):
            middle = (lo + hi) >> 1
            value = self._values[np.minimum(middle, len(self._values) - 1)]
            right = (value < near if side == "left" else value <= near) & (lo < hi)
            lo, hi = np.where(right, middle + 1, lo), np.where(right, hi, middle)
        return lo


def greatest_so_far(values: Ints, groups: Groups) -> Ints:
    """Return for every row the greatest value from its group's first row to it."""
    rows = pl.DataFrame({"group": pl.Series(groups.owner).set_sorted(), "value": values})
    return rows.select(pl.col("value").cum_max().over("group"))["value"].to_numpy()


def least_from_here(values: Ints, groups: Groups) -> Ints:
    """Return for every row the least value from it to its group's last row."""
    rows = len(values)
    turned = Groups(starts=rows - groups.ends[::-1], ends=rows - groups.starts[::-1])
    return -greatest_so_far(-values[::-1], turned)[::-1]
