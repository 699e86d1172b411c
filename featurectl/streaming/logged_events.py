"""What a worker has taken and may log: events by partition, until the log has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.dtypes import DATE, TIMESTAMP, decimal_parts, list_item
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.language.definitions.source import Source
from featurectl.offline.event_log import (
    OFFSET,
    OWN_COLUMNS,
    PARTITION,
    REJECTED,
    REJECTED_COLUMNS,
    STAMP,
    column_dtype,
)
from featurectl.online.stream_state.base import StampRange
from featurectl.streaming.read_events import StampedBatch

_LEAST_SIZE: Final = 20  # events


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRange:
    """Offsets of a partition with one stamp that a worker has written to all lists, and the rows of their events.

    `rejected` are the rows of those that don't count, in the table of rejected events.
    """

    range: StampRange
    rows: pl.DataFrame
    rejected: pl.DataFrame


class TakenEvents:
    """What was taken of one partition and is not known to be logged, in the order of offsets, without holes."""

    def __init__(self) -> None:
        self.ranges: deque[TakenRange] = deque()

    @property
    def events(self) -> int:
        """How many rows there are."""
        return sum(taken.rows.height for taken in self.ranges)

    @property
    def size(self) -> int:
        """How much memory they take, in events: a range of few takes about as much as one of 20."""
        return sum(max(_LEAST_SIZE, taken.rows.height) for taken in self.ranges)

    def add(self, taken: Iterable[TakenRange]) -> None:
        """Take note of what is in the lists now; what was taken before from the same offsets on is forgotten."""
        for each in taken:
            while self.ranges and self.ranges[-1].range.end > each.range.first:
                last = self.ranges.pop()
                if last.range.first < each.range.first:
                    self.ranges.append(cut_taken(last, last.range.first, each.range.first))
            if self.ranges and self.ranges[-1].range.end < each.range.first:
                self.ranges.clear()  # a hole: what lies before it was logged by another, or will be taken again
            self.ranges.append(each)

    def forget(self, below: int) -> None:
        """Let go what is logged."""
        while self.ranges and self.ranges[0].range.first < below:
            first = self.ranges.popleft()
            if first.range.end > below:
                self.ranges.appendleft(cut_taken(first, below, first.range.end))
                return

    def loggable(self, end: int, held: Sequence[StampRange], applied_us: int) -> list[TakenRange]:
        """Return what can be logged from an offset on.

        Whole stamps that the register still holds, and that are applied.

        Args:
            end: The first offset that is not logged.
            held: The stamps that the register has of the offsets from there on.
            applied_us: The instant up to which all of the partition is in the lists.
        """
        stamps = {(each.first, each.end, each.stamp) for each in merged_ranges(held)}
        found: list[TakenRange] = []
        for taken in merged_taken(self.ranges, end):
            at = taken.range
            if at.first != end or at.stamp > applied_us or (at.first, at.end, at.stamp) not in stamps:
                break
            found.append(taken)
            end = at.end
        return found


def cut_taken(taken: TakenRange, first: int, end: int) -> TakenRange:
    """Return a part of a range."""
    inside = pl.col(OFFSET).is_between(first, end, closed="left")
    whole = StampRange(first=first, end=end, stamp=taken.range.stamp)
    return TakenRange(range=whole, rows=taken.rows.filter(inside), rejected=taken.rejected.filter(inside))


def merged_ranges(ranges: Iterable[StampRange]) -> list[StampRange]:
    """Return ranges in order, those of one stamp that touch as one.

    >>> [r.end for r in merged_ranges([StampRange(first=0, end=2, stamp=5), StampRange(first=2, end=4, stamp=5)])]
    [4]
    """
    found: list[StampRange] = []
    for each in ranges:
        if found and found[-1].end == each.first and found[-1].stamp == each.stamp:
            found[-1] = StampRange(first=found[-1].first, end=each.end, stamp=each.stamp)
        else:
            found.append(each)
    return found


def merged_taken(ranges: Iterable[TakenRange], first: int) -> list[TakenRange]:
    """Return what was taken from an offset on, what has one stamp as one."""
    found: list[TakenRange] = []
    for each in ranges:
        if each.range.end <= first:
            continue
        taken = cut_taken(each, first, each.range.end) if each.range.first < first else each
        last = found[-1] if found else None
        if last is not None and last.range.end == taken.range.first and last.range.stamp == taken.range.stamp:
            whole = StampRange(first=last.range.first, end=taken.range.end, stamp=taken.range.stamp)
            both = pl.concat([last.rejected, taken.rejected])
            found[-1] = TakenRange(range=whole, rows=pl.concat([last.rows, taken.rows]), rejected=both)
        else:
            found.append(taken)
    return found


def taken_ranges(batch: StampedBatch, stamps: Sequence[StampRange], partition: str, source: Source) -> list[TakenRange]:
    """Return what a batch brings to the log: a row an event, a marker a rejected one, by stamp."""
    rows, rejected = log_rows(batch, partition, source), rejected_rows(batch, partition)
    whole = StampRange(first=stamps[0].first, end=stamps[-1].end, stamp=stamps[0].stamp)
    taken = TakenRange(range=whole, rows=rows, rejected=rejected)
    if len(stamps) == 1:
        return [taken]
    return [replace(cut_taken(taken, each.first, each.end), range=each) for each in stamps]


def rejected_rows(batch: StampedBatch, partition: str) -> pl.DataFrame:
    """Return the rows of the events of a batch that don't count in their table, by offset."""
    rejected = batch.rejected
    columns: dict[str, Sequence[object]] = {
        PARTITION: [partition] * len(rejected),
        OFFSET: [bad.offset for bad in rejected],
        STAMP: [bad.stamp_us for bad in rejected],
        REJECTED: [bad.reason for bad in rejected],
        "column": [bad.column for bad in rejected],
        "value": [bad.value for bad in rejected],
    }
    types = {**OWN_COLUMNS, **REJECTED_COLUMNS}
    return pl.DataFrame([_series(name, values, types[name]) for name, values in columns.items()])


