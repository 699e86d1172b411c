"""The rows of many lists of one layout as arrays of all of them, which take as many steps as those of one list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.base import EntityList, is_head
from featurectl.online.stream_state.event_rows import in_order
from featurectl.online.stream_state.head import PackedHead, open_head
from featurectl.online.stream_state.joined_columns import join_ints, join_packed, join_sorted
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.packed_columns import Column, column_of, join_columns, order_column
from featurectl.online.stream_state.parsed_list import counted_records
from featurectl.online.stream_state.record import EventRecord
from featurectl.pit.arrays import Bools, Ints, running_total

_NO_HEAD: Final = PackedHead(0, None, (), 0, b"", b"", b"", ())
_KEYS_END: Final = 1 << 62


class OpenedList(NamedTuple):
    """A list whose head is not unpacked yet, with the records behind it that count, in their order."""

    head: PackedHead
    records: Sequence[EventRecord]


def open_list(found: EntityList, layout: ListLayout) -> OpenedList | None:
    """Return a list as it can be joined to others; None where it has to be read alone, or holds something wrong."""
    elements, head = found.elements, _NO_HEAD
    if not elements:
        return None
    try:
        if is_head(elements[0]):
            opened = open_head(elements[0], layout)
            if opened is None or len(elements) == 1:
                return None if opened is None else OpenedList(opened, ())
            head, elements = opened, elements[1:]
        if layout.has_dedup:
            return None  # which of its rows are repeats is to be found anew
        frontier = dict(zip(head.frontier[::2], head.frontier[1::2], strict=True))
        records = counted_records(elements, layout, frontier, found.marks)
    except (StoreError, ValueError, TypeError, LookupError, OverflowError):
        return None  # who reads it alone says what is wrong
    return OpenedList(head, in_order(records, layout) if len(records) > 1 else records)


class JoinedRows(NamedTuple):
    """Rows of many lists that count, list after list, each in its order; columns are by their places in the layout.

    `ends` has where each list begins, and the end of all. `keys` ascend: they are event times, those of each list as
    far from those of the one before as `span` says, and 0 in the first list is at `base_us`. `stamps` are instants of
    availability, likewise.
    """

    ends: Ints
    keys: Ints
    stamps: Ints
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
        return self._replace(ends=ends, keys=self.keys[kept], stamps=self.stamps[kept], columns=columns)


def join_lists(lists: Sequence[OpenedList], layout: ListLayout, wanted: Iterable[int], at_us: Ints) -> JoinedRows:
    """Return the rows of lists that count at an instant each, with the columns that are wanted.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError, StoreError: one of them is broken, or can't be joined.
    """
    dtypes = [*layout.inputs.values()]
    columns = {i: dtypes[i] for i in wanted}
    records = [
        [record for record in one.records if record.available_us <= instant]
        for one, instant in zip(lists, at_us.tolist(), strict=True)
    ]
    times = [record.event_us for some in records for record in some]
    rows = _of_heads([one.head for one in lists], columns, times, at_us)
    return _with_records(rows, records, columns) if times else rows


def _of_heads(
    heads: Sequence[PackedHead], columns: Mapping[int, str], others_us: Sequence[int], at_us: Ints
) -> JoinedRows:
    """Return the rows of heads that count; the keys leave room for other times."""
    filled = [head for head in heads if head.rows]
    counts = np.array([head.rows for head in filled], np.int64)
    ends = running_total(np.array([head.rows for head in heads], np.int64))
    owners = np.flatnonzero(np.diff(ends))
    keys, firsts, lasts = join_sorted([head.event_us for head in filled], counts)
    base_us = min((*firsts.tolist(), *others_us), default=0)
    span = (
        max((*lasts.tolist(), *others_us), default=0) - base_us + 2
    )  # so that between two lists is room for "before all" and "behind all"
    if span * len(heads) >= _KEYS_END:
        raise OverflowError(span)
    keys += np.repeat(firsts - base_us + owners * span, counts)
    stamps = join_ints([head.delays for head in filled], counts)
    stamps += keys
    joined = {i: join_packed([head.columns[i] for head in filled], dtype, counts) for i, dtype in columns.items()}
    rows = JoinedRows(ends, keys, stamps, base_us, span, joined)
    until = at_us[owners] - base_us + owners * span
    late = len(filled) and (np.maximum.reduceat(stamps, ends[owners]) > until).any()
    if not late and not any(head.repeats for head in filled):
        return rows
    return rows.take((stamps <= np.repeat(until, counts)) & ~_repeats(filled, counts))


def _repeats(filled: Sequence[PackedHead], counts: Ints) -> Bools:
    """Return which rows of heads are repeats."""
    found, end = np.zeros(int(counts.sum()), np.bool_), 0
    for head in filled:
        if head.repeats:
            found[end : end + head.rows] = np.unpackbits(np.frombuffer(head.repeats, np.uint8), count=head.rows)
        end += head.rows
    return found


def _with_records(rows: JoinedRows, records: Sequence[Sequence[EventRecord]], columns: Mapping[int, str]) -> JoinedRows:
    """Return rows with records in their places."""
    counts = np.array([*map(len, records)], np.int64)
    listed = [record for some in records for record in some]
    times = np.array([(record.event_us, record.available_us) for record in listed], np.int64) - rows.base_us
    times += np.repeat(np.arange(len(counts)) * rows.span, counts)[:, np.newaxis]
    keys, stamps = (np.concatenate((one, other)) for one, other in zip((rows.keys, rows.stamps), times.T, strict=True))
    places = np.argsort(keys, kind="stable")  # two runs, which takes one pass
    in_order = keys[places]
    if (in_order[1:] == in_order[:-1]).any():
        places = np.lexsort((stamps, keys))  # of equal rows those of the head stay before
    joined = {}
    for i, dtype in columns.items():
        column = column_of(dtype, [record.values[i] for record in listed])
        joined[i] = order_column(join_columns(rows.columns[i], column), places)
    ends = rows.ends + running_total(counts)
    return rows._replace(ends=ends, keys=in_order, stamps=stamps[places], columns=joined)
