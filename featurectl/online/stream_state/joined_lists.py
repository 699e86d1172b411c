"""The rows of many lists of one layout as arrays of all of them, which take as many steps as those of one list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.base import EntityList, is_head
from featurectl.online.stream_state.head import PackedHead, open_head, open_heads
from featurectl.online.stream_state.joined_columns import join_ints, join_packed, join_sorted
from featurectl.online.stream_state.joined_records import JoinedRecords, RawRecords, join_records
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.packed_columns import Column, join_columns, order_column
from featurectl.online.stream_state.packed_times import BY_HEAD, INSTANTS, last_available
from featurectl.pit.arrays import Bools, Ints, running_total

_NO_HEAD: Final = PackedHead(0, None, (), 0, b"", b"", b"", b"", ())
_NO_RECORDS: Final = RawRecords([], {}, None)
_KEYS_END: Final = 1 << 62


class OpenedList(NamedTuple):
    """A list whose head is not unpacked yet, and the records behind it."""

    head: PackedHead
    raw: RawRecords


def open_list(found: EntityList, layout: ListLayout) -> OpenedList | None:
    """Return a list as it can be joined to others; None where it has to be read alone, or holds something wrong."""
    elements, head = found.elements, _NO_HEAD
    if not elements:
        return None
    try:
        if is_head(elements[0]):
            opened = open_head(elements[0], layout)
            if opened is None:
                return None
            head, elements = opened, elements[1:]
        frontier = dict(zip(head.frontier[::2], head.frontier[1::2], strict=True)) if elements else {}
    except (StoreError, ValueError, TypeError, LookupError, OverflowError):
        return None  # who reads it alone says what is wrong
    return OpenedList(head, RawRecords(elements, frontier, found.marks))


def open_lists(found: Sequence[EntityList | None], layout: ListLayout) -> list[OpenedList | None]:
    """Return lists as `open_list` does each; the usual ones, which begin with a head, take less time together."""
    places = [i for i, one in enumerate(found) if one is not None and one.elements and is_head(one.elements[0])]
    heads = open_heads([found[i].elements[0] for i in places], layout) if places else []  # type: ignore[union-attr]
    if heads is None:
        return [None if one is None else open_list(one, layout) for one in found]
    opened: list[OpenedList | None] = [None] * len(found)
    for i, head in zip(places, heads, strict=True):
        elements, marks = cast("EntityList", found[i])
        raw = _NO_RECORDS
        if len(elements) > 1 or marks is not None:
            frontier = dict(zip(head.frontier[::2], head.frontier[1::2], strict=True)) if len(elements) > 1 else {}
            raw = RawRecords(elements[1:], frontier, marks)
        opened[i] = OpenedList(head, raw)
    if len(places) < len(found):
        for i, one in enumerate(found):
            if one is not None and opened[i] is None:
                opened[i] = open_list(one, layout)
    return opened


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
    heads: Sequence[PackedHead], columns: Mapping[int, str], others_us: Sequence[int], at_us: Ints
) -> tuple[JoinedRows, Callable[[], Ints]]:
    """Return the rows of heads that count, and what says, as keys are, when these became available.

    Keys have room for others, of so many instants.
    """
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
    joined = {i: join_packed([head.columns[i] for head in filled], dtype, counts) for i, dtype in columns.items()}
    rows = JoinedRows(ends, keys, base_us, span, joined)
    if _all_count(filled, lasts, at_us[owners]):
        return rows, lambda: _stamps(filled, keys, counts, owners * span - base_us)
    stamps = _stamps(filled, keys, counts, owners * span - base_us)
    until = at_us[owners] - base_us + owners * span
    kept = (stamps <= np.repeat(until, counts)) & ~_repeats(filled, counts)
    return rows.take(kept), lambda: stamps[kept]


def _all_count(filled: Sequence[PackedHead], lasts: Ints, at_us: Ints) -> bool:
    """Return whether all rows of heads count at an instant each, as far as that is known without their stamps."""
    return all(
        not head.repeats
        and (
            (head.available_us[0] & BY_HEAD and head.asof_us <= instant_us)
            or last_available(head.available_us, head.asof_us, last_us, head.rows) <= instant_us
        )
        for head, last_us, instant_us in zip(filled, lasts.tolist(), at_us.tolist(), strict=True)
    )


def _stamps(filled: Sequence[PackedHead], keys: Ints, counts: Ints, moved_us: Ints) -> Ints:
    """Return when the rows of heads became available, as keys, which are so much more than instants."""
    found = join_ints([head.available_us[1:] for head in filled], counts)
    forms = np.array([head.available_us[0] for head in filled], np.int64)
    found += np.where(np.repeat(forms & INSTANTS == 0, counts), keys, np.repeat(moved_us, counts))
    return found


def _repeats(filled: Sequence[PackedHead], counts: Ints) -> Bools:
    """Return which rows of heads are repeats."""
    found, end = np.zeros(int(counts.sum()), np.bool_), 0
    for head in filled:
        if head.repeats:
            found[end : end + head.rows] = np.unpackbits(np.frombuffer(head.repeats, np.uint8), count=head.rows)
        end += head.rows
    return found


def _with_records(
    rows: JoinedRows, stamps: Callable[[], Ints], records: JoinedRecords, columns: Mapping[int, Column]
) -> JoinedRows:
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
        both = np.concatenate((stamps(), stamps_behind)), np.concatenate((rows.keys, keys))
        places = np.lexsort(both)  # of equal rows those of the head stay before
    joined = {i: order_column(join_columns(column, columns[i]), places) for i, column in rows.columns.items()}
    ends = rows.ends + running_total(np.bincount(records.owners, minlength=len(rows.ends) - 1))
    return rows._replace(ends=ends, keys=np.concatenate((rows.keys, keys))[places], columns=joined)
