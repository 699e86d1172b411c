"""A range of event times of a table: computed again, or dropped when its time is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from featurectl.core.errors import DataError, UsageError
from featurectl.core.units import format_iso
from featurectl.engines.base import TOO_LATE, Engine, Piece, Prepared
from featurectl.engines.row_keys import WITHOUT_KEY
from featurectl.engines.spans import NOT_COUNTED
from featurectl.engines.spill import SpillRoom
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import input_marks
from featurectl.operations.materialize.check_results import check_passed
from featurectl.operations.materialize.cut_parts import GonePart, check_gone_there, check_parts_there, cut_parts
from featurectl.operations.materialize.doubles import DoubleFinder
from featurectl.operations.materialize.lost_rows import check_range_there
from featurectl.operations.materialize.part_begins import begins_of
from featurectl.operations.materialize.repeats import events_of, is_copy_of, read_until
from featurectl.operations.materialize.rows import TableRows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.source_types import typed_view
from featurectl.operations.materialize.table_increment import (
    Materialized,
    left_out_of,
    materialized_of,
    new_id,
)
from featurectl.pit.questions import EVENT_TIME
from featurectl.sources.base import RequiredColumns, SourceScan
from featurectl.sources.failures import reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Event times from `since` to before `until`; None: without an end."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def outside(self) -> pl.Expr:
        """Which rows of a table are not in it."""
        time, outside = pl.col(EVENT_TIME), pl.lit(value=False)
        if self.since is not None:
            outside = outside | (time < self.since)
        return outside if self.until is None else outside | (time >= self.until)


def check_range(view_name: str, coverage: Coverage | None, asked: Range) -> None:
    """Check that a range can be computed again without a gap in the table.

    Raises:
        UsageError: it ends before the table begins, or there is no table to end it in.
    """
    if asked.until is None:
        return
    if coverage is None:
        hint = "leave it out; --as-of says up to when rows are known"
        raise UsageError(f"--until: {view_name} has no table yet, and one has no end", hint=hint)
    if coverage.since is not None and asked.until < coverage.since:
        begin = format_iso(coverage.since)
        raise UsageError(f"--until: between it and {begin}, where the table of {view_name} begins, nothing would be")


def backfill_view(engine: Engine, run: MaterializeRun, asked: Range) -> Materialized:
    """Return what was done to compute a range of a table again from the rows that it has read; one commit.

    Rows that came too late for an increment are taken; ones that are not in the source any more are gone. Rows that
    the next increment will take are left to it. Of an event with copies on both sides of an end of the range the first
    one stands in the table afterwards, on either side.

    Raises:
        DataError: the source can't be read, a part that the table has read is gone, or its rows of
            the range are (FC501), or a check fails.
    """
    coverage = run.table.coverage()
    assert coverage is not None
    parts = {part.name: part for part in run.reader.parts()}
    there = [name for name in coverage.parts if name in parts]
    gone = _gone_parts(run, coverage, parts.keys())
    view, _ = typed_view(run)
    until, events = read_until(view, coverage), events_of(run, ~asked.outside)
    required = RequiredColumns(keys=view.key_columns)
    scans = [SourceScan(reader=run.reader, parts=(parts[name],), required=required) for name in there]
    pieces = [Piece(scan=s, until=until, since=asked.since, before=asked.until, events=events) for s in scans]
    with SpillRoom(run.spill) as room:
        with reading(f"source {view.source.name}"):
            prepared = engine.prepare(pieces, view, room=room, erasures=run.erasures)
        check_passed(prepared.checks)
        check_gone_there(run, gone, prepared.rows, ~asked.outside)
        check_range_there(run, prepared.begins, ~asked.outside)
        cut = cut_parts(coverage, dict(zip(there, prepared.parts, strict=True)))
        check_parts_there(run, cut, prepared.rows, ~asked.outside)
        prepared = (doubles := DoubleFinder(view=view)).watch(prepared)
        kept = asked.outside if events is None else asked.outside & ~is_copy_of(prepared.rows)
        rows = TableRows(run.table, view.keys, prepared.rows, kept, left_out_of(coverage, view))
        begin = None if asked.since is None or coverage.since is None else min(asked.since, coverage.since)
        covered = replace(coverage, since=begin, rebuild_id=new_id(), inputs=input_marks(view))
        covered = _with_rows_without_key(_without_late_rows(covered, asked), prepared)
        covered = _without_changed_parts(covered, asked)
        number = run.table.replace(rows, covered)
    return replace(materialized_of(run, prepared, covered, "backfill", number), doubles=doubles.found)


def _gone_parts(run: MaterializeRun, coverage: Coverage, parts: Collection[str]) -> list[GonePart]:
    """Return the parts that were read and are gone, whose rows are to be looked for in those that are left.

    A table whose files are written again has all in others; a part without rows is not missed.

    Raises:
        DataError: FC501, one is gone, and nobody knows of when its rows were.
    """
    found = []
    for name in () if run.reader.is_snapshot else sorted(coverage.parts.keys() - parts):
        rows = coverage.part_rows.get(name, NOT_COUNTED)
        if not rows.counted or (rows.count and begins_of(rows) is None):
            raise DataError(
                f"source {run.view.source.name}: {name} is not there any more, and rows of it would be lost",
                code="FC501",
                hint="leave out --since and --until; --full rebuilds the table from what there is",
            )
        found += [GonePart(name=name, rows=rows)] if rows.count else []
    return found


def _without_changed_parts(covered: Coverage, asked: Range) -> Coverage:
    """Return a coverage after a range was computed again: what had changed in it is in the table as it is now."""
    left = _left_of(covered.changed_events, asked)
    return replace(covered, changed_parts=covered.changed_parts if left else (), changed_events=left)


def _without_late_rows(covered: Coverage, asked: Range) -> Coverage:
    """Return a coverage after a range was computed again: the late rows of its events are in the table now.

    Their count is that of all of them until the whole range of their events was taken.
    """
    left = _left_of(covered.late_events, asked)
    dropped = dict(covered.dropped)
    if left is None and (covered.late_events is not None or asked.until is None):  # None: of before there were any
        dropped.pop(TOO_LATE, None)
    rows = {name: rows.taken(asked.since, asked.until) for name, rows in covered.part_rows.items()}
    return replace(covered, dropped=dropped, late_events=left, part_rows=rows)


def _with_rows_without_key(covered: Coverage, prepared: Prepared) -> Coverage:
    """Return a coverage that counts rows without a key that fits where it had none: a later row may be a copy."""
    found = {reason: prepared.dropped.get(reason, 0) for reason in WITHOUT_KEY}
    new = {reason: count for reason, count in found.items() if count and not covered.dropped.get(reason)}
    return replace(covered, dropped={**covered.dropped, **new}) if new else covered


def _left_of(ends: tuple[datetime, datetime] | None, asked: Range) -> tuple[datetime, datetime] | None:
    """Return what is left of event times, both ends included, after a range was computed again; None: nothing."""
    if ends is None:
        return None
    from_first = asked.since is None or asked.since <= ends[0]
    to_last = asked.until is None or asked.until > ends[1]
    if from_first and to_last:
        return None
    if from_first and asked.until is not None:
        return max(ends[0], asked.until), ends[1]
    if to_last and asked.since is not None:
        return ends[0], min(ends[1], asked.since)
    return ends


def expire_rows(run: MaterializeRun, now: datetime) -> int | None:
    """Drop rows that are older than the view's `retention`, and return the table's new version; None: nothing to do.

    It waits until a tenth of the retention is over, so that a table is not written again at every run.
    """
    if run.view.retention_us is None or run.view.source.static:
        return None
    coverage, oldest = run.table.coverage(), run.table.statistics().oldest_event
    if coverage is None or oldest is None:
        return None
    retention = timedelta(microseconds=run.view.retention_us)
    if oldest >= now - retention * 1.1:
        return None
    begin = now - retention
    rows = TableRows(run.table, run.view.keys, kept=pl.col(EVENT_TIME) >= begin)
    return run.table.replace(rows, replace(coverage, since=begin, rebuild_id=new_id()))
