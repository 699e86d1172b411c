"""Rows of a table that nothing else holds any more: they are not lost unless that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import counted, format_iso, united
from featurectl.engines.spans import NOT_COUNTED, PartRows
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import transform_sources
from featurectl.offline.base import Coverage, OfflineTable
from featurectl.operations.materialize.part_begins import Ends, begins_of
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME
from featurectl.sources.base import SourcePart, SourceReader
from featurectl.sources.since import asks_since
from featurectl.sources.size import first_times

_AT_ONCE: Final = 1_000_000  # rows of the table


def check_files_there(
    run: MaterializeRun, coverage: Coverage, why: str, begin: datetime | None = None
) -> tuple[str, ...]:
    """Return the files that a table has read and that are gone, whose rows are to be looked for in those that are left.

    `why` says what the table, which begins at `begin`, is made anew for. A file that had no rows, or none from then on,
    is not missed.

    Raises:
        DataError: FC501, some are gone, and nobody knows of when their rows were, or what a transform makes of them.
    """
    found: list[str] = []
    for source, reader in zip(transform_sources(run.view), (run.reader, *run.others), strict=True):
        mine = "" if run.view.transform is None else f"{source.name}/"
        read = [name.removeprefix(mine) for name in coverage.parts if name.startswith(mine)]
        lost = reader.lost_parts(reader.parts(), read)
        gone = [name for name in lost if _is_missed(coverage.part_rows.get(mine + name, NOT_COUNTED), begin)]
        if run.view.transform is None and all(begins_of(coverage.part_rows.get(name, NOT_COUNTED)) for name in gone):
            found += gone
        elif gone:
            more = f" and {counted(len(gone) - 1, 'other file')}" * (len(gone) > 1)
            raise DataError(
                f"source {source.name}: {gone[0]}{more} that the table of {run.view.name} has read "
                f"{'is' if len(gone) == 1 else 'are'} gone; {why}, and made anew it would lose their rows",
                code="FC501",
                hint=how_to_go_on(run.view),
            )
    return tuple(found)


def _is_missed(rows: PartRows, begin: datetime | None) -> bool:
    """Return whether a table that begins at an instant (None: with the first row) may lack the rows of a part."""
    last = rows.events.last
    return not rows.counted or (last is not None and (begin is None or last >= begin))


MADE_ANEW: Final = "`materialize --full` makes the table of what there is, without them"


@dataclass(frozen=True, slots=True)
class LostRows:
    """Rows of a table of before its source begins: how many, the ends of their events, and when all were known."""

    count: int
    ends: Ends
    known: datetime

    def __str__(self) -> str:
        """How many rows there are, and of when."""
        first, last = map(format_iso, self.ends)
        return f"{counted(self.count, 'row')} of {first}" + ("" if first == last else f" to {last}")


def find_lost(
    run: MaterializeRun, begins: Ends | None, chosen: pl.Expr | None = None, returned: pl.LazyFrame | None = None
) -> LostRows | None:
    """Return which of the chosen rows of a table lie before what its source holds now; None: none does.

    `begins` are the least event time and the least availability that it has, None where it has no rows. A source may
    be cut at its beginning by either. Rows that a transform has `returned`, known at whatever time, are not lost.
    """
    gone = before_begins(begins) if chosen is None else before_begins(begins) & chosen
    lost = find_rows(run.table, gone)
    if lost is None or returned is None:
        return lost
    return find_rows(run.table, gone, returned.select(*run.view.keys, EVENT_TIME).collect())


def before_begins(begins: Ends | None) -> pl.Expr:
    """Return which rows of a table lie before what its source holds."""
    if begins is None:
        return pl.lit(value=True)
    return (pl.col(EVENT_TIME) < begins[0]) | (pl.col(AVAILABLE_AT) < begins[1])


def before_event(begin: datetime) -> pl.Expr:
    """Return which rows of a table happened before an instant."""
    return pl.col(EVENT_TIME) < begin


def find_rows(table: OfflineTable, wanted: pl.Expr, there: pl.DataFrame | None = None) -> LostRows | None:
    """Return how many rows of a table there are of which something is true, and of when; None: there is none.

    Those do not count that have the keys and the event time of a row that is `there`.
    """
    version = table.version()
    if version is None:
        return None
    same = [EVENT_TIME] if there is None else there.columns
    found = (rows.filter(wanted) for rows in table.blocks(version, _AT_ONCE, [*same, AVAILABLE_AT]))
    if there is not None:
        found = (rows.join(there, on=same, how="anti", nulls_equal=True) for rows in found)
    return lost_of(found)


def lost_of(frames: Iterable[pl.DataFrame]) -> LostRows | None:
    """Return how many rows there are in some frames, and of when; None: there is none."""
    count, ends, known = 0, None, None
    for lost in frames:
        if lost.height:
            first, last, seen = lost.select(
                pl.col(EVENT_TIME).min(), pl.max(EVENT_TIME).alias("last"), pl.max(AVAILABLE_AT)
            ).row(0)
            count, ends = count + lost.height, united(ends, (first, last))
            known = seen if known is None else max(known, seen)
    return None if ends is None or known is None else LostRows(count, ends, known)


def known_begins(reader: SourceReader, coverage: Coverage, parts: Sequence[SourcePart]) -> Ends | None:
    """Return where a source begins, without reading its rows; None: that is not known, or it has none.

    It is known of parts that are as they were when their rows were counted, and of others that tell their times.
    """
    found, others = [], []
    for part in parts:
        rows = coverage.part_rows.get(part.name)
        is_unchanged = bool(part.stamp) and part.stamp == coverage.parts.get(part.name)
        begins = None if rows is None else begins_of(rows)
        if rows is None or not is_unchanged or not rows.counted or (rows.count and begins is None):
            others.append(part)
        elif begins is not None:
            found.append(begins)
    if others:
        first = first_times(reader, others)
        if first is None:
            return None
        found.append(first)
    return (min(event for event, _ in found), min(known for _, known in found)) if found else None


def of_table(begin: datetime | None, now: datetime) -> pl.Expr:
    """Return which rows a table may have that begins at an instant (None: with the first row), as of now."""
    known = pl.col(AVAILABLE_AT) <= now
    return known if begin is None else known & (pl.col(EVENT_TIME) >= begin)


def check_rows_there(
    run: MaterializeRun, begins: Ends | None, chosen: pl.Expr, why: str, returned: pl.LazyFrame | None = None
) -> None:
    """Check that a table that is made anew keeps its history of chosen rows; `why` says what it is made anew for.

    Raises:
        DataError: FC501, its source was cut at its beginning.
    """
    if _has_no_history(run):
        return
    lost = find_lost(run, begins, chosen, returned)
    if lost is not None:
        raise DataError(
            f"{_sources(run)}: {lost} that the table of {run.view.name} has {_now_gone(run, lost, begins)}; "
            f"{why}, and made anew it would lose them",
            code="FC501",
            hint=how_to_go_on(run.view),
        )


def check_not_emptied(run: MaterializeRun, rows: int, chosen: pl.Expr, why: str) -> None:
    """Check that a table that is made anew with so many rows does not lose all chosen ones that it has.

    Raises:
        DataError: FC501, it has some, and would have none.
    """
    lost = None if rows else find_lost(run, None, chosen)
    if lost is not None:
        raise DataError(
            f"{_sources(run)}: none of the {counted(lost.count, 'row')} that the table of {run.view.name} has, nor any "
            f"other, is left; {why}, and made anew it would be empty",
            code="FC501",
            hint="put them back; `materialize --full` empties the table",
        )


def check_range_there(
    run: MaterializeRun, begins: Ends | None, asked: pl.Expr, returned: pl.LazyFrame | None = None
) -> None:
    """Check that a range of a table can be computed again from what there is.

    Raises:
        DataError: FC501, its source was cut at its beginning, within the range or behind it.
    """
    lost = None if _has_no_history(run) else find_lost(run, begins, asked, returned)
    if lost is not None:
        last, clock = (lost.ends[1], 0) if run.view.transform is None else (lost.known, 1)
        since = last + timedelta(microseconds=1)
        if begins is not None:
            since = max(since, begins[clock])
        raise DataError(
            f"{_sources(run)}: {lost} that the table of {run.view.name} has {_now_gone(run, lost, begins)}; "
            "the range, computed again, would lose them",
            code="FC501",
            hint=how_to_begin(run, since),
        )


def how_to_begin(run: MaterializeRun, since: datetime) -> str:
    """Return what to do where a range of a table would lose rows if it were computed again."""
    coverage = run.table.coverage()
    kept = "; `--keep-changed` leaves the table as it is, and says no more of rows that changed or went"
    changed = coverage is not None and coverage.changed_parts
    return f"begin later: `--since {format_iso(since)}` keeps them; {MADE_ANEW}{kept if changed else ''}"


def how_to_go_on(view: FeatureView) -> str:
    """Return what to do where a table would lose rows if it were made anew."""
    return f"put them back; {MADE_ANEW}{_to_keep(view)}"


def _to_keep(view: FeatureView) -> str:
    """Return what would keep the rows of a source that is cut: a hint that goes on."""
    if view.transform is not None:
        kept = "; with `lookback` a run computes what is new, and the table keeps what was known before"
        return kept if view.transform.lookback_us is None else _clocks_to_keep(view)
    source, keeps = view.source, "a run takes what is new, and the table keeps the rest"
    if source.sql is not None:
        return "" if asks_since(source.sql.query) else f"; with `:since` in its query {keeps}"
    if view.kind == "state":
        keeps += ", as where rows are replaced by newer ones of their key"
    return f"; with `available_at` {keeps}" * (source.available_at is None)


def _clocks_to_keep(view: FeatureView) -> str:
    """Return which sources of a transform with `lookback` lack what would tell new rows of a file from others."""
    lack = [s.name for s in transform_sources(view) if not s.static and s.sql is None and s.available_at is None]
    keeps = "a file may change, and a run takes what is new, and the table keeps the rest"
    return f"; with `available_at` of {', '.join(lack)} {keeps}" if lack else ""


def _has_no_history(run: MaterializeRun) -> bool:
    return all(source.static for source in transform_sources(run.view))


def _sources(run: MaterializeRun) -> str:
    sources = transform_sources(run.view)
    names = [source.name for source in sources if not source.static] or [source.name for source in sources]
    return f"source {names[0]}" if len(names) == 1 else f"sources {', '.join(names)}"


def _now_gone(run: MaterializeRun, lost: LostRows, begins: Ends | None) -> str:
    them = "is" if lost.count == 1 else "are"
    now = "what it holds now" if run.view.transform is None else "what the function makes of it now"
    if begins is None:
        return f"{them} there no more, nor any other"
    if lost.ends[1] < begins[0]:
        return f"{them} of before {now}, from {format_iso(begins[0])} on"
    return f"became known before {now}, from {format_iso(begins[1])} on"
