"""What a run of a Python transform reads, and which of the rows that it returns are new.

A row that the function returns says when it could have been known (`available_at`), and may be made only of rows that
were known by then: `featurectl test` holds it to that. So new rows of the sources change nothing that was known before
the first of them, and everything later is computed again:

- Without `lookback` the function is given the whole sources, whenever one has new rows, and makes the whole table.
- With it, it is given the rows that became available within lookback before the first new one or later, and those that
  happened within lookback before the earliest event of these; the table keeps what was known before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.engines.base import (
    CheckResult,
    Engine,
    FrameScan,
    Piece,
    Prepared,
    RowSummary,
    SourceRows,
)
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import as_state, transform_sources
from featurectl.offline.base import Coverage
from featurectl.offline.inputs import input_marks, rows_mark
from featurectl.operations.materialize.changed_types import check_given_types
from featurectl.operations.materialize.check_results import check_passed
from featurectl.operations.materialize.lost_rows import (
    check_files_there,
    check_not_emptied,
    check_range_there,
    check_rows_there,
    of_table,
)
from featurectl.operations.materialize.part_begins import Ends
from featurectl.operations.materialize.planned_increment import base_of, latest, table_begin, why_anew
from featurectl.operations.materialize.rows import TableRows, no_rows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import (
    Materialized,
    erased_of,
    left_out_of,
    materialized_of,
    new_id,
    nothing_new,
    write_rows,
)
from featurectl.operations.materialize.transform_parts import (
    NOTHING_NEW,
    InputParts,
    LateOfInputs,
    count_inputs,
    earlier_by,
    erased_rows,
    parts_of,
    typed_sources,
    why_again,
    with_late_rows,
)
from featurectl.pit.questions import AVAILABLE_AT
from featurectl.sources.base import Increment, SourcePart, SourceReader, SourceScan
from featurectl.sources.failures import reading
from featurectl.sources.increment import plan_increment, without_reread

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)  # nothing was known so early
_FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
_RESULT: Final = ""  # stands among the parts that hold later rows when the function has returned some


def parts_to_read(run: MaterializeRun, base: Coverage | None, now: datetime) -> tuple[bool, int, int, str]:
    """Return whether the table is made anew, how many parts hold new rows, of how many, and why."""
    rebuild, read, every, reasons = base is None, 0, 0, [""]
    for source, reader in zip(transform_sources(run.view), (run.reader, *run.others), strict=True):
        parts = reader.parts()
        increment = plan_increment(reader, parts, _covered_of(base, source), now)
        rebuild |= increment.rebuild
        read += len({part.name for scan in increment.scans for part in scan.parts})
        every += len(parts)
        reasons = [*reasons, increment.reason] if increment.rebuild else reasons
    whole = rebuild or (read > 0 and _is_computed_whole(run.view))
    new = "new rows (no lookback: all is computed)" if whole else "new rows"
    return whole, read, every, reasons[-1] or (new if read else NOTHING_NEW)


def _is_computed_whole(view: FeatureView) -> bool:
    return view.transform is not None and view.transform.lookback_us is None


def materialize_transform(
    engine: Engine, run: MaterializeRun, now: datetime, *, full: bool = False, since: datetime | None = None
) -> Materialized:
    """Return what was done to bring the table of a view with a transform up to its sources as of now.

    One commit, or none; otherwise as `materialize_view`. Of a table that is there what was known at `since` or later is
    computed again ("backfill").

    Raises:
        DataError: a source can't be read, FC501 files, or rows, are gone of which the table is to be made anew, FC518 a
            check fails, FC521 the function fails, FC522 it returns something else.
        StoreError: the table can't be written; it stays as it was.
    """
    coverage = None if full else run.table.coverage()
    base = base_of(run, coverage)
    begin = table_begin(as_state(run.view), coverage, since, now)
    if begin is not None and since is not None and run.view.retention_us is None:
        begin = min(begin, since)
    with SpillRoom(run.spill) as room:
        transforming = Transforming(engine=engine, room=room, now=now, begin=begin, since=since, erasures=run.erasures)
        work = transforming.look(run.view, (run.reader, *run.others), base)
        why = why_anew(run, coverage)
        if base is not None and (work.base is None or (work.new and _is_computed_whole(run.view))):
            again = "a range was asked for (no lookback: all is computed)"
            why = again if work.is_again else why_again(parts_to_read(run, base, now)[3])
            check_files_there(run, base, why)
        check_passed(work.checks)
        if work.base is not None and not work.new:
            made = _noted(run, work, work.base, transforming.late(work))
        else:
            computed = transforming.compute(work)
            if computed.after is not None:
                check_range_there(run, computed.begins, pl.col(AVAILABLE_AT) > computed.after, computed.returned)
            elif why:
                check_rows_there(run, computed.begins, of_table(begin, now), why, computed.returned)
                check_not_emptied(run, computed.prepared.rows.height, of_table(begin, now), why)
            made = _written(run, work.base, computed)
            made = replace(made, action="backfill") if work.is_again else made
        return replace(made, held_rows=sum(sum(item.summary.held_back) for item in work.inputs))


def _noted(run: MaterializeRun, work: Work, base: Coverage, found: LateOfInputs) -> Materialized:
    """Return that nothing was computed, after it was noted what came late, if anything has."""
    held = (*work.held, *([_RESULT] if _RESULT in base.held else []))
    covered = replace(with_late_rows(base, base, found, _FOREVER), parts=found.covered.parts, held=held)
    if covered == base:
        return nothing_new(run, base, work.now)
    number = run.table.append(no_rows(run.table, run.view.keys), covered)
    since = found.late_events[0] if found.late_events else None
    made = nothing_new(run, covered, work.now)
    return replace(made, table_version=number, dropped=found.dropped, late_since=since)


def _written(run: MaterializeRun, base: Coverage | None, computed: Computed) -> Materialized:
    prepared, after = computed.prepared, computed.after
    check_passed(prepared.checks)
    rows, covered = prepared.rows, replace(computed.covered, rebuild_id=new_id(), erased=run.erased)
    if base is None or after is None:
        return materialized_of(run, prepared, covered, "rebuild", run.table.replace(rows, covered))
    if base.watermark is None or base.watermark <= after:
        covered = replace(covered, rebuild_id=base.rebuild_id)
        action = "append" if rows.height else "nothing"
        return materialized_of(run, prepared, covered, action, write_rows(run, rows, covered, base))
    kept = pl.col(AVAILABLE_AT) <= after
    merged = TableRows(run.table, run.view.keys, rows, kept, left_out_of(base, run.view))
    return materialized_of(run, prepared, covered, "append", run.table.replace(merged, covered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A source of a transform: its parts, what is to be read of it, and what is known of these rows.

    `before` is what the view's table has read of it, None where that does not count.
    """

    source: Source
    reader: SourceReader
    parts: tuple[SourcePart, ...]
    before: Coverage | None
    increment: Increment
    summary: RowSummary

    @property
    def watermark(self) -> datetime | None:
        """The greatest availability that was ever read."""
        return latest(self.summary.watermark, self.before.watermark if self.before else None)

    def held(self) -> list[str]:
        """Return the parts that hold rows later than now, as a table's coverage names them."""
        read = [part.name for scan in self.increment.scans for part in scan.parts]
        names = [name for name, held in zip(read, self.summary.held_back, strict=True) if held]
        names += [name for name in (self.before.held if self.before else ()) if name not in read]
        return [f"{self.source.name}/{name}" for name in dict.fromkeys(names)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done for a view: its sources, and what its table covers (None: it is made anew)."""

    view: FeatureView
    inputs: tuple[Input, ...]
    base: Coverage | None
    now: datetime
    since: datetime | None = None  # from then on what is known is computed again

    @property
    def is_again(self) -> bool:
        """True when some of what the table has is computed again because it was asked for."""
        return self.base is not None and self.since is not None

    @property
    def new(self) -> bool:
        """True when there is something that the table lacks."""
        base = self.base
        if base is None or self.is_again or any(item.summary.rows for item in self.inputs):
            return True
        return _RESULT in base.held and base.now is not None and base.now < self.now

    @property
    def held(self) -> tuple[str, ...]:
        """The parts that hold rows later than now."""
        return tuple(name for item in self.inputs for name in item.held())

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """What came of the checks of the sources, over the rows that are new."""
        return tuple(check for item in self.inputs for check in item.summary.checks)

    @property
    def known_until(self) -> datetime | None:
        """The instant up to which no row of the table can change; None: all are to be made anew."""
        assert self.view.transform is not None
        if self.base is None or self.base.now is None or self.view.transform.lookback_us is None:
            return None
        firsts = [item.summary.first_available for item in self.inputs]
        return min([self.base.now, *(earlier_by(first, 1) for first in (*firsts, self.since) if first is not None)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """Rows of a transform's view for its table, and what the table covers with them.

    `after` None: they are the whole table. Else they take the place of its rows that became available later. `begins`
    are the least event time and the least availability of all that the function `returned`, None without rows.
    """

    prepared: Prepared
    covered: Coverage
    after: datetime | None
    begins: Ends | None
    returned: pl.LazyFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Transforming:
    """Where and as of when transforms are computed."""

    engine: Engine
    room: SpillRoom
    now: datetime
    begin: datetime | None = None  # the first event time that the table holds; None: all there are
    since: datetime | None = None  # from then on what is known is computed again
    erasures: Erasures = NOTHING_ERASED

    def look(self, view: FeatureView, readers: Sequence[SourceReader], base: Coverage | None) -> Work:
        """Return what is to be done for a view, after a look at the rows of its sources that its table lacks.

        Raises:
            DataError: a source can't be read.
        """
        view = typed_sources(view, readers)
        sources = list(zip(transform_sources(view), readers, strict=True))
        inputs = tuple(self._input(source, reader, _covered_of(base, source)) for source, reader in sources)
        if base is not None and any(item.increment.rebuild for item in inputs):
            base, inputs = None, tuple(self._input(source, reader, None) for source, reader in sources)
        return Work(view=view, inputs=inputs, base=base, now=self.now, since=self.since)

    def late(self, work: Work) -> LateOfInputs:
        """Return what was read of the parts of all sources, and what came late of those known at the watermark."""
        taken = (work.known_until or _NEVER) if work.new else None
        inputs = [
            InputParts(source=i.source, reader=i.reader, parts=i.parts, increment=i.increment, before=i.before)
            for i in work.inputs
        ]
        found = count_inputs(self.engine, inputs, self.now, taken)
        stamps = {f"{i.source.name}/{name}": at for i in work.inputs for name, at in i.increment.covered.items()}
        return replace(found, covered=replace(found.covered, parts=stamps))

    def _input(self, source: Source, reader: SourceReader, before: Coverage | None) -> Input:
        with reading(f"source {source.name}"):
            parts = reader.parts()
            increment = without_reread(plan_increment(reader, parts, before, self.now))
            pieces = [
                Piece(scan=SourceScan(reader=reader, parts=(part,)), until=self.now, after=scan.after)
                for scan in increment.scans
                for part in scan.parts
            ]
            summary = self.engine.look(pieces, source, self.room) if pieces else _NOTHING
        return Input(source=source, reader=reader, parts=parts, before=before, increment=increment, summary=summary)

    def compute(self, work: Work) -> Computed:
        """Return what the function makes of its sources.

        Raises:
            DataError: FC504 a source has other types than the view was applied with, FC521 the function fails, FC522 it
                returns something else.
        """
        check_given_types(work.view, [(item.source, item.reader.columns()) for item in work.inputs])
        after, late = work.known_until, self.late(work)
        result = self.engine.transform(work.view, self._given(work))
        pieces = [Piece(scan=FrameScan(rows=result), until=self.now, after=after, since=self.begin)]
        prepared = self.engine.prepare(pieces, as_state(work.view), None, self.room, self.erasures)
        prepared = replace(
            prepared,
            rows_read=sum(item.summary.rows for item in work.inputs),
            dropped=dict(Counter(_dropped(work.inputs)) + Counter(late.dropped) + erased_of(prepared)),
            late_events=late.late_events,
            checks=(*work.checks, *prepared.checks),
        )
        covered = replace(_covered(work, after, prepared), since=self.begin)
        covered = with_late_rows(covered, work.base, late, after)
        begins = prepared.begins if after is None else self._begins(work, result)
        return Computed(prepared=prepared, covered=covered, after=after, begins=begins, returned=result)

    def _begins(self, work: Work, result: pl.LazyFrame) -> Ends | None:
        every = Piece(scan=FrameScan(rows=result), until=self.now)
        first = self.engine.look([every], as_state(work.view).source, self.room)
        if first.first_event is None or first.first_available is None:
            return None
        return first.first_event, first.first_available

    def _given(self, work: Work) -> list[SourceRows]:
        """Return the rows that the function is given, of each source."""
        every = [
            SourceRows(
                source=i.source,
                scan=SourceScan(reader=i.reader, parts=i.parts),
                until=self.now,
                erased=erased_rows(self.erasures, work.view),
            )
            for i in work.inputs
        ]
        after, transform = work.known_until, work.view.transform
        if after is None or transform is None or transform.lookback_us is None:
            return every
        since = earlier_by(after, transform.lookback_us)
        firsts = [self._first_event(given, since) for given in every]
        happened = min((first for first in firsts if first is not None), default=None)
        return [
            replace(
                given,
                available_after=since,
                happened_from=None if happened is None else earlier_by(happened, transform.lookback_us),
            )
            for given in every
        ]

    def _first_event(self, given: SourceRows, after: datetime) -> datetime | None:
        """Return the earliest event among the rows that became available later."""
        later = [Piece(scan=given.scan, until=self.now, after=after)]
        with reading(f"source {given.source.name}"):
            return self.engine.look(later, replace(given.source, checks=())).first_event


_NOTHING: Final = RowSummary(rows=0, held_back=(), first_available=None, first_event=None, watermark=None)


def _covered_of(base: Coverage | None, source: Source) -> Coverage | None:
    """Return what a table covers of one of its sources."""
    return None if base is None else parts_of(base, source)


def _covered(work: Work, after: datetime | None, prepared: Prepared) -> Coverage:
    """Return what a table covers whose rows of later than `after` (None: all) were made anew: those before are gone."""
    before = work.base or Coverage()
    known = None if after is None or before.watermark is None else min(before.watermark, after)
    marks = {item.source.name: mark for item in work.inputs if (mark := item.watermark) is not None}
    return Coverage(
        parts={f"{i.source.name}/{name}": stamp for i in work.inputs for name, stamp in i.increment.covered.items()},
        held=(*work.held, *([_RESULT] if any(prepared.held_back) else [])),
        watermark=latest(known, prepared.watermark, *marks.values()),
        newest_event=latest(None if after is None else before.newest_event, prepared.newest_event),
        now=work.now,
        dropped=dict(Counter(before.dropped) + Counter(_dropped(work.inputs))),
        inputs=input_marks(work.view),
        rows_mark=rows_mark(work.view),
        columns=work.view.source.columns or {},
        watermarks=marks,
    )


def _dropped(inputs: Sequence[Input]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for item in inputs:
        total += Counter(item.summary.dropped)
    return dict(total)
