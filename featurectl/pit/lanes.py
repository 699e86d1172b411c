"""Lanes: rows in total order, and the range of a lane that answers each question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featurectl.pit.arrays import Bools, Ints, Numbers, running_total
from featurectl.pit.fold import Fold, FoldState, Pyramid
from featurectl.pit.inputs import InputColumns
from featurectl.pit.keys import Groups


class Lane:
    """Some rows of a table, in total order inside each group; `rows` None means all of the table.

    A lane keeps what was made of it (rows without nulls, pyramids), so that many windows share it.
    """

    def __init__(self, inputs: InputColumns, groups: Groups, rows: Ints | None = None) -> None:
        self.inputs = inputs
        self.groups = groups
        self._rows = rows
        self._without_nulls: dict[str, tuple[Lane, Ints] | None] = {}  # None: all have one
        self._pyramids: dict[tuple[str, str], Pyramid] = {}

    def __len__(self) -> int:
        return int(self.groups.ends[-1]) if len(self.groups.ends) else 0

    def table_rows(self, positions: Ints) -> Ints:
        """Return the table's row numbers of positions in the lane."""
        return positions if self._rows is None else self._rows[positions]

    def take(self, values: Numbers) -> Numbers:
        """Return the values of the lane's rows from those of all the table's rows."""
        return values if self._rows is None else values[self._rows]

    def keep(self, chosen: Bools) -> tuple[Lane, Ints]:
        """Return the lane of the chosen rows, and for each position how many chosen rows lie before it."""
        before = running_total(chosen)
        rows = self.table_rows(np.flatnonzero(chosen))
        return Lane(self.inputs, self.groups.moved(before), rows), before

    def without_nulls(self, column: str) -> tuple[Lane, Ints | None]:
        """Return the lane of the rows that have a value in the column, as `keep` does; itself when all have."""
        if column not in self._without_nulls:
            valid = self.inputs.valid(column)
            here = None if valid is None else valid if self._rows is None else valid[self._rows]
            self._without_nulls[column] = None if here is None or here.all() else self.keep(here)
        return self._without_nulls[column] or (self, None)

    def pyramid(self, kind: str, column: str, fold: Fold, state: Callable[[str], FoldState]) -> Pyramid:
        """Return the pyramid of a column, made at the first call; `kind` names the fold and its state."""
        if (kind, column) not in self._pyramids:
            self._pyramids[kind, column] = Pyramid(fold, tuple(self.take(v) for v in state(column)), self.groups)
        return self._pyramids[kind, column]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRanges:
    """For every question a range [lo, hi) of a lane, inside one of its groups; it may be empty.

    The parts of a batch of questions are disjoint: together they hold the rows that each question is about.
    """

    lane: Lane
    lo: Ints
    hi: Ints
    group: Ints

    def only(self, column: str | None) -> LaneRanges:
        """Return the same ranges without the rows where the column is null."""
        if column is None:
            return self
        lane, before = self.lane.without_nulls(column)
        if before is None:
            return self
        return LaneRanges(lane=lane, lo=before[self.lo], hi=before[self.hi], group=self.group)

    def last(self, count: int) -> LaneRanges:
        """Return the last rows of each range, at most `count`."""
        return LaneRanges(lane=self.lane, lo=np.maximum(self.lo, self.hi - count), hi=self.hi, group=self.group)

    def first(self, count: int) -> LaneRanges:
        """Return the first rows of each range, at most `count`."""
        return LaneRanges(lane=self.lane, lo=self.lo, hi=np.minimum(self.hi, self.lo + count), group=self.group)
