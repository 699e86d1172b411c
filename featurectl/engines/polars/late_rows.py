"""Rows that came late: of those that may have, the ones that a table lacks, and what became of those read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, reduce
from typing import Final

import polars as pl

from featurectl.engines.base import EarlierRows
from featurectl.engines.clocks import AVAILABLE, CLOCKS, EVENT, HASH, as_read, sort_copies
from featurectl.engines.part_changes import ComparedRows, ComparedSpans, compare_rows
from featurectl.engines.polars.part_rows import EarlierTally, PartTally, leave_out, plus_frame
from featurectl.engines.polars.read_rows import NAMED, for_table
from featurectl.engines.shuffle import Shuffle
from featurectl.engines.spans import NOTHING_READ, PartRows, SpanRows, Spans, as_instant, microseconds, spans_at
from featurectl.pit.questions import DEDUP, TIE_ORDER

SEEN: Final = "\x00seen"
_AT_ONCE: Final = 1_000_000  # rows of which the table is looked through


@dataclass(slots=True)
class LateEvents:
    """How many rows came late, and the least and the greatest of their event times; `same` are not among them.

    Those are rows that the table has as they are.
    """

    count: int = 0
    same: int = 0
    ends: tuple[datetime, datetime] | None = None

    def add(self, events: pl.Series) -> None:
        """Take note of the event times of some rows."""
        first, last = events.min(), events.max()
        if isinstance(first, datetime) and isinstance(last, datetime):
            self.plus(LateEvents(count=len(events), ends=(first, last)))

    def plus(self, more: LateEvents) -> None:
        """Take note of what was seen of other rows."""
        self.count += more.count
        self.same += more.same
        if more.ends is not None:
            before = self.ends or more.ends
            self.ends = min(before[0], more.ends[0]), max(before[1], more.ends[1])


@dataclass(slots=True, kw_only=True)
class LateRows:
    """Rows that may have come late, some at a time; `apart` keeps those with a name that the table lacks.

    Of these only the first of each event in the order of copies counts. `clock` is the time by which they can be taken.
    """

    seen: EarlierRows
    apart: Shuffle
    named: bool
    order: Sequence[str]
    clock: pl.Expr = field(default_factory=lambda: pl.col(EVENT))
    found: LateEvents = field(default_factory=LateEvents, init=False)
    lacked: PartRows = field(default=NOTHING_READ, init=False)
    _waiting: list[pl.DataFrame] = field(default_factory=list, init=False)

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows."""
        self._waiting.append(rows.select(*self.order, *([NAMED] if self.named else [])))
        if sum(frame.height for frame in self._waiting) >= _AT_ONCE:
            self.tell()

    def tell(self) -> None:
        """Count the rows that wait: those that the table lacks, and the others."""
        if not self._waiting:
            return
        late = pl.concat(self._waiting)
        self._waiting.clear()
        others = self._without_copies(late) if self.named else self._without_same(late)
        self.lacked = plus_frame(self.lacked, others)
        if not self.named:
            self.found.plus(LateEvents(same=late.height - others.height))
            self.found.add(others.select(self.clock).to_series())
        elif others.height:
            self.apart.add(others)

    def _without_same(self, late: pl.DataFrame) -> pl.DataFrame:
        for rows in self.seen.table() if self.seen.table and late.height else ():
            late = late.join(rows, left_on=HASH, right_on=TIE_ORDER, how="anti")
        return late

    def _without_copies(self, late: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of events of which the table has none before them."""
        for rows in self.seen.table() if self.seen.table and late[NAMED].count() else ():
            both = late.join(
                as_read(rows).rename({DEDUP: NAMED}), on=NAMED, how="left", suffix=SEEN, maintain_order="left"
            )
            late = both.filter(pl.col(f"{HASH}{SEEN}").is_null() | precedes(self.order)).select(late.columns)
        return late


def precedes(order: Sequence[str]) -> pl.Expr:
    """Return whether a row counts before the copy of its event that was seen."""
    found = pl.lit(value=False)
    for column in reversed(order):
        new, old = pl.col(column), pl.col(f"{column}{SEEN}")
        if column in (*CLOCKS, HASH):
            found = (new < old) | ((new == old) & found)
        else:  # a `tiebreak` column, of which a null is greatest
            greater = (new > old).fill_null(new.is_null() & old.is_not_null())
            found = greater | (new.eq_missing(old) & found)
    return found


def events_apart(apart: Shuffle, order: Sequence[str], clock: pl.Expr | None = None) -> LateEvents:
    """Return the events of rows with a name, the first row of each; those without a name are events of their own."""
    found = LateEvents()
    for part in range(apart.parts) if apart.height else ():
        rows = sort_copies(apart.of(part, apart.parts), order)
        first = rows.filter(pl.col(NAMED).is_null() | pl.col(NAMED).is_first_distinct())
        found.add(first.select(pl.col(EVENT) if clock is None else clock).to_series())
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFinder:
    """Finds late rows of parts that were looked at again, which `reread` reads once more where it is not plain.

    `lacking` makes an empty collection of rows that a table may lack. None: there is no table of the rows, and so many
    of a span came late as there are more than before, but for those known later than `taken_after`.
    """

    reread: Callable[[PartTally], Iterator[pl.DataFrame]]  # gives the rows of a part up to its piece's beginning
    lacking: Callable[[], LateRows] | None
    taken_after: datetime | None = None

    def settle(self, parts: Sequence[PartTally], earlier: EarlierTally, behind: LateRows) -> LateEvents:
        """Return what came late of parts with one tally; `behind` are the rows behind those read before."""
        if earlier.has_grown:
            behind.tell()
            if self.lacking is not None:
                _leave_out(parts, *(_late_too(b, m) for b, m in _by_clock(earlier.before, behind.lacked)))
            return behind.found
        whole = _whole(parts)
        compared = compare_rows(earlier.before, earlier.now, whole, NOTHING_READ if self.lacking else None)
        found = LateEvents()
        if self.lacking is not None and not compared.are_cut_between_spans:
            lacking = self.lacking()
            self._look_closer(parts, compared, lacking)
            compared = compare_rows(earlier.before, earlier.now, whole, lacking.lacked)
            found = _late_among(lacking, compared, parts[0])
        elif self.lacking is None:
            found = _late_by_spans(compared, self.taken_after)
        if self.lacking is not None:
            _leave_out(parts, *(_left_out(spans) for spans in (compared.events, compared.known)))
        is_cut = not whole.count or (earlier.in_place and not earlier.now.count)  # of all that was read
        earlier.changed = None if is_cut else compared.changed(whole.events.first)
        if self.lacking is None and earlier.changed is not None and (known := compared.first_lost()) is not None:
            earlier.changed = min(earlier.changed[0], known), earlier.changed[1]
        return found

    def _look_closer(self, parts: Sequence[PartTally], compared: ComparedRows, lacking: LateRows) -> None:
        """Collect the rows of spans that are not as before."""
        differs = pl.lit(value=False)
        for clock, spans in ((EVENT, compared.events), (AVAILABLE, compared.known)):
            level, chosen = spans.now.level, pl.Series(spans.differing, dtype=pl.Int64).implode()
            differs |= pl.col(clock).map_batches(partial(_spans_of, level=level), pl.Int64).is_in(chosen)
        for part in parts:
            for rows in self.reread(part):
                lacking.add(rows.filter(differs & for_table(part.piece)))
        lacking.tell()


def _spans_of(clock: pl.Series, level: int) -> pl.Series:
    return spans_at(clock.to_physical(), level)


def _late_among(lacking: LateRows, compared: ComparedRows, part: PartTally) -> LateEvents:
    """Return the late rows among those that the table lacks."""
    events = events_apart(lacking.apart, lacking.order) if lacking.named else lacking.found
    since = None if part.piece.since is None else microseconds(part.piece.since)
    same = 0 if lacking.named else compared.events.repeated(since)
    count = min(events.count, compared.came)
    return LateEvents(count=count, same=same, ends=events.ends if count else None)


def _late_by_spans(compared: ComparedRows, taken_after: datetime | None) -> LateEvents:
    """Return as many late rows as spans have more than before; of their times only the spans are known."""
    events, known = compared.events, compared.known
    until = None if taken_after is None else known.now.index(microseconds(taken_after))
    late = [i for i in known.lacked.rows if until is None or i <= until]
    count = compared.came if len(late) == len(known.lacked.rows) else sum(known.lacked.rows[i].count for i in late)
    if not late or not count:
        return LateEvents()
    ends = [known.now.ends(i) for i in late] + [events.now.ends(i) for i in events.lacked.rows]
    firsts = [spans.now.first for spans in (events, known) if spans.now.first is not None]
    first = max(min(start for start, _ in ends), as_instant(min(firsts)))
    return LateEvents(count=count, ends=(first, max(end for _, end in ends)))


def _whole(parts: Sequence[PartTally]) -> PartRows:
    return reduce(PartRows.plus, (part.rows for part in parts), NOTHING_READ)


def _by_clock(before: PartRows, more: PartRows) -> tuple[tuple[Spans, Spans], tuple[Spans, Spans]]:
    return (before.events, more.events), (before.known, more.known)


def _late_too(before: Spans, lacked: Spans) -> Spans:
    """Return spans with the late rows of before, and those that the table lacks."""
    late = {i: SpanRows(late=rows.count) for i, rows in lacked.rows.items()}
    return before.plus(Spans(level=lacked.level, rows=late))


def _left_out(compared: ComparedSpans) -> Spans:
    late = {i: SpanRows(late=count) for i, count in compared.left_out.items()}
    return Spans(level=compared.now.level, rows=late)


def _leave_out(parts: Sequence[PartTally], events: Spans, known: Spans) -> None:
    if any(rows.late for rows in events.rows.values()):
        leave_out(parts, events, known)
