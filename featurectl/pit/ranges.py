"""How many rows of a key lie before an instant: binary search over all keys at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from featurectl.pit.arrays import Ints
from featurectl.pit.keys import MOST, Groups

Side = Literal["left", "right"]  # left: rows before the instant; right: those at it too


class Times:
    """Instants that never fall inside a group, ready to be searched.

    `group * span + (time - least)` is one sorted column as long as it fits in 64 bits; then numpy searches it.
    Else every question halves its own group's run, all questions in step: log2(longest run) rounds.
    """

    def __init__(self, values: Ints, groups: Groups) -> None:
        self._values = values
        self._groups = groups
        self._least = int(values.min()) if len(values) else 0
        self._most = int(values.max()) if len(values) else 0
        self._span = self._most - self._least + 3
        self._sorted = None if len(groups.starts) * self._span > MOST else self._joined()

    def _joined(self) -> Ints:
        return self._groups.owner * self._span + (self._values - (self._least - 1))

    def count(self, group: Ints, instant: Ints, side: Side) -> Ints:
        """Return the position behind the last row of `group` before (right: at or before) each instant."""
        near = np.clip(instant, self._least - 1, self._most + 1)
        if self._sorted is None:
            return self._halved(group, near, side)
        return np.searchsorted(self._sorted, group * self._span + (near - (self._least - 1)), side=side)

    def _halved(self, group: Ints, instant: Ints, side: Side) -> Ints:
        lo, hi = self._groups.starts[group], self._groups.ends[group]
        longest = int((self._groups.ends - self._groups.starts).max())
        for _ in range(longest.bit_length()):
            middle = (lo + hi) >> 1
            value = self._values[np.minimum(middle, len(self._values) - 1)]
            right = (value < instant if side == "left" else value <= instant) & (lo < hi)
            lo = np.where(right, middle + 1, lo)
            hi = np.where(right, hi, middle)
        return lo


def greatest_so_far(values: Ints, groups: Groups) -> Ints:
    """Return for every row the greatest value from its group's first row to it."""
    if len(values) == 0:
        return values
    least = int(values.min())
    span = int(values.max()) - least + 1
    if len(groups.starts) * span > MOST:
        rows = pl.DataFrame({"group": groups.owner, "value": values})
        return rows.select(pl.col("value").cum_max().over("group"))["value"].to_numpy()
    # A later group's numbers are all greater, so one pass over the column starts anew at each group.
    floor = groups.owner * span - least
    return np.maximum.accumulate(values + floor) - floor


def least_from_here(values: Ints, groups: Groups) -> Ints:
    """Return for every row the least value from it to its group's last row."""
    rows = len(values)
    turned = Groups(starts=rows - groups.ends[::-1], ends=rows - groups.starts[::-1])
    return -greatest_so_far(-values[::-1], turned)[::-1]
