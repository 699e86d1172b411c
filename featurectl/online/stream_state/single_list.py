"""What one usual list says now: the same values, to the last bit, that `list_values.py` finds, in less time.

A list that is not usual is read there: `SingleReader.answer` returns None of it. It knows the aggregates of
`joined_values.py`; of a head it unpacks only what these need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from featurectl.core.dtypes import BOOL
from featurectl.core.errors import StoreError
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.folded_states import ANSWERS, ColumnValues, MomentsState, exact_sum
from featurectl.online.stream_state.head import PackedHead
from featurectl.online.stream_state.joined_lists import OpenedList, open_list
from featurectl.online.stream_state.joined_names import without_copies
from featurectl.online.stream_state.joined_records import RawRecords, join_records
from featurectl.online.stream_state.known_answers import NEVER_US, ReadValues
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.packed_columns import (
    Column,
    column_of,
    join_columns,
    order_column,
    unpack_column,
)
from featurectl.online.stream_state.packed_times import last_available, unpack_available, unpack_sorted
from featurectl.online.stream_state.parsed_list import counted_records
from featurectl.online.stream_state.usual_records import UsualRecordReader
from featurectl.pit.arrays import Ints, Numbers

_FEW: Final = 8  # records take less time one by one
_INT64_END: Final = 1 << 63
_NO_INTS: Final[Ints] = np.zeros(0, np.int64)
_BROKEN: Final = (StoreError, ValueError, TypeError, LookupError, ArithmeticError)


def _least(values: Numbers) -> object:
    return np.minimum.reduce(values).item()


def _greatest(values: Numbers) -> object:
    return np.maximum.reduce(values).item()


def _moments(op: str) -> Callable[[Numbers], object]:
    """Return what makes a variance, or its root, of values."""
    return lambda values: ANSWERS[op](MomentsState("").of(ColumnValues(values, _NO_INTS, _NO_INTS)) or (), "", 0)


_OF_VALUES: Final[Mapping[str, Callable[[Numbers], object]]] = {
    "min": _least,
    "max": _greatest,
    "all": _least,
    "any": _greatest,
    "first": lambda values: values[0].item(),
    "last": lambda values: values[-1].item(),
    **{op: _moments(op) for op in ("var", "var_pop", "stddev", "stddev_pop")},
}


class _Asked(NamedTuple):
    """An aggregate of a column: where its value stands among those of the view, and what it is of no values."""

    place: int
    op: str
    is_bool: bool
    empty: object


class _Rows(NamedTuple):
    """Rows that count, in their order, with the columns that are wanted, by their places in the layout.

    `is_late`: there are others that count later.
    """

    event_us: Ints
    columns: Mapping[int, Column]
    is_late: bool = False


class SingleReader:
    """Answers the features of a view, all of which `JoinedReader.knows`, from one list of a layout."""

    def __init__(self, features: Sequence[Feature], layout: ListLayout) -> None:
        self._layout = layout
        self._dtypes = [*layout.inputs.values()]
        self._usual = UsualRecordReader(layout) if UsualRecordReader.knows(layout) else None
        places = {name: i for i, name in enumerate(layout.inputs)}
        self._wanted = {places[f.column] for f in features if f.column is not None}
        windows: dict[tuple[int, int], dict[int, list[_Asked]]] = {}  # by column, -1 for rows
        for place, f in enumerate(features):
            column = -1 if f.column is None else places[f.column]
            asked = _Asked(place, f.op, f.dtype == BOOL, AGGREGATES[f.op].empty)
            windows.setdefault((f.window_us or 0, f.offset_us), {}).setdefault(column, []).append(asked)
        self._windows = [[*columns.items()] for columns in windows.values()]
        ends, begins = [offset for _, offset in windows], [sum(window) for window in windows]
        self._later = [0, *begins, *ends]  # how much later than it was a row moves over an edge
        is_in = layout.closed in ("left", "both"), layout.closed in ("right", "both")
        behind = [1, *[not is_in[0]] * len(begins), *[is_in[1]] * len(ends)]  # the edge is behind a row of its instant
        self._edges = np.array(behind, np.int64) - np.array(self._later)
        self._nothing: list[object] = [None] * len(features)

    def answer(self, found: EntityList, asof_us: int) -> ReadValues | None:
        """Return what a list says as of a register's `asof` or that of its head; None where it is no usual one.

        So is one without an event by then, one that is broken, and one in which an event and a record have one time.
        """
        [opened] = without_copies([open_list(found, self._layout)], self._layout)
        if opened is None:
            return None
        try:
            with np.errstate(all="ignore"):  # a sum of floats may be infinite
                return self._answer(opened, max(asof_us, opened.head.asof_us))
        except _BROKEN:
            return None  # who reads it the other way says what is wrong

    def _answer(self, one: OpenedList, at_us: int) -> ReadValues | None:
        folded = self._of_head(one.head, at_us)
        rows = self._with_records(folded, one.raw, at_us) if one.raw.elements else folded
        if rows is None:
            return None
        event_us, newest = rows.event_us, one.head.newest
        event = newest[0] if newest is not None and max(newest) <= at_us else None
        until_us = 0 if rows.is_late else NEVER_US
        places: list[int] = event_us.searchsorted(self._edges + at_us).tolist()
        last, count = places[0], len(self._windows)
        if last:
            event = int(event_us[last - 1]) if event is None else max(event, int(event_us[last - 1]))
        if event is None:
            return None
        values = self._nothing.copy()
        for columns, lo, hi in zip(self._windows, places[1 : count + 1], places[count + 1 :], strict=True):
            for column, asked in columns:
                if column < 0:
                    for each in asked:
                        values[each.place] = max(hi - lo, 0)
                else:
                    _find(values, asked, cast("Numbers", rows.columns[column].part(min(lo, hi), hi)))
        for place, later_us in zip(places, self._later, strict=True):
            if place < len(event_us):  # the next row moves over this edge
                until_us = min(until_us, int(event_us[place]) + later_us)
        return ReadValues(values, event, at_us, until_us)

    def _of_head(self, head: PackedHead, at_us: int) -> _Rows:
        count = head.rows
        if not count:
            return _Rows(_NO_INTS, {i: column_of(self._dtypes[i], []) for i in self._wanted})
        event_us = unpack_sorted(head.event_us, count)
        columns = {i: unpack_column(head.columns[i], self._dtypes[i], count) for i in self._wanted}
        if any(isinstance(column.values, list) for column in columns.values()):
            raise ValueError(count)
        if not head.repeats and _last_us(head, event_us) <= at_us:
            return _Rows(event_us, columns)  # as of lists whose events are older than the spread of their delays
        stamps = unpack_available(head.available_us, event_us)
        if stamps.max() <= at_us and not head.repeats:
            return _Rows(event_us, columns)
        kept = stamps <= at_us
        is_late = not kept.all()
        if head.repeats:
            kept &= np.unpackbits(np.frombuffer(head.repeats, np.uint8), count=count) == 0
        return _Rows(event_us[kept], {i: column.take(kept) for i, column in columns.items()}, is_late)

    def _with_records(self, rows: _Rows, raw: RawRecords, at_us: int) -> _Rows | None:
        """Return rows with the records behind them that count; None where one of them has the time of another."""
        if self._usual is not None and (usual := self._usual.read(raw, at_us)) is not None:
            is_late, more_us, ties = rows.is_late, np.array(usual.event_us, np.int64), len(self._layout.ties)
            columns = {i: Column(np.array(usual.columns[ties + i], np.float64)) for i in self._wanted}
        elif len(raw.elements) < _FEW:
            known = counted_records(raw.elements, self._layout, raw.frontier, raw.marks)
            records = [record for record in known if record.available_us <= at_us]
            is_late = rows.is_late or len(records) < len(known)
            more_us = np.array([record.event_us for record in records], np.int64)
            columns = {i: column_of(self._dtypes[i], [record.values[i] for record in records]) for i in self._wanted}
        else:
            found = join_records([raw], self._layout)
            kept = found.available_us <= at_us
            is_late = rows.is_late or not kept.all()
            found = found.take(kept)
            more_us = found.event_us
            columns = {i: found.column(i, self._dtypes[i], self._layout) for i in self._wanted}
        if not len(more_us):
            return rows._replace(is_late=is_late)
        joined = np.concatenate((rows.event_us, more_us))
        order = joined.argsort(kind="stable")
        joined = joined[order]
        if (same := joined[1:] == joined[:-1]).any():
            is_record = order >= len(rows.event_us)
            if (same & (is_record[1:] | is_record[:-1])).any():
                return None
        joined_columns = {i: order_column(join_columns(rows.columns[i], columns[i]), order) for i in self._wanted}
        return _Rows(joined, joined_columns, is_late)


def _last_us(head: PackedHead, event_us: Ints) -> int:
    return last_available(head.available_us, head.asof_us, int(event_us[-1]), head.rows)


def _find(values: list[object], asked: Sequence[_Asked], cells: Numbers) -> None:
    """Put the values of aggregates of some cells of a column into their places.

    Raises:
        OverflowError: a sum has more than 64 bits.
    """
    count, total = len(cells), None
    for place, op, is_bool, empty in asked:
        if op == "count":
            values[place] = count
        elif not count:
            values[place] = empty
        elif op in ("sum", "mean"):
            total = exact_sum(cells) if total is None else total
            if op == "sum" and not isinstance(total, float) and not -_INT64_END <= total < _INT64_END:
                raise OverflowError(total)
            values[place] = total if op == "sum" else total / count
        else:
            value = _OF_VALUES[op](cells)
            values[place] = bool(value) if is_bool and value is not None else value
