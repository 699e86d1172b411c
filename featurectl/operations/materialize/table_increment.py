"""Sources -> offline tables: what a view's table lacks is read, prepared and committed with what was covered."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from featurectl.core.units import united
from featurectl.engines.base import ERASED, BucketedRows, CheckResult, Engine, Piece, Prepared
from featurectl.engines.spill import SpillRoom
from featurectl.identity.facts.views import read_columns
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import input_marks, rows_mark
from featurectl.operations.materialize.check_results import check_passed
from featurectl.operations.materialize.cut_parts import check_gone_there, check_nothing_lost, gone_parts
from featurectl.operations.materialize.doubles import NO_DOUBLES, DoubleFinder, Doubles
from featurectl.operations.materialize.empty_parts import find_empty_parts
from featurectl.operations.materialize.lost_rows import of_table
from featurectl.operations.materialize.older_version import OlderHistory
from featurectl.operations.materialize.overlap import RowSpace, find_overlap, write_overlap
from featurectl.operations.materialize.part_begins import Ends, changed_since
from featurectl.operations.materialize.part_rows import ReadParts
from featurectl.operations.materialize.planned_increment import (
    PlannedIncrement,
    RunBasis,
    latest,
    next_increment,
    table_begin,
)
from featurectl.operations.materialize.progress_rows import ReportedRows, RowCounter
from featurectl.operations.materialize.repeats import (
    seen_before,
    with_first_instant,
    without_replaced,
)
from featurectl.operations.materialize.rows import TableRows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.same_rows import has_same_rows, write_read
from featurectl.operations.materialize.source_types import typed_view
from featurectl.sources.base import Increment, PartScan, RequiredColumns, SourceScan
from featurectl.sources.begun_again import begun_again
from featurectl.sources.failures import reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialized:
    """What a run did for one view version.

    `action` is "nothing" (no row was added: nothing was read, or nothing of what was read belongs into the table),
    "append", "rebuild" or "backfill" (a range of event times was computed again). `long_key` names the first row that
    was dropped as its key is too long. `late_since` is the first event time of rows that came too late. `changed_parts`
    are those of which the table has rows that were changed or are gone since, `changed_since` is the first event time
    of these. `held_rows` become available after now; `events_until` is the newest event of the table that lies ahead of
    now, None where none does. `doubles` are among the rows written.
    `empty_parts` were read, and have no row. A table that was made anew has `fewer_rows` than before.
    `begins` are those of the rows read (`Prepared`); `older` is what a table of before has and a new one lacks.
    `gaps` are instants between which the log of a stream has lost stamps.
    """

    view: str
    version: int
    action: str
    rows_read: int
    rows_written: int
    table_version: int
    watermark: datetime | None
    dropped: Mapping[str, int] = field(default_factory=dict)
    long_key: Mapping[str, str] = field(default_factory=dict)
    late_since: datetime | None = None
    checks: tuple[CheckResult, ...] = ()
    changed_parts: tuple[str, ...] = ()
    changed_since: datetime | None = None
    held_rows: int = 0
    events_until: datetime | None = None
    doubles: Doubles = NO_DOUBLES
    empty_parts: tuple[str, ...] = ()
    fewer_rows: int = 0
    begins: Ends | None = None
    older: OlderHistory | None = None
    gaps: tuple[tuple[datetime, datetime], ...] = ()


def materialize_view(
    engine: Engine, run: MaterializeRun, now: datetime, *, full: bool = False, since: datetime | None = None
) -> Materialized:
    """Return what was done to bring a view's table up to its source as of now; one commit, or none.

    A table that is not there yet, or read in full, begins at `since`, or where the view's `retention` does; None: with
    the first row. A table that lacks an input column of the view (an additive change) is rebuilt; one that has a
    column whose features were left out is written again without it when rows come to it.

    Raises:
        DataError: the source can't be read, FC501 the table is to be made anew and rows of it are there no more, or
            FC518 its rows are not as its checks, or the view's, say.
        StoreError: the table can't be written; it stays as it was.
    """
    reading_rows = RowCounter(progress=run.progress)
    with SpillRoom(run.spill, reading_rows.report) as room:
        before, coverage = run.table.newest()
        begin = table_begin(run.view, None if full else coverage, since, now)
        ahead = RunBasis(now=now, begin=begin, base=None if full else coverage)
        doubles = DoubleFinder(view=run.view)
        how = _Reading(engine=engine, room=room, counter=reading_rows, doubles=doubles)
        made = _materialize(run, how, ahead)
        return replace(made, doubles=doubles.compared(run.table, before), empty_parts=tuple(how.empty))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What rows are read with: the engine, the room for what does not fit into memory, and who looks at them."""

    engine: Engine
    room: SpillRoom
    counter: RowCounter
    doubles: DoubleFinder
    empty: list[str] = field(default_factory=list)  # names of parts


