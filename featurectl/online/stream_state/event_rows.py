"""Rows of one entity in their total order, as arrays: those of a head, of raw records, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from featurectl.online.stream_state.columns import Column, column_of, join_columns, order_column
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.record import EventRecord, tie_order
from featurectl.pit.arrays import Bools, Ints

NameHashes = npt.NDArray[np.uint64]  # hashes of what names an event


class EventRows(NamedTuple):
    """Rows ordered by (event_time, available_at, tiebreak, partition, offset); a column for each input of the layout.

    `is_repeat` are the rows that are known to be copies of an event that became available before; `names` are empty
    where the source has no `dedup_key`. `copy_order` orders rows of one `available_at` among the copies of an event.
    """

    event_us: Ints
    available_us: Ints
    is_repeat: Bools
    names: NameHashes
    copy_order: Ints
    columns: tuple[Column, ...]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return len(self.event_us)

    def take(self, chosen: Bools) -> EventRows:
        """Return the rows that are chosen."""
        if chosen.all():
            return self
        return EventRows(
            self.event_us[chosen],
            self.available_us[chosen],
            self.is_repeat[chosen],
            self.names[chosen] if len(self.names) else self.names,
            self.copy_order[chosen],
            tuple(column.take(chosen) for column in self.columns),
        )

    def seen_at(self, at_us: int) -> EventRows:
        """Return the rows that count at an instant: available by then, and no repeats."""
        if not self.height or (self.available_us.max() <= at_us and not self.is_repeat.any()):
            return self
        return self.take((self.available_us <= at_us) & ~self.is_repeat)


def no_rows(layout: ListLayout) -> EventRows:
    """Return no rows."""
    return rows_of([], layout)


_without_ties = itemgetter(2, 3, 0, 1)  # event_us, available_us, partition, offset


def _in_total_order(record: EventRecord) -> tuple[object, ...]:
    return (record.event_us, record.available_us, tie_order(record), record.partition, record.offset)


def in_order(records: Sequence[EventRecord], layout: ListLayout) -> list[EventRecord]:
    """Return records in the total order of rows."""
    return sorted(records, key=_in_total_order if layout.ties else _without_ties)


def rows_of(records: Sequence[EventRecord], layout: ListLayout) -> EventRows:
    """Return records as rows; which of them are repeats is not known yet."""
    ordered = in_order(records, layout)
    count, dtypes = len(ordered), layout.inputs.values()
    return EventRows(
        np.array([record.event_us for record in ordered], np.int64),
        np.array([record.available_us for record in ordered], np.int64),
        np.zeros(count, np.bool_),
        np.array([record.name_hash for record in ordered] if layout.has_dedup else [], np.uint64),
        _copy_order(ordered) if layout.has_dedup else np.zeros(count, np.int64),
        tuple(column_of(dtype, [r.values[i] for r in ordered]) for i, dtype in enumerate(dtypes)),
    )


def _copy_order(ordered: Sequence[EventRecord]) -> Ints:
    """Return the place of each row among copies of one `available_at`, by the rule of every source's copies.

    The first to happen comes first, of those the one with the greatest tiebreak, of those the first that was sent.
    """
    places = sorted(range(len(ordered)), key=lambda i: ordered[i][:2])
    places.sort(key=lambda i: tie_order(ordered[i]), reverse=True)  # stable: equal ones stay as they were sent
    places.sort(key=lambda i: ordered[i].event_us)
    rank = np.empty(len(ordered), np.int64)
    rank[places] = np.arange(1, len(ordered) + 1)
    return rank


def join_rows(head: EventRows, raw: EventRows, layout: ListLayout) -> EventRows:
    """Return the rows of a head and raw ones together, in order, with the repeats among them.

    Of one instant of availability all rows are in the head, or none: a stamp is folded as a whole.
    """
    if raw.height == 0:
        return head
    joined = raw
    if head.height:
        event_us = np.concatenate((head.event_us, raw.event_us))
        available_us = np.concatenate((head.available_us, raw.available_us))
        places = np.lexsort((available_us, event_us))  # stable: both are in order already
        joined = EventRows(
            event_us[places],
            available_us[places],
            np.concatenate((head.is_repeat, raw.is_repeat))[places],
            np.concatenate((head.names, raw.names))[places] if layout.has_dedup else raw.names,
            np.concatenate((head.copy_order, raw.copy_order))[places],
            tuple(
                order_column(join_columns((one, other)), places)
                for one, other in zip(head.columns, raw.columns, strict=True)
            ),
        )
    return joined._replace(is_repeat=repeats(joined, layout.reach_us)) if layout.has_dedup else joined


def repeats(rows: EventRows, reach_us: int) -> Bools:
    """Return which rows are copies that became available within the reach of the copy before them.

    Of the rows of one stamp in a head, whose `copy_order` is 0, it is known already which is the first.
    """
    if rows.height < 2:  # a row and its copy
        return rows.is_repeat
    places = np.lexsort((rows.copy_order, rows.available_us, rows.names))
    names, available_us, order = rows.names[places], rows.available_us[places], rows.copy_order[places]
    is_same_name, after_us = names[1:] == names[:-1], np.diff(available_us)
    is_same = np.append([False], is_same_name & (after_us == 0))  # name and stamp of the row before
    is_near = np.append([False], is_same_name & (after_us <= reach_us)) & ~is_same
    first = np.maximum.accumulate(np.where(is_same, 0, np.arange(rows.height)))  # of the name and stamp of each row
    found = rows.is_repeat.copy()
    found[places] |= is_near[first] | (is_same & (order > 0))
    return found
