"""What many lists say is found by compiled loops, where the extra `fast` is installed: the bits of `joined_values.py`.

The loops are given to it, as `loading.py` has loaded them; what they find becomes values by feature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList, counts_whole
from featurectl.online.stream_state.compiled.shapes import (
    BOOLEAN,
    COUNT_OF,
    DEVIATION,
    FIRST,
    FLOAT,
    GREATEST,
    INTEGER,
    LAST,
    LEAST,
    MEAN,
    NEVER_US,
    OTHERS,
    SQUARES,
    SUM,
    TEXT,
    VARIANCE,
    ListShape,
    ReadFeatures,
)
from featurectl.online.stream_state.joined_values import ZERO
from featurectl.online.stream_state.known_answers import ReadValues
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.list_columns import ListColumns
from featurectl.online.stream_state.received_lists import ReceivedLists, in_memory

# What an aggregate is of a cell, and which number of the cell it needs.
_AGGREGATES: Final[Mapping[str, tuple[int, int]]] = {
    "count": (COUNT_OF, FIRST), "sum": (SUM, SUM), "mean": (MEAN, SUM), "min": (LEAST, LEAST), "all": (LEAST, LEAST),
    "max": (GREATEST, LEAST), "any": (GREATEST, LEAST), "first": (FIRST, FIRST), "last": (LAST, FIRST),
    "var": (VARIANCE, SQUARES), "var_pop": (VARIANCE, SQUARES),
    "stddev": (DEVIATION, SQUARES), "stddev_pop": (DEVIATION, SQUARES),
}  # fmt: skip
_KINDS: Final = {FLOAT64: FLOAT, INT64: INTEGER, DATE: INTEGER, TIMESTAMP: INTEGER, BOOL: BOOLEAN, STRING: TEXT}
_LESS: Final = ("var", "stddev")  # are divided by one less than the count
_ALWAYS_FLOATS: Final = ("mean", "var", "var_pop", "stddev", "stddev_pop")


class Loops(NamedTuple):
    """The compiled loops, in the order in which they are called; `replies` finds the replies of a Redis."""

    elements: Callable[..., Any]
    rows: Callable[..., Any]
    windows: Callable[..., ReadFeatures]
    replies: Callable[..., int]


class CompiledReader:
    """Answers the features of a view from many lists of one layout, of such as `JoinedReader.knows`."""

    def __init__(self, features: Sequence[Feature], layout: ListLayout, loops: Loops) -> None:
        self._loops, self._layout = loops, layout
        self._order = sorted(range(len(features)), key=lambda i: not self._is_float(features[i]))
        self._floats = sum(map(self._is_float, features))
        self._bools = [place for place, i in enumerate(self._order) if features[i].dtype == BOOL]
        self._shape = shape_of([features[i] for i in self._order], layout)
        self._places = [self._order.index(i) for i in range(len(features))]

    def _is_float(self, feature: Feature) -> bool:
        if feature.op == "count" or feature.column is None:
            return False
        return feature.op in _ALWAYS_FLOATS or self._layout.inputs[feature.column] == FLOAT64

    def answers(self, found: Sequence[EntityList | None], asof_us: int) -> list[ReadValues | None]:
        """Return what lists say as of a register's `asof` or that of their heads; None where others have to say it."""
        columns = self.columns(found, asof_us)
        return [None] * len(found) if columns is None else columns.rows()

    def columns(self, found: Sequence[EntityList | None], asof_us: int) -> ListColumns | None:
        """Return what `answers` does, by feature; None where there is nothing to read."""
        memory, list_ends = found.elements() if isinstance(found, ReceivedLists) else in_memory([*map(_counted, found)])
        if not len(memory.ends):
            return None
        octets, words, shape = memory.octets, memory.words, self._shape
        opened = self._loops.elements(octets, words, memory.begins, memory.ends, list_ends, shape, asof_us)
        rows = self._loops.rows(octets, words, shape, asof_us, opened)
        return self._columns(self._loops.windows(shape, asof_us, opened, rows), opened.is_read.tolist())

    def _columns(self, found: ReadFeatures, is_read: list[bool]) -> ListColumns:
        """Return what was found of each list."""
        end = self._floats
        columns: list[list[object]] = [*found.values[:end].view(np.float64).tolist(), *found.values[end:].tolist()]
        for i in self._bools:
            columns[i] = [*map(bool, columns[i])]
        nulls = [i for i, lacks in enumerate(found.lacks.tolist()) if lacks]
        for i in nulls:
            column = columns[i]
            for place in np.flatnonzero(~found.has_value[i]).tolist():
                column[place] = None
        event_us, at_us, until_us = found.instants.tolist()
        has_events = NEVER_US not in event_us
        if not has_events:
            event_us = [None if event == NEVER_US else event for event in event_us]
        nulls = [self._order[i] for i in nulls]
        values = [columns[place] for place in self._places]
        return ListColumns(values, nulls, event_us, at_us, until_us, is_read, has_events and all(is_read))


def _counted(found: EntityList | None) -> Sequence[bytes]:
    """Return the elements of a list, none of one of which some do not count."""
    return found.elements if found is not None and (found.marks is None or counts_whole(found)) else ()


def shape_of(features: Sequence[Feature], layout: ListLayout) -> ListShape:
    """Return what the loops have to know of features, in this order."""
    columns = [*dict.fromkeys(f.column for f in features if f.column is not None)]
    windows = [*dict.fromkeys((f.window_us or 0, f.offset_us) for f in features)]
    cells: dict[tuple[int, int], int] = {}
    wanted: list[tuple[int, int, int]] = []
    for feature in features:
        what, number = _AGGREGATES[feature.op]
        slot = -1 if feature.column is None else columns.index(feature.column)
        cell = slot, windows.index((feature.window_us or 0, feature.offset_us))
        cells[cell] = cells.get(cell, 0) | 1 << number
        wanted.append(([*cells].index(cell), what, int(feature.op in _LESS)))
    return ListShape(
        kinds=np.array([*map(_kind, (*layout.ties, *layout.inputs.values()))], np.int64),
        slots=np.array([columns.index(name) if name in columns else -1 for name in layout.inputs], np.int64),
        floats=np.array([layout.inputs[name] == FLOAT64 for name in columns], np.bool_),
        has_names=layout.has_dedup,
        windows=np.array(windows, np.int64).reshape(-1, 2),
        cells=np.array([(slot, bits, window) for (slot, window), bits in cells.items()], np.int64).reshape(-1, 3),
        features=np.array(wanted, np.int64).reshape(-1, 3),
        begins_behind=layout.closed not in ("left", "both"),
        ends_with=layout.closed in ("right", "both"),
        zero=ZERO,
        has_ties=bool(layout.ties),
    )


def _kind(dtype: str) -> int:
    return TEXT if decimal_parts(dtype) else _KINDS.get(dtype, OTHERS)