def _materialize(run: MaterializeRun, how: _Reading, ahead: RunBasis) -> Materialized:
    planned = next_increment(run, ahead)
    base, increment = planned.base, planned.increment
    if base is not None and not increment.scans:
        return nothing_new(run, base, ahead.now)
    prepared, covered = begun_again(lambda: _read(run, how, ahead, planned))
    if planned.why_anew:
        before, chosen = ahead.base or Coverage(), of_table(covered.since, ahead.now)
        check_gone_there(run, gone_parts(before, planned.gone), prepared.rows, chosen, planned.why_anew)
        check_nothing_lost(run, before, prepared, covered, planned.why_anew)
    same = planned.same_as
    if same is not None and _has_form(same, covered, run.view) and has_same_rows(run.table, prepared.rows):
        return _as_it_was(run, prepared, write_read(run, covered, same), same, ahead.now)
    prepared = how.doubles.watch(prepared, base)
    rows = prepared.rows
    if base is not None and increment.repeats:
        return _asked_again(run, how, planned, (prepared, covered))
    if base is not None and prepared.replaced:
        covered = replace(covered, rebuild_id=new_id())
        number = run.table.replace(without_replaced(run, prepared, left_out_of(base, run.view)), covered)
        return materialized_of(run, prepared, covered, "append", number)
    if base is not None and rows.height == 0 and _covers_nothing(base, covered) and covered.dropped == base.dropped:
        return replace(nothing_new(run, base, ahead.now), held_rows=sum(prepared.held_back))
    number = write_rows(run, rows, covered, base)
    added = "append" if rows.height else "nothing"
    return materialized_of(run, prepared, covered, "rebuild" if base is None else added, number)


def _read(run: MaterializeRun, how: _Reading, ahead: RunBasis, planned: PlannedIncrement) -> tuple[Prepared, Coverage]:
    """Return the rows that an increment has for the table, and what it covers with them."""
    (view, columns), base = typed_view(run), planned.base
    before = ReadParts(reader=run.reader, parts=planned.parts, columns=columns, base=base)
    increment = with_first_instant(before.distinguishable(planned.increment), view, base)
    pieces: dict[str, Piece] = {}  # by the names of their parts
    for scan in increment.scans:
        pieces |= _pieces(run, scan, ahead, before)
    with reading(f"source {view.source.name}"), ExitStack() as opened:
        for piece in pieces.values():
            opened.callback(piece.scan.close)
        how.counter.begin()
        how.counter.expect(run.reader, list(pieces.values()))
        seen = seen_before(run, base, planned.parts, increment)
        prepared = how.engine.prepare(list(pieces.values()), view, seen, how.room, run.erasures)
        read = [part for scan in increment.scans for part in scan.parts]
        how.empty.extend(find_empty_parts(run.reader, read, pieces, prepared))
    check_passed(prepared.checks)
    covered = _covered(prepared, base, increment, view, ahead.now)
    covered = replace(covered, columns=columns, since=ahead.begin, erased=run.erased)
    return prepared, before.covered(covered, pieces, prepared)


def materialized_of(
    run: MaterializeRun, prepared: Prepared, covered: Coverage, action: str, number: int
) -> Materialized:
    """Return what was done: an action, which made a version of the table; to make it for the first time is "first"."""
    return Materialized(
        view=run.view.name,
        version=run.version,
        action="first" if action == "rebuild" and number == 0 else action,
        rows_read=prepared.rows_read,
        rows_written=prepared.rows.height,
        table_version=number,
        watermark=covered.watermark,
        dropped=prepared.dropped,
        long_key=prepared.long_key,
        late_since=prepared.late_events[0] if prepared.late_events else None,
        checks=prepared.checks,
        changed_parts=covered.changed_parts,
        changed_since=changed_since(covered),
        held_rows=sum(prepared.held_back),
        events_until=_ahead(covered.newest_event, covered.now),
        begins=prepared.begins,
    )


def write_rows(run: MaterializeRun, rows: BucketedRows, covered: Coverage, base: Coverage | None) -> int:
    """Write rows in place of the table's (base None) or after them, and return the table's new version.

    A table that has grown several times as large as its buckets were made for is written again, in more of them.
    """
    rows = ReportedRows(rows=rows, progress=run.progress)
    if base is None:
        return run.table.replace(rows, covered)
    left_out = left_out_of(base, run.view)
    if left_out or (run.table.outgrown(rows.height) and run.table.takes(rows)):
        return run.table.replace(TableRows(run.table, run.view.keys, rows, left_out=left_out), covered)
    return run.table.append(rows, covered)


def left_out_of(base: Coverage, view: FeatureView) -> list[str]:
    """Return the columns of the table that no feature of the view reads any more."""
    return sorted(base.inputs.keys() - {item.name for item in view.inputs})


