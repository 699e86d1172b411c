"""Rows of a part of a source that were read: how many there were and a sum of their hashes, in spans of time.

A part has a bounded number of spans, so that a table can keep them in its commit. Each is as wide as all others of the
part; where rows come to more spans than may be, they are made wider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from featurectl.core.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US

MOST: Final = 32  # spans of a part
_SHORT: Final = (1, 5, 15)
# Each width is a multiple of the one before; the last, 0, is all of time.
WIDTHS_US: Final = (
    *(n * SECOND_US for n in _SHORT),
    *(n * MINUTE_US for n in _SHORT),
    *(n * HOUR_US for n in (1, 3, 6, 12)),
    *(2**n * DAY_US for n in range(13)),
    0,
)
ALL_OF_TIME: Final = len(WIDTHS_US) - 1
assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS_US))
_END_OF_TIME: Final = 2**62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SpanRows:
    """The rows of a span: their number, the sum of their hashes (None: not all were hashed), how many were left out.

    Those that came late are left out: they are among the rows, but not in the table.
    """

    count: int = 0
    total: int | None = 0
    late: int = 0

    def plus(self, more: SpanRows) -> SpanRows:
        """Return these rows and more."""
        both = None if self.total is None or more.total is None else (self.total + more.total) % 2**64
        return SpanRows(self.count + more.count, both, self.late + more.late)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Rows by one of their clocks: in span `i` those from `i` widths since 1970 on. `first`: the least instant.

    Instants are in microseconds since 1970. `first` None: not known, or there are no rows.
    """

    level: int = 0  # of the width
    first: int | None = None
    rows: Mapping[int, SpanRows] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(rows.count for rows in self.rows.values())

    @property
    def total(self) -> int | None:
        """The sum of the hashes of all rows; None where not all were hashed."""
        return whole.total if (whole := self.at_level(ALL_OF_TIME).rows.get(0)) else 0

    def at_level(self, level: int) -> Spans:
        """Return the same rows in spans that are as wide, or wider.

        >>> minute = Spans(level=3, rows={119: SpanRows(1, 5), 120: SpanRows(2, 7)})
        >>> dict(minute.at_level(6).rows)
        {1: SpanRows(count=1, total=5, late=0), 2: SpanRows(count=2, total=7, late=0)}
        """
        if level <= self.level:
            return self
        made: dict[int, SpanRows] = {}
        for index, rows in self.rows.items():
            wide = index * WIDTHS_US[self.level] // WIDTHS_US[level] if WIDTHS_US[level] else 0
            made[wide] = made[wide].plus(rows) if wide in made else rows
        return replace(self, level=level, rows=made)

    def within(self, most: int) -> Spans:
        """Return the same rows in no more than so many spans."""
        found = self
        while len(found.rows) > most:
            found = found.at_level(found.level + 1)
        return found

    def plus(self, more: Spans) -> Spans:
        """Return these rows and more, in spans as wide as the wider ones."""
        if not self.rows or not more.rows:
            return (more if more.rows else self).at_level(max(self.level, more.level))
        level = max(self.level, more.level)
        made = dict(self.at_level(level).rows)
        for index, rows in more.at_level(level).rows.items():
            made[index] = made.get(index, SpanRows()).plus(rows)
        unknown = self.first is None or more.first is None
        return Spans(level=level, first=None if unknown else min(self.first or 0, more.first or 0), rows=made)

    def with_rows(self, clock: pl.Series, hashes: pl.Series) -> Spans:
        """Return these rows and more, given by their clock and hashes."""
        if clock.is_empty():
            return self
        instants, level = clock.to_physical().alias("at"), self.level
        first, last = instants.min(), instants.max()
        assert isinstance(first, int)
        assert isinstance(last, int)
        while _span(last, level) - _span(first, level) >= MOST and spans_at(instants, level).n_unique() > MOST:
            level += 1
        low, high = hashes.reinterpret(signed=False) % 2**32, hashes.reinterpret(signed=False) // 2**32
        if _span(first, level) == _span(last, level):
            total = (int(low.sum()) + (int(high.sum()) << 32)) % 2**64
            made = {_span(first, level): SpanRows(len(clock), total)}
        else:
            frame = pl.DataFrame({"span": spans_at(instants, level), "low": low, "high": high})
            sums = frame.group_by("span").agg(pl.len(), pl.col("low").sum(), pl.col("high").sum())
            made = {at: SpanRows(count, (low + (high << 32)) % 2**64) for at, count, low, high in sums.iter_rows()}
        return self.plus(Spans(level=level, first=first, rows=made)).within(MOST)

    def hashed(self, *, known: bool) -> Spans:
        """Return the same rows, with the sums of their hashes forgotten where they are not `known`."""
        return self if known else replace(self, rows={at: replace(r, total=None) for at, r in self.rows.items()})

    def left_out(self, late: Mapping[int, int]) -> Spans:
        """Return the same rows, of which so many of each of some spans were left out."""
        return replace(self, rows={at: replace(r, late=late.get(at, r.late)) for at, r in self.rows.items()})

    def ends(self, index: int) -> tuple[datetime, datetime]:
        """Return the first instant of a span and the last one."""
        width = WIDTHS_US[self.level] or _END_OF_TIME
        return as_instant(index * width), as_instant((index + 1) * width - 1)

    def taken(self, since: datetime | None, until: datetime | None) -> Spans:
        """Return the same rows, of which none is left out any more in spans that reach into a range of time."""
        late = {}
        for index, rows in self.rows.items():
            first, last = self.ends(index)
            inside = (until is None or first < until) and (since is None or last >= since)
            late[index] = 0 if inside else rows.late
        return self.left_out(late)

    @property
    def last(self) -> datetime | None:
        """An instant that no row is later than, the end of the last span; None: there are no rows."""
        return self.ends(max(self.rows))[1] if self.rows else None

    def index(self, instant: int) -> int:
        """Return the span of an instant."""
        return _span(instant, self.level)


