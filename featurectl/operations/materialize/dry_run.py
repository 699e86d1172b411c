"""What a run would do, before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.units import counted, format_iso
from featurectl.language.resolve.transformed import as_state, transform_sources
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import has_other_definition, has_other_form
from featurectl.operations.materialize.lost_rows import (
    check_files_there,
    check_range_there,
    check_rows_there,
    known_begins,
    of_table,
)
from featurectl.operations.materialize.part_begins import changed_since, has_begun
from featurectl.operations.materialize.planned_increment import (
    PlannedIncrement,
    RunBasis,
    base_of,
    next_increment,
    table_begin,
)
from featurectl.operations.materialize.range import Range
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.stream_increment import plan_stream
from featurectl.operations.materialize.transform import parts_to_read
from featurectl.operations.materialize.transform_parts import parts_of
from featurectl.sources.base import Increment

_UNLESS_SAME: Final = "; it stays where its rows are the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a run would do for one view version: its action, why, and how many of the source's parts it would read.

    `changed_parts` are those of which the table would still have rows that were changed or are gone since;
    `changed_since` is the first event time of these.
    """

    view: str
    version: int
    action: str
    reason: str
    parts_read: int
    parts: int
    begin: datetime | None = None
    changed_parts: tuple[str, ...] = ()
    changed_since: datetime | None = None


def plan_view(run: MaterializeRun, now: datetime, *, full: bool = False, asked: Range | None = None) -> Planned:
    """Return what bringing a view's table up to its source would do; of the source times at most are read.

    Raises:
        DataError: the source is not there, or, as far as was counted, not all of it that the table would be made anew
            of.
    """
    coverage = run.table.coverage()
    if run.view.transform is not None:
        return _plan_transform(run, None if full else coverage, now, asked, full=full)
    if run.view.source.is_stream:
        return _plan_stream(run, coverage, now, asked, full=full)
    since = asked.since if asked else None
    begin = table_begin(run.view, None if full else coverage, since, now)
    planned = next_increment(run, RunBasis(now=now, begin=begin, base=None if full else coverage))
    base, increment, parts = planned.base, planned.increment, planned.parts
    read = {part.name for scan in increment.scans for part in scan.parts}
    anew = "first" if coverage is None else "rebuild"
    action = anew if base is None else "append" if increment.scans else "nothing"
    why = increment.reason or (_why_read(increment, base) if base is not None else "")
    why += _UNLESS_SAME if planned.same_as is not None else ""
    reason = _reason(why, run, coverage, full=full, action=action) + _of_gone(planned.gone)
    if asked is not None and coverage is not None and not full:
        read, action, reason = set(coverage.parts), "backfill", "a range was asked for"
    if coverage is not None and not full:
        _check_rows(run, coverage, planned, of_table(begin, now), asked if action == "backfill" else None)
    left = base if base is not None and action != "backfill" else Coverage()
    return Planned(
        view=run.view.name,
        version=run.version,
        action=action,
        reason=reason,
        parts_read=len(read),
        parts=len(parts),
        begin=begin,
        changed_parts=left.changed_parts,
        changed_since=changed_since(left),
    )


def _check_rows(
    run: MaterializeRun, coverage: Coverage, planned: PlannedIncrement, chosen: pl.Expr, asked: Range | None
) -> None:
    """Check that no chosen rows would be lost, where it is known what a source has: from an earlier run, or its files.

    Raises:
        DataError: FC501, some would be.
    """
    begins = known_begins(run.reader, coverage, planned.parts) if asked or planned.why_anew else None
    if begins is None:
        return
    if asked is not None:
        check_range_there(run, begins, ~asked.outside)
    elif planned.why_anew:
        check_rows_there(run, begins, chosen, planned.why_anew)