def _asked_again(
    run: MaterializeRun, how: _Reading, planned: PlannedIncrement, read: tuple[Prepared, Coverage]
) -> Materialized:
    """Return what was done with the rows of a query by event time: they take the places of the table's."""
    base, scan, (prepared, covered) = planned.base, planned.increment.scans[0], read
    assert base is not None
    assert covered.now is not None
    space = RowSpace(room=how.room, memory_bytes=how.engine.memory_bytes)
    overlap = find_overlap(run, how.doubles.watch(prepared, base).rows, scan, space)
    added, gone, left_out = overlap.added.height, overlap.gone.height, left_out_of(base, run.view)
    if not added and not gone and not left_out and _covers_nothing(base, covered):
        return replace(nothing_new(run, base, covered.now), held_rows=sum(prepared.held_back))
    prepared = replace(prepared, rows=overlap.added, rows_read=prepared.rows_read + overlap.late)
    covered = replace(covered, rebuild_id=new_id() if gone else base.rebuild_id)
    if gone or not run.table.takes(overlap.added):
        number = write_overlap(run, overlap, covered, left_out)
    else:
        number = write_rows(run, overlap.added, covered, base)
    return materialized_of(run, prepared, covered, "append" if added or gone else "nothing", number)


def _covers_nothing(base: Coverage, covered: Coverage) -> bool:
    """Return whether a query had no more to tell than before, which only its rows could show.

    What was left out by `where` still says how far the source was read.
    """
    before, now = (
        (read.parts, read.held, read.part_rows, read.changed_parts, read.watermark, read.newest_event)
        for read in (base, covered)
    )
    return before == now


def _has_form(same: Coverage, covered: Coverage, view: FeatureView) -> bool:
    """Return whether a table has the columns that it would be made anew with, of the same columns of its source."""
    return covered.columns == same.columns and not left_out_of(same, view)


def nothing_new(run: MaterializeRun, coverage: Coverage, now: datetime) -> Materialized:
    """Return what was done where a table has all there is."""
    number = run.table.version()
    assert number is not None
    return Materialized(
        view=run.view.name,
        version=run.version,
        action="nothing",
        rows_read=0,
        rows_written=0,
        table_version=number,
        watermark=coverage.watermark,
        changed_parts=coverage.changed_parts,
        changed_since=changed_since(coverage),
        events_until=_ahead(coverage.newest_event, now),
    )


def _as_it_was(
    run: MaterializeRun, prepared: Prepared, written: Coverage | None, before: Coverage, now: datetime
) -> Materialized:
    """Return what was done where a source that was read whole has the rows that the table had before."""
    made = nothing_new(run, written or before, now)
    held = sum(prepared.held_back)
    made = replace(made, dropped=prepared.dropped, long_key=prepared.long_key, checks=prepared.checks)
    return replace(made, rows_read=prepared.rows_read, held_rows=held)


def _ahead(event: datetime | None, now: datetime | None) -> datetime | None:
    return event if event is not None and now is not None and event > now else None


def _pieces(run: MaterializeRun, scan: PartScan, ahead: RunBasis, before: ReadParts) -> dict[str, Piece]:
    """Return the pieces of a scan, a part each, by its name.

    A part that comes to others has all columns that the view reads of them. Where a table is made anew, and in parts
    that it has read before, a column that is not there is null: it may have come later. The keys are in every part.
    """
    columns = read_columns(run.view)
    pieces = {}
    for part in scan.parts:
        is_new = before.base is not None and part.name not in before.base.parts
        required = RequiredColumns(keys=run.view.key_columns, others=columns if is_new else ())
        rows = SourceScan(reader=run.reader, parts=(part,), since=scan.since, required=required, once=True)
        piece = Piece(scan=rows, until=ahead.now, after=scan.after, since=ahead.begin, reread_until=scan.reread_until)
        piece = replace(piece, events_until=scan.events_until)
        pieces[part.name] = before.looks_again(piece, part, scan)
    return pieces


def left_out(prepared: Prepared) -> Counter[str]:
    """Return the rows that a table keeps count of as left out, by reason: nothing is kept of what was erased."""
    return Counter({reason: count for reason, count in prepared.dropped.items() if reason != ERASED})


def erased_of(prepared: Prepared) -> Counter[str]:
    """Return the rows that were left out because their keys are erased, under that reason."""
    return Counter({reason: count for reason, count in prepared.dropped.items() if reason == ERASED})


def new_id() -> str:
    """Return a new name for what a table descends from."""
    return secrets.token_hex(8)


def _covered(
    prepared: Prepared, base: Coverage | None, increment: Increment, view: FeatureView, now: datetime
) -> Coverage:
    read = [part.name for scan in increment.scans for part in scan.parts]
    held = [name for name, later in zip(read, prepared.held_back, strict=True) if later]
    before = base or Coverage()
    dropped = Counter(before.dropped) + left_out(prepared)
    return Coverage(
        parts=increment.covered,
        held=tuple(dict.fromkeys(held)),
        watermark=latest(before.watermark, prepared.watermark),
        newest_event=latest(before.newest_event, prepared.newest_event),
        now=now,
        dropped=dict(dropped),
        late_events=united(before.late_events, prepared.late_events),
        inputs=input_marks(view),
        rows_mark=rows_mark(view),
        rebuild_id=new_id() if base is None else base.rebuild_id,
    )
