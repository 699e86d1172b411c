"""Rows of the table of an older version of a view that a new one can't have: its source holds them no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.core.units import counted, format_iso, plural
from featurectl.language.resolve.transformed import transform_sources
from featurectl.offline.base import Coverage, OfflineTable
from featurectl.operations.materialize.lost_rows import LostRows, before_begins, find_rows
from featurectl.operations.materialize.part_begins import Ends
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.pit.questions import EVENT_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderHistory:
    """What the table of an older `version` has, and one that was made now lacks.

    `lost` are its rows of before the source begins, `gone_parts` the files that it has read and that are gone, of which
    `part_rows` rows were read (None: not known).
    """

    version: int
    lost: LostRows | None = None
    gone_parts: tuple[str, ...] = ()
    part_rows: int | None = None


def older_history(run: MaterializeRun, begins: Ends | None, older: int, table: OfflineTable) -> OlderHistory | None:
    """Return what the table of an `older` version has that the one made now lacks; None: nothing.

    `begins` are the least event time and availability that its source has now, None where it has no rows.
    """
    if all(source.static for source in transform_sources(run.view)):
        return None
    coverage, made = table.coverage() or Coverage(), run.table.coverage()
    wanted = pl.lit(value=True) if made is None or made.since is None else pl.col(EVENT_TIME) >= made.since
    lost = find_rows(table, before_begins(begins) & wanted)
    gone = () if run.view.transform is not None else tuple(run.reader.lost_parts(run.reader.parts(), coverage.parts))
    if lost is None and not gone:
        return None
    return OlderHistory(version=older, lost=lost, gone_parts=gone, part_rows=rows_of_parts(coverage, gone))


def rows_of_parts(coverage: Coverage, parts: Sequence[str]) -> int | None:
    """Return how many rows were read of some parts; None: not all were counted."""
    rows = [coverage.part_rows.get(name) for name in parts]
    return sum(of.count for of in rows if of) if parts and all(of and of.counted for of in rows) else None


def describe_gone(parts: Sequence[str], rows: int | None, version: int) -> str:
    """Return what there is to say of files that are gone.

    >>> describe_gone(["a.csv", "b.csv"], 3, 1)
    'a.csv and 1 other file that v1 has read (3 rows) are gone'
    """
    more = f" and {counted(len(parts) - 1, 'other file')}" * (len(parts) > 1)
    known = "" if rows is None else f" ({counted(rows, 'row')})"
    return f"{parts[0]}{more} that v{version} has read{known} {plural(len(parts), 'is', 'are')} gone"


def describe_history(history: OlderHistory) -> str:
    """Return what there is to say of a new table that lacks what an older one has."""
    version, lost = f"v{history.version}", history.lost
    found = [] if lost is None else [f"{version} has {lost} of before what the source holds now"]
    if history.gone_parts:
        found.append(describe_gone(history.gone_parts, history.part_rows, history.version))
    return f"{', and '.join(found)}: these rows are in the table of {version} alone"


def history_document(history: OlderHistory | None) -> dict[str, object] | None:
    """Return what a new table lacks, for JSON."""
    if history is None:
        return None
    first, last = history.lost.ends if history.lost else (None, None)
    return {
        "version": history.version,
        "rows": history.lost.count if history.lost else 0,
        "first": first and format_iso(first),
        "last": last and format_iso(last),
        "gone_parts": list(history.gone_parts),
    }
