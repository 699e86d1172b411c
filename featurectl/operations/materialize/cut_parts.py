"""Parts that are gone, or begin later than when they were read: rows of a table that no other part has.

They are found by their keys and times, so that rows that lie in another part now (of files that change names, or are
merged) are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import counted, format_iso
from featurectl.engines.base import BucketedRows, Prepared
from featurectl.engines.spans import PartRows
from featurectl.offline.base import Coverage
from featurectl.operations.materialize.lost_rows import (
    LostRows,
    check_not_emptied,
    check_rows_there,
    how_to_begin,
    how_to_go_on,
    lost_of,
    of_table,
)
from featurectl.operations.materialize.part_begins import Ends, begins_of, has_begun
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPart:
    """A part with its beginnings (event time, availability): when it was read, and now (None: it has no rows)."""

    name: str
    before: Ends
    now: Ends | None

    @property
    def gone(self) -> pl.Expr:
        """Which rows of a table may have been cut off."""
        found = pl.lit(value=False)
        for number, clock in enumerate((EVENT_TIME, AVAILABLE_AT)):
            behind = pl.col(clock) >= self.before[number]
            found |= behind if self.now is None else behind & (pl.col(clock) < self.now[number])
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GonePart:
    """A part that was read and is gone, with the rows that were read of it."""

    name: str
    rows: PartRows

    @property
    def gone(self) -> pl.Expr:
        """Which rows of a table may have been of it."""
        begins, found = begins_of(self.rows), pl.lit(value=True)
        assert begins is not None
        for clock, first, spans in zip(
            (EVENT_TIME, AVAILABLE_AT), begins, (self.rows.events, self.rows.known), strict=True
        ):
            found &= pl.col(clock) >= first
            found &= pl.lit(value=True) if spans.last is None else pl.col(clock) <= spans.last
        return found


def cut_parts(before: Coverage, now: Mapping[str, PartRows]) -> list[CutPart]:
    """Return which of the parts now begin later than when a table read them."""
    found = []
    for name, rows in now.items():
        begun, begins = has_begun(before, name), begins_of(rows)
        if begun is None or (begins is None and (rows.count or not rows.counted)):
            continue
        if begins is None or begins[0] > begun[0] or begins[1] > begun[1]:
            found.append(CutPart(name=name, before=begun, now=begins))
    return found


def check_parts_there(
    run: MaterializeRun, parts: Sequence[CutPart], rows: BucketedRows, chosen: pl.Expr, why: str = ""
) -> None:
    """Check that the rows that take the place of a table's, or of the chosen ones, have what was cut off of parts.

    `why` says what the table is made anew for; empty: the chosen ones are a range that was asked for.

    Raises:
        DataError: FC501, they lack some.
    """
    lost = _lost(run, parts, rows, chosen) if parts else None
    if lost is None:
        return
    first, more = parts[0], f" and {counted(len(parts) - 1, 'other file')}" * (len(parts) > 1)
    begins = "is empty" if first.now is None else f"begins with {_shown(first, first.now)}"
    made = f"{why}, and the table, made anew," if why else "the range, computed again,"
    later = how_to_begin(run, lost.ends[1] + timedelta(microseconds=1))
    raise DataError(
        f"source {run.view.source.name}: {first.name}{more} was cut: it began with {_shown(first, first.before)} when "
        f"it was read, and {begins} now; {made} would lose {lost} that the table of {run.view.name} has",
        code="FC501",
        hint=how_to_go_on(run.view) if why else later,
    )


def check_gone_there(
    run: MaterializeRun, parts: Sequence[GonePart], rows: BucketedRows, chosen: pl.Expr, why: str = ""
) -> None:
    """Check that the rows that take the place of a table's, or of the chosen ones, have those of parts that are gone.

    `why` says what the table is made anew for; empty: the chosen ones are a range that was asked for.

    Raises:
        DataError: FC501, they lack some.
    """
    lost = _lost(run, parts, rows, chosen) if parts else None
    if lost is None:
        return
    more = f" and {counted(len(parts) - 1, 'other file')}" * (len(parts) > 1)
    made = f"{why}, and made anew it" if why else "the range, computed again,"
    raise DataError(
        f"source {run.view.source.name}: {parts[0].name}{more} that the table of {run.view.name} has read "
        f"{'is' if len(parts) == 1 else 'are'} gone; {made} would lose {lost}, which no other file has",
        code="FC501",
        hint=how_to_go_on(run.view)
        if why
        else "leave out --since and --until; --full makes the table of what there is",
    )


def _shown(part: CutPart, ends: Ends) -> str:
    """Return the beginning by the clock by which a part was cut."""
    by_event = part.now is None or part.now[0] > part.before[0]
    return format_iso(ends[0]) if by_event else f"what became known at {format_iso(ends[1])}"


def _lost(
    run: MaterializeRun, cut: Sequence[CutPart | GonePart], rows: BucketedRows, chosen: pl.Expr
) -> LostRows | None:
    """Return which of the table's chosen rows that may have been cut off, or are gone, are not among some rows."""
    identity, buckets = [*run.view.keys, EVENT_TIME, AVAILABLE_AT], run.table.buckets()
    gone = pl.any_horizontal(part.gone for part in cut) & chosen
    before = ((bucket, run.table.of(bucket, buckets).filter(gone)) for bucket in range(buckets))
    return lost_of(
        old.join(rows.of(bucket, buckets), on=identity, how="anti", nulls_equal=True)
        for bucket, old in before
        if not old.is_empty()
    )


def gone_parts(before: Coverage, names: Sequence[str]) -> list[GonePart]:
    """Return parts that are gone, with what a table has read of them."""
    return [GonePart(name=name, rows=before.part_rows[name]) for name in names]


def check_nothing_lost(run: MaterializeRun, before: Coverage, prepared: Prepared, covered: Coverage, why: str) -> None:
    """Check that a table that is made anew keeps the history that it had; `why` says what it is made anew for.

    Raises:
        DataError: FC501, its source has rows of it no more.
    """
    assert covered.now is not None
    chosen = of_table(covered.since, covered.now)
    check_rows_there(run, prepared.begins, chosen, why)
    check_not_emptied(run, prepared.rows.height, chosen, why)
    check_parts_there(run, cut_parts(before, covered.part_rows), prepared.rows, chosen, why)
