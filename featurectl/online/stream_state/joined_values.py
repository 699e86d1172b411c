"""What many lists say at once: the same values, to the last bit, that `list_values.py` finds in each of them.

`AT_ONCE` says which aggregates are known here, `JoinedReader.knows` of which columns. The lists of a view that has
others are read one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP
from featurectl.core.errors import StoreError
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.columns import Column
from featurectl.online.stream_state.joined_lists import JoinedRows, OpenedList, join_lists
from featurectl.online.stream_state.known_instants import RowInstant, oldest_row_us
from featurectl.online.stream_state.layout import ListLayout
from featurectl.pit.arrays import Ints, Numbers, running_total

_ARRAYS: Final = (FLOAT64, INT64, BOOL, TIMESTAMP, DATE)
_HALF: Final = 1 << 62
NEVER_US: Final = 1 << 62  # there is no event
_NO_EVENT: Final = (NEVER_US, NEVER_US)
ZERO: Final = float(np.array([-0.0]).sum())  # what numpy begins a sum with: 0.0 or -0.0


class ReadValues(NamedTuple):
    """The values of features as MessagePack has them, when the newest event was, and the answer's `asof`."""

    values: list[object]
    event_us: int | None
    asof_us: int


class JoinedCells:
    """The values that are not null of ranges of rows of a column, range after range, each with a zero before it.

    So numpy adds the values of each range in the order, and by the blocks, in which it adds those of one alone.
    """

    def __init__(self, column: Column, lo: Ints, hi: Ints) -> None:
        assert not isinstance(column.values, list)
        if not len(column.values):
            column = column._replace(values=np.append(column.values, [0]), valid=None)  # which no range has
        ends = running_total(hi - lo + 1)
        places = np.arange(ends[-1]) + np.repeat(lo - 1 - ends[:-1], hi - lo + 1)
        if column.valid is not None:
            kept = column.valid[places]
            kept[ends[:-1]] = True
            places, ends = places[kept], running_total(kept)[ends]
        values = cast("Numbers", column.values)[places]
        values[ends[:-1]] = ZERO if values.dtype == np.float64 else 0
        self._values, self._starts, self._ends = values, ends[:-1], ends[1:]
        self.counts: Ints = self._ends - self._starts - 1
        self.has_empty = not self.counts.all()
        self._sums: Numbers | None = None

    def sums(self) -> Numbers:
        """Return the sum of each range.

        Raises:
            OverflowError: one may have more than 64 bits.
        """
        if self._sums is None:
            self._sums = self._added()
        return self._sums

    def _added(self) -> Numbers:
        values = self._values
        if values.dtype != np.float64:
            most = max(abs(int(values.min())), abs(int(values.max())))
            if most * int(self.counts.max()) >= _HALF:
                raise OverflowError(most)
        found: Numbers = np.add.reduceat(values, self._starts)
        return found

    def means(self) -> list[float]:
        """Return the mean of each range, NaN or an error's value where it has no value."""
        sums, counts = self.sums(), np.maximum(self.counts, 1)
        if sums.dtype == np.float64:
            return _listed(sums / counts)
        return [total / count for total, count in zip(sums.tolist(), counts.tolist(), strict=True)]

    def extremes(self, *, greatest: bool) -> list[float]:
        """Return the least or the greatest value of each range, NaN where one is NaN."""
        pick = np.maximum if greatest else np.minimum
        pairs = np.empty(2 * len(self._starts), np.int64)  # of an empty range they give some other value
        pairs[::2], pairs[1::2] = self._starts + 1, self._ends
        pairs[-2] = min(pairs[-2], len(self._values) - 1)
        return _listed(pick.reduceat(self._values, pairs[:-1])[::2])

    def variances(self, less: int) -> list[float | None]:
        """Return the sum of squared distances from the mean of each range, by its count and that less one."""
        numbers, counts = self._values.astype(np.float64), self.counts
        numbers[self._starts] = ZERO
        means = np.add.reduceat(numbers, self._starts) / np.maximum(counts, 1)
        apart = numbers - np.repeat(means, counts + 1)
        apart *= apart
        apart[self._starts] = ZERO
        found = np.add.reduceat(apart, self._starts) / np.maximum(counts - less, 1)
        return [value if count > less else None for value, count in zip(found.tolist(), counts.tolist(), strict=True)]

    def edges(self, *, last: bool) -> list[float]:
        """Return the first or the last value of each range."""
        places = self._ends - 1 if last else np.minimum(self._starts + 1, self._ends - 1)
        return _listed(self._values[places])


def _listed(numbers: Numbers) -> list[float]:
    found: list[float] = numbers.tolist()
    return found


def _root(variances: Sequence[float | None]) -> list[float | None]:
    return [None if variance is None else math.sqrt(variance) for variance in variances]


AT_ONCE: Final[Mapping[str, Callable[[JoinedCells], Sequence[object]]]] = {
    "count": lambda cells: cells.counts.tolist(),
    "sum": lambda cells: cells.sums().tolist(),
    "mean": lambda cells: cells.means(),
    "min": lambda cells: cells.extremes(greatest=False),
    "max": lambda cells: cells.extremes(greatest=True),
    "all": lambda cells: cells.extremes(greatest=False),
    "any": lambda cells: cells.extremes(greatest=True),
    "var": lambda cells: cells.variances(1),
    "var_pop": lambda cells: cells.variances(0),
    "stddev": lambda cells: _root(cells.variances(1)),
    "stddev_pop": lambda cells: _root(cells.variances(0)),
    "first": lambda cells: cells.edges(last=False),
    "last": lambda cells: cells.edges(last=True),
}


