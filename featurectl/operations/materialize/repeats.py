"""Copies of events that a table has: new rows are distinguished from them, and give way or take their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import polars as pl

from featurectl.core.units import moved_by
from featurectl.engines.base import BucketedRows, EarlierRows, Piece, Prepared
from featurectl.engines.row_keys import WITHOUT_KEY
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage
from featurectl.offline.removed_rows import row_columns
from featurectl.operations.materialize.rows import TableRows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.pit.questions import AVAILABLE_AT, DEDUP, EVENT_TIME, TIE, TIE_ORDER
from featurectl.sources.base import Increment, PartScan, SourcePart, SourceScan

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)  # no row is available so early
_AT_ONCE: Final = 1_000_000  # rows of a table that are looked through
_EARLIER: Final = timedelta(seconds=1)  # some databases compare in whole seconds
_NUMBER: Final = "\x00number"


def seen_before(
    run: MaterializeRun, base: Coverage | None, parts: Sequence[SourcePart], increment: Increment
) -> EarlierRows:
    """Return the rows that a table has read already, where repeats of them must be recognized.

    They are read from their files; of files that are gone, and of a query before the instant from which it is asked
    again, the table's own rows count. A query is run whole where the table may lack rows of which there are copies.
    """
    if base is None:
        return EarlierRows()
    if not run.view.source.dedup_key:
        return EarlierRows(table=partial(_rows_of, run))
    if increment.repeats:
        since = increment.scans[0].since
        return EarlierRows(rows=lambda: _rows_of(run, since), has_all=_has_all_events(run.view, base))
    if run.view.source.sql is not None and _has_all_events(run.view, base):
        table = partial(_rows_of, run)
        return EarlierRows(rows=table, table=table, has_all=True)
    again = next((scan for scan in increment.scans if scan.reread_until is not None), None)
    until = read_until(run.view, base) if again is None else again.after
    assert until is not None
    pieces = [
        Piece(scan=SourceScan(reader=run.reader, parts=(part,)), until=until)
        for part in parts
        if part.name in base.parts
    ]
    gone = base.parts.keys() - {part.name for part in parts}
    table = partial(_rows_of, run)
    return EarlierRows(pieces=pieces, rows=table if gone or again is not None else None, table=table)


def with_first_instant(increment: Increment, view: FeatureView, base: Coverage | None) -> Increment:
    """Return an increment whose query gives rows again from the first instant on, though it may compare by `>`.

    Where the table may lack rows of which there are copies, those of before that instant are read apart, and not its
    own.
    """
    if base is None or _has_all_events(view, base):
        return increment
    return replace(increment, scans=tuple(map(_from_earlier, increment.scans)))


def _from_earlier(scan: PartScan) -> PartScan:
    if scan.reread_until is None or scan.since is None:
        return scan
    return replace(scan, since=moved_by(scan.since, -_EARLIER))


def _has_all_events(view: FeatureView, base: Coverage) -> bool:
    """Return whether a table has each event that was read of its source: the view takes all, whenever they happened."""
    return view.where is None and base.since is None and not any(base.dropped.get(reason) for reason in WITHOUT_KEY)


def without_replaced(run: MaterializeRun, prepared: Prepared, left_out: Sequence[str]) -> TableRows:
    """Return the table's rows and new ones, without those of which a new one is a copy that was available first."""
    kept = ~pl.col(DEDUP).is_in(prepared.replaced).fill_null(value=False)
    return TableRows(run.table, run.view.keys, prepared.rows, kept, left_out)


def events_of(run: MaterializeRun, chosen: pl.Expr) -> pl.Series | None:
    """Return the hashes of the events of some of the table's rows; None where nothing names an event."""
    if not run.view.source.dedup_key:
        return None
    version = run.table.version()
    assert version is not None
    found = [rows.filter(chosen)[DEDUP] for rows in run.table.blocks(version, _AT_ONCE, [DEDUP, EVENT_TIME])]
    return pl.concat([pl.Series(DEDUP, [], dtype=pl.Int64), *found]).drop_nulls()


def is_copy_of(rows: BucketedRows) -> pl.Expr:
    """Return which rows of a table are of the same events as some new ones."""
    return pl.col(DEDUP).is_in(rows.of(0, 1)[DEDUP].drop_nulls().implode()).fill_null(value=False)


def lacking_rows(rows: pl.DataFrame, there: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return the rows that others lack, each as often as they lack it: by keys, clocks and the hash of all columns."""
    row = row_columns(keys)
    numbered = pl.int_range(pl.len()).over(row).alias(_NUMBER)
    found = there.select(row).with_columns(numbered)
    return rows.with_columns(numbered).join(found, on=[*row, _NUMBER], how="anti", nulls_equal=True).drop(_NUMBER)


def read_until(view: FeatureView, coverage: Coverage) -> datetime:
    """Return the availability up to which a table has read the rows of its parts: the next increment begins above."""
    until = coverage.now if view.source.available_at is None else coverage.watermark
    return until or _NEVER


def _rows_of(run: MaterializeRun, until: datetime | None = None) -> Iterator[pl.DataFrame]:
    """Give what tells copies of rows of the table, of those that happened until an instant (None: of all)."""
    version = run.table.version()
    assert version is not None
    ties = map(TIE.format, range(len(run.view.source.tiebreak)))
    named = [DEDUP, *ties] if run.view.source.dedup_key else []
    for rows in run.table.blocks(version, _AT_ONCE, [*named, EVENT_TIME, AVAILABLE_AT, TIE_ORDER]):
        yield rows if until is None else rows.filter(pl.col(EVENT_TIME) <= until)
