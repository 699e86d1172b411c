"""Tables of views of streams: the history up to the cut, and from there on the events of the log, each of them once.

A run takes events up to the log's `asof`, or to now where that is earlier: all of them are there, whichever partition
is behind, and each partition is taken up to an offset, which the next run goes on from. So a table has the same rows
whether it was made in one run or in many. Of the history a table takes what there is when it is made; what comes
later is counted as known before the watermark, and taken when the table is made anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Final

from featurectl.core.errors import DataError
from featurectl.core.units import united
from featurectl.engines.base import TOO_LATE, Engine, Piece, Prepared
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import input_marks, rows_mark
from featurectl.offline.stream_coverage import HISTORY, history_parts, of_history
from featurectl.operations.materialize.check_results import check_passed
from featurectl.operations.materialize.planned_increment import latest, table_begin
from featurectl.operations.materialize.progress_rows import RowCounter
from featurectl.operations.materialize.range import Range
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.stream_increment import (
    NO_NEW_ROWS,
    StreamIncrement,
    plan_stream,
    stream_reader,
)
from featurectl.operations.materialize.table_increment import (
    Materialized,
    left_out,
    materialized_of,
    new_id,
    nothing_new,
    write_rows,
)
from featurectl.sources.base import SourceScan
from featurectl.sources.failures import reading

AFTER_CUT: Final = "of the history, known only after the stream began"  # of `dropped`


def materialize_stream(
    engine: Engine, run: MaterializeRun, now: datetime, *, full: bool = False, asked: Range | None = None
) -> Materialized:
    """Return what was done to bring the table of a view of a stream up to its log as of now; one commit, or none.

    A range that is `asked` for makes a table anew that is there: the log and the history have all of it.

    Raises:
        DataError: the log or the history can't be read, FC501 the log has lost what the table has, or FC518 its rows
            are not as checks say.
        StoreError: the table can't be written; it stays as it was.
    """
    with SpillRoom(run.spill, RowCounter(progress=run.progress).report) as room:
        coverage = None if full else run.table.coverage()
        begin = table_begin(run.view, coverage, asked.since if asked else None, now)
        planned = plan_stream(run, coverage, now, is_asked=asked is not None)
        planned = _with_late_history(engine, run, planned)
        if planned.base is not None and not planned.pieces and not _moves(planned):
            return replace(nothing_new(run, planned.base, now), gaps=planned.stream.gaps)
        with reading(f"source {run.view.source.name}"):
            prepared = engine.prepare_events(planned.pieces, run.view, begin, room, run.erasures)
        check_passed(prepared.checks)
        covered = replace(_covered(run.view, planned, prepared, now), since=begin, erased=run.erased)
        number = write_rows(run, prepared.rows, covered, planned.base)
        added = "append" if prepared.rows.height else "nothing"
        action = "rebuild" if planned.base is None else added
        made = materialized_of(run, prepared, covered, action, number)
    dropped = dict(Counter(prepared.dropped) + Counter(_dropped(planned, prepared)))
    return replace(made, dropped=dropped, late_since=planned.late_since, gaps=planned.stream.gaps)


def _with_late_history(engine: Engine, run: MaterializeRun, planned: StreamIncrement) -> StreamIncrement:
    """Return an increment with what there is of files of the history that came after the table was made."""
    reader, base = stream_reader(run), planned.base
    if base is None or planned.stream.cut is None or reader.history is None:
        return planned
    try:
        parts = reader.history.parts()
    except DataError:  # it has had its time
        return planned
    known = of_history(base).parts
    new = [part for part in parts if part.stamp and part.name not in known]
    pieces = [
        Piece(scan=SourceScan(reader=reader.history, parts=(part,)), until=planned.stream.history_until) for part in new
    ]
    if not pieces:
        return planned
    with reading(f"source {run.view.source.name}"):
        found = engine.look(pieces, replace(reader.history_source, checks=()))
    covered = {**planned.covered, **history_parts({part.name: part.stamp for part in new})}
    return replace(planned, covered=covered, late=found.rows, late_since=found.first_event if found.rows else None)


def _moves(planned: StreamIncrement) -> bool:
    """Return whether a table without new rows has something new to say: how far it was read."""
    base = planned.base
    assert base is not None
    is_later = planned.stream.cut is not None and base.watermark != latest(base.watermark, planned.stream.until)
    return planned.reason == NO_NEW_ROWS and (is_later or dict(planned.covered) != dict(base.parts))


def _covered(view: FeatureView, planned: StreamIncrement, prepared: Prepared, now: datetime) -> Coverage:
    base, stream = planned.base or Coverage(), planned.stream
    held = zip(planned.pieces, prepared.held_back, strict=True)
    waits = stream.cut is None and any(later for _, later in held)
    late = None if planned.late_since is None else (planned.late_since, planned.late_since)
    return Coverage(
        parts=planned.covered,
        held=tuple(name for name in planned.covered if name.startswith(HISTORY)) if waits else (),
        watermark=latest(base.watermark, prepared.watermark if stream.cut is None else stream.until),
        newest_event=latest(base.newest_event, prepared.newest_event),
        now=now,
        dropped=dict(Counter(base.dropped) + left_out(prepared) + Counter(_dropped(planned, prepared))),
        late_events=united(base.late_events, late),
        inputs=input_marks(view),
        rows_mark=rows_mark(view),
        columns=view.source.columns or {},
        rebuild_id=new_id() if planned.base is None else base.rebuild_id,
    )


def _dropped(planned: StreamIncrement, prepared: Prepared) -> dict[str, int]:
    """Return what was left out of the history: what the stream has itself, and what came too late."""
    pairs = zip(planned.pieces, prepared.held_back, strict=True)
    after = sum(count for piece, count in pairs if not piece.order and not piece.earlier)
    found = {AFTER_CUT: after if planned.stream.cut is not None else 0, TOO_LATE: planned.late}
    return {reason: count for reason, count in found.items() if count}