def _of_gone(gone: Sequence[str]) -> str:
    """Return what there is to say of files that are gone: which rows others have is not known before they are read."""
    if not gone:
        return ""
    others = f" and {counted(len(gone) - 1, 'other file')}" * (len(gone) > 1)
    return f"; {gone[0]}{others} {'is' if len(gone) == 1 else 'are'} gone: refused unless others have all rows"


def _why_read(increment: Increment, base: Coverage) -> str:
    """Return why parts are read that may have rows for a table; whether they do is not known before."""
    parts = [part for scan in increment.scans for part in scan.parts]
    if any(part.name not in base.parts for part in parts):
        return "new rows"
    if not all(part.stamp for part in parts):
        asked = [f"rows since {format_iso(scan.since)} are asked for: " for scan in increment.scans if scan.since]
        return "".join([*asked[:1], "what is new of it is not known before it is read"])
    if any(part.stamp != base.parts[part.name] for part in parts):
        return "a file changed: rows of it may be new"
    return "rows were later than the last run: they may be known now"


def _plan_transform(
    run: MaterializeRun, coverage: Coverage | None, now: datetime, asked: Range | None, *, full: bool
) -> Planned:
    base = base_of(run, coverage)
    whole, read, parts, reason = parts_to_read(run, base, now)
    if whole and base is not None:
        check_files_there(run, base, reason)
    anew = "first" if run.table.coverage() is None else "rebuild"
    action = anew if whole else "append" if read else "nothing"
    reason = _reason("first read" if base is None else reason, run, run.table.coverage(), full=full, action=action)
    if asked is not None and base is not None:
        action, reason = "backfill", "a range was asked for"
    if base is not None and (whole or asked is not None):
        reason += _of_cut_sources(run, base)
    left = base if base is not None and action not in ("backfill", "rebuild") else Coverage()
    return Planned(
        view=run.view.name,
        version=run.version,
        action=action,
        reason=reason,
        parts_read=read,
        parts=parts,
        begin=table_begin(as_state(run.view), coverage, asked.since if asked else None, now),
        changed_parts=left.changed_parts,
        changed_since=changed_since(left),
    )


def _plan_stream(
    run: MaterializeRun, coverage: Coverage | None, now: datetime, asked: Range | None, *, full: bool
) -> Planned:
    """Return what a run would take of a stream: its log, and the files of its history."""
    base = None if full else coverage
    planned = plan_stream(run, base, now, is_asked=asked is not None)
    anew = "first" if coverage is None else "rebuild"
    action = anew if planned.base is None else "append" if planned.pieces else "nothing"
    return Planned(
        view=run.view.name,
        version=run.version,
        action=action,
        reason=_reason(planned.reason, run, coverage, full=full, action=action),
        parts_read=len(planned.pieces),
        parts=max(len(planned.pieces), 1),
        begin=table_begin(run.view, base, asked.since if asked else None, now),
    )


def _of_cut_sources(run: MaterializeRun, base: Coverage) -> str:
    """Return what there is to say of a source of a transform that begins later than when it was read.

    What the function makes of it, and whether the run is refused, is not known before it is called.
    """
    for source, reader in zip(transform_sources(run.view), (run.reader, *run.others), strict=True):
        before = parts_of(base, source)
        begun = [ends for name in before.part_rows if (ends := has_begun(before, name))]
        now = known_begins(reader, before, reader.parts()) if begun else None
        if now is not None and any(now[clock] > min(ends[clock] for ends in begun) for clock in (0, 1)):
            return f"; {source.name} was cut: refused if the function makes less of it"
    return ""


def _reason(reason: str, run: MaterializeRun, coverage: Coverage | None, *, full: bool, action: str) -> str:
    if coverage is None:
        return "it has no table yet"
    if full:
        return "--full"
    if has_other_definition(coverage, run.view):
        return "its table was made by another definition"
    if has_other_form(coverage, run.view):
        return "its table was made by another version of featurectl"
    if action == "rebuild" and reason == "first read":
        return "a column of it is new, or means something else"
    return reason or "new rows"
