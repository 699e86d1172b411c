"""What a run must read of a source, given what its table has read so far: what is the same for every kind of source.

A source is append-only: a row, once read, does not change. So a run takes each row once, at the first run whose now
is not before the row's availability; rows that become available later are held back, and the part that holds them
is remembered. Any sequence of runs gives the table that one run at the last now would give, provided that the source
keeps its promise:

- With an `available_at` column: when a row can be read, so can all rows of the same or an earlier availability. A run
  takes what lies *above* the greatest availability read so far (of a query with a `dedup_key` also what came since of
  that very instant, and of the source's `lateness` before it); a row that shows up later with that same availability,
  or an earlier one, is late: it is counted, and not taken before a range or the table is computed again
  (`operations/materialize/part_rows.py`). (A batch whose rows share one availability must therefore appear at once, as
  a file that is renamed into place does.)
- Without one: what each kind says in its own file (`new_rows` of `files`, `delta`, `sql`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from featurectl.sources.base import Changes, Covered, Increment, PartScan, SourcePart, SourceReader


def plan_increment(
    reader: SourceReader, parts: Sequence[SourcePart], coverage: Covered | None, now: datetime
) -> Increment:
    """Return what to read of the source's parts as of now; `coverage` None is a table that is not there yet.

    A run whose now lies before that of the last run reads nothing: the table already reaches further.
    """
    if coverage is None or coverage.now is None:
        return rebuild(parts, "first read")
    if now < coverage.now:
        return Increment(covered=coverage.parts, reason="the table was computed as of a later now")
    source, changes = reader.source, _changes(parts, coverage)
    is_gone = bool(changes.gone) and (source.static or reader.is_snapshot)
    if not changes.touched and not is_gone and (not changes.held or now == coverage.now):
        return Increment(covered=coverage.parts, reason="no new rows")
    if source.static:
        unknown = all(not part.stamp for part in changes.touched) and not is_gone
        reason = "what a query gives is not known before it is run" if unknown else "a static source changed"
        return rebuild(parts, reason)
    return reader.new_rows(changes)


def _changes(parts: Sequence[SourcePart], coverage: Covered) -> Changes:
    touched = tuple(part for part in parts if not part.stamp or coverage.parts.get(part.name) != part.stamp)
    held = tuple(part for part in parts if part.name in coverage.held and part not in touched)
    gone = frozenset(coverage.parts.keys() - {part.name for part in parts})
    return Changes(parts=tuple(parts), before=coverage, touched=touched, held=held, gone=gone)


def rebuild(parts: Sequence[SourcePart], reason: str) -> Increment:
    """Return that all parts are read, in place of what the table has."""
    covered = {part.name: part.stamp for part in parts}
    return Increment(scans=(PartScan(parts=tuple(parts)),), covered=covered, rebuild=True, reason=reason)


def above_watermark(changes: Changes) -> Increment:
    """Return what is new of a source with `available_at`: above the watermark, in parts new, changed, or held."""
    chosen = {*changes.touched, *changes.held}
    ordered = tuple(part for part in changes.parts if part in chosen)
    scans = (PartScan(parts=ordered, after=changes.before.watermark),) if ordered else ()
    return Increment(scans=scans, covered=covered_after(changes), reason="" if scans else "no new rows")


def new_files(changes: Changes) -> Increment:
    """Return what is new of files that don't change once written: new ones, and the later rows of those held.

    One that has changed means a rebuild.
    """
    if any(part.name in changes.before.parts for part in changes.touched):
        return rebuild(changes.parts, "a file changed in place (no available_at: all is read)")
    scans = (PartScan(parts=changes.touched), PartScan(parts=changes.held, after=changes.before.now))
    return Increment(scans=tuple(scan for scan in scans if scan.parts), covered=covered_after(changes))


def without_reread(increment: Increment) -> Increment:
    """Return an increment without rows that were read before, for who can't tell them from those that came since."""
    scans = [
        scan if scan.reread_until is None else replace(scan, after=scan.reread_until, reread_until=None)
        for scan in increment.scans
    ]
    return replace(increment, scans=tuple(scans))


def covered_after(changes: Changes) -> dict[str, str]:
    """Return the parts read before and now; a file that is gone stays known, in case it comes back."""
    return {**changes.before.parts, **{part.name: part.stamp for part in changes.parts}}
