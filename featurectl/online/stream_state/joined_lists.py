"""The rows of many lists of one layout as arrays of all of them, which take as many steps as those of one list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.base import EntityList, is_head
from featurectl.online.stream_state.columns import Column, join_columns, order_column
from featurectl.online.stream_state.head import Head, no_head, unpack_head
from featurectl.online.stream_state.joined_records import JoinedRecords, RawRecords, join_records
from featurectl.online.stream_state.layout import ListLayout
from featurectl.pit.arrays import Bools, Ints, running_total

_KEYS_END: Final = 1 << 62
_MANY: Final = 10_000  # rows of a list that is not joined to others


class OpenedList(NamedTuple):
    """A list whose head has neither tiles nor `lifetime`, and the records behind it, which are packed yet."""

    head: Head
    raw: RawRecords


def open_lists(found: Sequence[EntityList | None], layout: ListLayout) -> list[OpenedList | None]:
    """Return lists as they can be joined to others; None where one is to be read alone, or holds something wrong."""
    none = no_head(layout)
    return [None if one is None or not one.elements else _opened(one, layout, none) for one in found]


def _opened(found: EntityList, layout: ListLayout, head: Head) -> OpenedList | None:
    elements = found.elements
    if is_head(elements[0]):
        try:
            head = unpack_head(elements[0], layout)
        except StoreError:
            return None  # who reads it alone says what is wrong
        if head.tiles.height or head.lifetime is not None or head.rows.height > _MANY:
            return None
        elements = elements[1:]
    return OpenedList(head, RawRecords(elements, head.frontier, found.marks))


class JoinedRows(NamedTuple):
    """Rows of many lists that count, list after list, each in its order; columns are by their places in the layout.

    `ends` has where each list begins, and the end of all. `keys` ascend: they are event times, those of each list as
    far from those of the one before as `span` says, and 0 in the first list is at `base_us`.
    """

    ends: Ints
    keys: Ints
    base_us: int
    span: int
    columns: Mapping[int, Column]

    def before(self, at_us: Ints, *, inclusive: bool) -> Ints:
        """Return where the rows of each list end that are before an instant, or at it, too."""
        wanted = np.minimum(np.maximum(at_us - self.base_us, -1), self.span - 1)  # np.clip takes three times as long
        wanted += np.arange(0, len(at_us) * self.span, self.span)
        return self.keys.searchsorted(wanted, "right" if inclusive else "left")

    def event_us(self, places: Ints, lists: Ints) -> Ints:
        """Return the event times of rows, with the lists that they are of."""
        return self.keys[places] + (self.base_us - lists * self.span)

    def take(self, kept: Bools) -> JoinedRows:
        """Return some of the rows."""
        ends = running_total(kept)[self.ends]
        columns = {i: column.take(kept) for i, column in self.columns.items()}
        return self._replace(ends=ends, keys=self.keys[kept], columns=columns)


def join_lists(lists: Sequence[OpenedList], layout: ListLayout, wanted: Iterable[int], at_us: Ints) -> JoinedRows:
    """Return the rows of lists that count at an instant each, with the columns that are wanted.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError, StoreError: one of them is broken, or can't be joined.
    """
    dtypes = [*layout.inputs.values()]
    columns = {i: dtypes[i] for i in wanted}
    raw = [one.raw for one in lists]
    records = None
    if any(one.elements for one in raw):
        found = join_records(raw, layout)
        records = found.take(found.available_us <= at_us[found.owners])
    others_us = [] if records is None or not len(records.owners) else [records.event_us.min(), records.event_us.max()]
    rows, stamps = _of_heads([one.head for one in lists], columns, [*map(int, others_us)], at_us)
    if records is None or not others_us:
        return rows
    return _with_records(rows, stamps, records, {i: records.column(i, dtype, layout) for i, dtype in columns.items()})


def _of_heads(
    heads: Sequence[Head], columns: Iterable[int], others_us: Sequence[int], at_us: Ints
) -> tuple[JoinedRows, Ints]:
    """Return the rows of heads that count, and when these became available, as keys are.

    Keys have room for others, of so many instants.
    """
    counts = np.array([head.rows.height for head in heads], np.int64)
    keys = np.concatenate([head.rows.event_us for head in heads])
    stamps = np.concatenate([head.rows.available_us for head in heads])
    known_us = [*others_us, *((int(keys.min()), int(keys.max())) if len(keys) else ())]
    base_us = min(known_us, default=0)
    span = max(known_us, default=0) - base_us + 2  # between two lists is room for "before all" and "behind all"
    if span * len(heads) >= _KEYS_END:
        raise OverflowError(span)
    joined = {i: join_columns([head.rows.columns[i] for head in heads]) for i in columns}
    kept = stamps <= np.repeat(at_us, counts)
    kept &= ~np.concatenate([head.rows.is_repeat for head in heads])
    moved_us = np.repeat(np.arange(len(heads)) * span - base_us, counts)
    keys += moved_us
    stamps += moved_us
    rows = JoinedRows(running_total(counts), keys, base_us, span, joined)
    return (rows, stamps) if kept.all() else (rows.take(kept), stamps[kept])


def _with_records(rows: JoinedRows, stamps: Ints, records: JoinedRecords, columns: Mapping[int, Column]) -> JoinedRows:
    """Return rows, of which `stamps` says when they became available, and records in their places."""
    moved = records.owners * rows.span - rows.base_us
    keys, stamps_behind = records.event_us + moved, records.available_us + moved
    order = np.lexsort((stamps_behind, keys))
    at, count = rows.keys.searchsorted(keys[order]), len(rows.keys)
    places = np.empty(count + len(order), np.int64)  # of rows, then of records
    places[behind := at + np.arange(len(order))] = order + count
    is_row = np.ones(len(places), np.bool_)
    is_row[behind] = False
    places[is_row] = np.arange(count)
    if count and (rows.keys[np.minimum(at, count - 1)] == keys[order]).any():
        both = np.concatenate((stamps, stamps_behind)), np.concatenate((rows.keys, keys))
        places = np.lexsort(both)  # of equal rows those of the head stay before
    joined = {i: order_column(join_columns((column, columns[i])), places) for i, column in rows.columns.items()}
    ends = rows.ends + running_total(np.bincount(records.owners, minlength=len(rows.ends) - 1))
    return rows._replace(ends=ends, keys=np.concatenate((rows.keys, keys))[places], columns=joined)
