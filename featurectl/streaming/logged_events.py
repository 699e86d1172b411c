"""What a worker has taken and may log: events by partition, until the log has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

import polars as pl

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
from featurectl.streaming.read_events import RejectedEvent, StampedBatch

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
    """What was taken of one partition and is not known to be logged, in the order of offsets, without holes.

    Events before the offset `settled` need no prediction any more; others are logged before they have theirs only where
    `waits` is False, as predictions wait for the log. `late` are rows of the table of rejected events, of such as were
    logged before it was known that they have no prediction.
    """

    def __init__(self) -> None:
        self.ranges: deque[TakenRange] = deque()
        self.settled = 0
        self.waits = True
        self.late: list[pl.DataFrame] = []

    @property
    def events(self) -> int:
        """How many rows there are."""
        return sum(taken.rows.height for taken in list(self.ranges))  # of any thread

    @property
    def size(self) -> int:
        """How much memory they take, in events: a range of few takes about as much as one of 20."""
        return sum(max(_LEAST_SIZE, taken.rows.height) for taken in self.ranges)

    def add(self, taken: Iterable[TakenRange]) -> None:
        """Take note of what is in the lists now; what was taken before from the same offsets on is forgotten."""
        for each in taken:
            self.settled = min(self.settled, each.range.first)
            while self.ranges and self.ranges[-1].range.end > each.range.first:
                last = self.ranges.pop()
                if last.range.first < each.range.first:
                    self.ranges.append(cut_taken(last, last.range.first, each.range.first))
            if self.ranges and self.ranges[-1].range.end < each.range.first:
                self.ranges.clear()  # a hole: what lies before it was logged by another, or will be taken again
            self.ranges.append(each)

    def settle(self, end: int, unscored: pl.DataFrame | None = None) -> None:
        """Take note that events before an offset need no prediction any more.

        `unscored` are rows of such as have none for the table of rejected events, in the order of their offsets.
        """
        self.settled = max(self.settled, end)
        if unscored is None or unscored.is_empty():
            return
        late = unscored.filter(pl.col(OFFSET) < self.ranges[0].range.first) if self.ranges else unscored
        self.late += [] if late.is_empty() else [late]
        last = unscored[OFFSET].max()
        assert isinstance(last, int)
        for i, each in enumerate([*takewhile(lambda of: of.range.first <= last, self.ranges)]):  # few: the oldest
            if each.range.end > unscored[OFFSET][0]:
                self.ranges[i] = _with_unscored(each, unscored)

    def forget_late(self, logged: Sequence[pl.DataFrame]) -> None:
        """Let go rows of `late` that are logged."""
        there = {id(rows) for rows in logged}
        self.late = [rows for rows in self.late if id(rows) not in there]

    def forget(self, below: int) -> None:
        """Let go what is logged."""
        while self.ranges and self.ranges[0].range.first < below:
            first = self.ranges.popleft()
            if first.range.end > below:
                self.ranges.appendleft(cut_taken(first, below, first.range.end))
                return

    def loggable(
        self, end: int, held: Sequence[StampRange], applied_us: int, *, waits: bool = True
    ) -> list[TakenRange]:
        """Return what can be logged from an offset on.

        Whole stamps that the register still holds, that are applied, and whose events are settled where that is waited
        for.

        Args:
            end: The first offset that is not logged.
            held: The stamps that the register has of the offsets from there on.
            applied_us: The instant up to which all of the partition is in the lists.
            waits: Whether predictions are waited for, as far as `self.waits` says so, too.
        """
        stamps = {(each.first, each.end, each.stamp) for each in merged_ranges(held)}
        found: list[TakenRange] = []
        for taken in merged_taken(self.ranges, end):
            at = taken.range
            if (
                at.first != end
                or (waits and self.waits and at.end > self.settled)
                or at.stamp > applied_us
                or (at.first, at.end, at.stamp) not in stamps
            ):
                break
            found.append(taken)
            end = at.end
        return found


def _with_unscored(taken: TakenRange, unscored: pl.DataFrame) -> TakenRange:
    inside = unscored.filter(pl.col(OFFSET).is_between(taken.range.first, taken.range.end, closed="left"))
    if inside.is_empty():
        return taken
    return replace(taken, rejected=pl.concat([taken.rejected, inside]).sort(OFFSET, maintain_order=True))


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


def with_stamps(known: Sequence[StampRange], given: Sequence[StampRange]) -> list[StampRange]:
    """Return what a worker knows of stamps with those of a claim, which are newer.

    >>> known = [StampRange(first=0, end=9, stamp=1)]
    >>> [(r.first, r.end, r.stamp) for r in with_stamps(known, [StampRange(first=4, end=6, stamp=2)])]
    [(0, 4, 1), (4, 6, 2), (6, 9, 1)]
    """
    if not given:
        return list(known)
    first, end = given[0].first, given[-1].end
    before = [StampRange(first=r.first, end=min(r.end, first), stamp=r.stamp) for r in known if r.first < first]
    after = [StampRange(first=max(r.first, end), end=r.end, stamp=r.stamp) for r in known if r.end > end]
    return [*before, *given, *after]


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
    rows, rejected = log_rows(batch, partition, source), rejected_rows(batch.rejected, partition)
    whole = StampRange(first=stamps[0].first, end=stamps[-1].end, stamp=stamps[0].stamp)
    taken = TakenRange(range=whole, rows=rows, rejected=rejected)
    if len(stamps) == 1:
        return [taken]
    return [replace(cut_taken(taken, each.first, each.end), range=each) for each in stamps]


def rejected_rows(rejected: Sequence[RejectedEvent], partition: str) -> pl.DataFrame:
    """Return the rows of events in the table of rejected ones, by offset."""
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
        OFFSET: [event.offset for event in events] + [bad.offset for bad in rejected],
        STAMP: [event.available_us for event in events] + [bad.stamp_us for bad in rejected],
        REJECTED: [None] * len(events) + [bad.reason for bad in rejected],
    }
    nothing = (None,) * len(rejected)
    # The columns of `select` lie behind those of the source.
    found = [*zip(*[event.row for event in events], strict=True)] if events else [()] * len(columns)
    values = {name: found[i] + nothing for i, name in enumerate(columns)}
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