def _span(instant: int, level: int) -> int:
    return instant // width if (width := WIDTHS_US[level]) else 0


def spans_at(instants: pl.Series, level: int) -> pl.Series:
    """Return the span of each instant, in microseconds since 1970."""
    return instants // width if (width := WIDTHS_US[level]) else instants * 0


def as_instant(microseconds: int) -> datetime:
    """Return an instant; one that no calendar has is the last or the first of them."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return _LAST if microseconds > 0 else _FIRST


def microseconds(instant: datetime) -> int:
    """Return the microseconds of an instant since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRows:
    """The rows of a part that were read, have both clocks and are of the view (`where`, its keys), by either clock.

    `counted` False: nobody has counted them.
    """

    events: Spans = field(default_factory=Spans)
    known: Spans = field(default_factory=Spans)
    counted: bool = True

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.events.count

    def plus(self, more: PartRows) -> PartRows:
        """Return these rows and more."""
        counted = self.counted and more.counted
        return PartRows(events=self.events.plus(more.events), known=self.known.plus(more.known), counted=counted)

    def within(self, most: int) -> PartRows:
        """Return the same rows, in no more than so many spans by each clock."""
        return replace(self, events=self.events.within(most), known=self.known.within(most))

    def taken(self, since: datetime | None, until: datetime | None) -> PartRows:
        """Return the same rows, of which those that happened in a range are not left out any more."""
        events = self.events.taken(since, until)
        some_left = any(rows.late for rows in events.rows.values())
        known = self.known if some_left else self.known.taken(None, None)
        return replace(self, events=events, known=known)

    def hashed(self, *, known: bool) -> PartRows:
        """Return the same rows, with the sums of their hashes forgotten where they are not `known`."""
        return replace(self, events=self.events.hashed(known=known), known=self.known.hashed(known=known))


NOTHING_READ: Final = PartRows()
NOT_COUNTED: Final = PartRows(counted=False)


def rows_without_hashes(
    count: int, events: tuple[datetime | None, datetime | None], known: tuple[datetime | None, datetime | None]
) -> PartRows:
    """Return so many rows of which no more is known than their first and last event times and availabilities."""
    if not count:
        return NOTHING_READ
    by_event, by_availability = (_between(count, *ends) for ends in (events, known))
    return PartRows(events=by_event, known=by_availability)


def _between(count: int, first: datetime | None, last: datetime | None) -> Spans:
    """Return so many rows, all in the span of the first one, and none in that of the last; None: not known."""
    start = None if first is None else microseconds(first)
    if start is None or last is None:
        return Spans(level=ALL_OF_TIME, first=start, rows={0: SpanRows(count, None)})
    rows = {_span(microseconds(last), 0): SpanRows(0, None)} | {_span(start, 0): SpanRows(count, None)}
    return Spans(first=start, rows=rows)