def log_rows(batch: StampedBatch, partition: str, source: Source) -> pl.DataFrame:
    """Return the rows of a batch in the log, by offset."""
    columns: Mapping[str, str] = source.columns or {}
    events, rejected = batch.events, batch.rejected
    own: dict[str, Sequence[object]] = {
        PARTITION: [partition] * (len(events) + len(rejected)),
        OFFSET: [*(event.offset for event in events), *(bad.offset for bad in rejected)],
        STAMP: [*(event.available_us for event in events), *(bad.stamp_us for bad in rejected)],
        REJECTED: [*(None for _ in events), *(bad.reason for bad in rejected)],
    }
    nothing = [None] * len(rejected)
    values = {name: [*(event.row[i] for event in events), *nothing] for i, name in enumerate(columns)}
    types = {**OWN_COLUMNS, **columns}
    series = [_series(name, column, types[name]) for name, column in {**own, **values}.items()]
    frame = pl.DataFrame(series)
    return frame.sort(OFFSET) if rejected else frame


def _series(name: str, values: Sequence[object], dtype: str) -> pl.Series:
    """Return values in the form of the online store as a column of a type."""
    if dtype == TIMESTAMP:
        return pl.Series(name, values, dtype=pl.Int64).cast(INSTANT)
    if dtype == DATE:
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.Int32).cast(pl.Date)
    if decimal_parts(dtype):
        return pl.Series(name, values, dtype=pl.String).cast(polars_dtype(dtype))
    if item := list_item(dtype):
        stored = pl.Int64 if item in (TIMESTAMP, DATE) else pl.String if decimal_parts(item) else polars_dtype(item)
        column = pl.Series(name, values, dtype=pl.List(stored))
        if item == DATE:
            column = column.cast(pl.List(pl.Int32))
        return column.cast(polars_dtype(dtype))
    return pl.Series(name, values, dtype=column_dtype(dtype))