class JoinedReader:
    """Answers the features of a view from many lists of one layout, with null for what `ListReader` has null."""

    def __init__(self, features: Sequence[Feature], layout: ListLayout, *, keeps_nan: bool = True) -> None:
        self._layout, self._features, self._keeps_nan = layout, features, keeps_nan
        places = {name: i for i, name in enumerate(layout.inputs)}
        self._columns = {f.column: places[f.column] for f in features if f.column is not None}
        self._windows = dict.fromkeys((f.window_us or 0, f.offset_us) for f in features)
        self._reach_us = max(map(sum, self._windows), default=0)

    @staticmethod
    def knows(features: Sequence[Feature], layout: ListLayout) -> bool:
        """Return whether features can be answered from many lists: all of exact windows, of columns of fixed width."""
        return (
            layout.kind == "event"
            and layout.hop_us is None
            and all(
                layout.has(f)
                and f.op in AT_ONCE
                and f.window_us is not None
                and (f.column is None or layout.inputs[f.column] in _ARRAYS)
                for f in features
            )
        )

    def answers(self, lists: Sequence[OpenedList], asof_us: int) -> list[ReadValues] | None:
        """Return what lists say as of a register's `asof` or that of their heads; None where each is to be read alone.

        That is so where one is broken, or has integers whose sum may have more than 64 bits.
        """
        at_us = np.array([max(asof_us, one.head.asof_us) for one in lists], np.int64)
        return self._answers(lists, at_us, at_us)

    def answers_at(self, lists: Sequence[OpenedList], instants: Sequence[RowInstant]) -> list[ReadValues] | None:
        """Return what lists say at an instant each, which all of them know; None as `answers`."""
        return self._answers(lists, *np.array(instants, np.int64).reshape(-1, 2).T)

    def knows_at(self, one: OpenedList, asof_us: int, at: RowInstant) -> bool:
        """Return whether a list has all events in the windows of an instant; `asof_us` is of one without a head."""
        return at.time_us - self._reach_us >= oldest_row_us(one.head.asof_us or asof_us, self._layout)

    def _answers(self, lists: Sequence[OpenedList], time_us: Ints, known_us: Ints) -> list[ReadValues] | None:
        if not lists:
            return []
        try:
            with np.errstate(all="ignore"):  # a sum of floats may be infinite
                return self._joined(lists, time_us, known_us)
        except (StoreError, ValueError, TypeError, LookupError, ArithmeticError):
            return None

    def _joined(self, lists: Sequence[OpenedList], time_us: Ints, known_us: Ints) -> list[ReadValues]:
        rows = join_lists(lists, self._layout, [*dict.fromkeys(self._columns.values())], known_us)
        found: dict[str, Sequence[object]] = {}
        for window_us, offset_us in self._windows:
            inside = [f for f in self._features if (f.window_us, f.offset_us) == (window_us, offset_us)]
            lo, hi = self._places(rows, time_us - offset_us, window_us)
            self._find(found, inside, rows, (np.minimum(lo, hi), hi))
        values = map(list, zip(*(found[feature.name] for feature in self._features), strict=True))
        newest = _newest(lists, rows, time_us, known_us)
        return [ReadValues(*each) for each in zip(values, newest, time_us.tolist(), strict=True)]

    def _places(self, rows: JoinedRows, end_us: Ints, window_us: int) -> tuple[Ints, Ints]:
        """Return where the rows of each list are that a window has, which ends at an instant of each list."""
        closed = self._layout.closed
        lo = rows.before(end_us - window_us, inclusive=closed not in ("left", "both"))
        return lo, rows.before(end_us, inclusive=closed in ("right", "both"))

    def _find(
        self,
        found: dict[str, Sequence[object]],
        features: Sequence[Feature],
        rows: JoinedRows,
        places: tuple[Ints, Ints],
    ) -> None:
        """Add the values of features of some rows of each list."""
        lo, hi = places
        cells: dict[str, JoinedCells] = {}
        for feature in features:
            if feature.column is None:
                found[feature.name] = (hi - lo).tolist()
                continue
            if feature.column not in cells:
                cells[feature.column] = JoinedCells(rows.columns[self._columns[feature.column]], lo, hi)
            values = _values(feature, cells[feature.column])
            if feature.dtype == FLOAT64 and not self._keeps_nan:
                values = [value if isinstance(value, float) and math.isfinite(value) else None for value in values]
            found[feature.name] = values


def _values(feature: Feature, cells: JoinedCells) -> Sequence[object]:
    values, empty = AT_ONCE[feature.op](cells), AGGREGATES[feature.op].empty
    if cells.has_empty:
        values = [value if count else empty for value, count in zip(values, cells.counts.tolist(), strict=True)]
    return [value if value is None else bool(value) for value in values] if feature.dtype == BOOL else values


def _newest(lists: Sequence[OpenedList], rows: JoinedRows, time_us: Ints, known_us: Ints) -> list[int | None]:
    """Return when the newest event of each list was, which its rows or its head know."""
    hi = rows.before(time_us, inclusive=True)
    having = np.flatnonzero(hi > rows.ends[:-1])
    last = np.full(len(lists), NEVER_US)
    last[having] = rows.event_us(hi[having] - 1, having)
    known = np.array([one.head.newest or _NO_EVENT for one in lists], np.int64)
    counts = (known[:, 0] <= time_us) & (known[:, 1] <= known_us)
    last = np.where(counts & ((last == NEVER_US) | (known[:, 0] > last)), known[:, 0], last)
    return [None if event_us == NEVER_US else event_us for event_us in last.tolist()]
