"""What a run must read of a source, given what its table has read so far.

A source is append-only: a row, once read, does not change. So a run takes each row once, at the first run whose now
is not before the row's availability; rows that become available later are held back, and the part that holds them
is remembered. Any sequence of runs gives the table that one run at the last now would give, provided that the source
keeps its promise:

- With an `available_at` column: when a row can be read, so can all rows of the same or an earlier availability. A
  run takes what lies *above* the greatest availability read so far; a row that shows up later with that same
  availability, or an earlier one, is not taken before the table is rebuilt. (A batch whose rows share one
  availability must therefore appear at once, as a file that is renamed into place does.)
- Without one: files and Delta data files don't change once written. One that did, or a Delta file that is gone
  (an overwrite, a delete, a compaction), means a rebuild. A plain file that is gone leaves its rows in the table,
  unless the source's path was changed and means it no more: then the new files may hold its rows, and a rebuild it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Final, Protocol

from featurectl.language.definitions.objects import Source
from featurectl.sources.base import SourcePart
from featurectl.sources.since import asks_since

_ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)


class Covered(Protocol):
    """What a table has read: `offline.base.Coverage`."""

    @property
    def parts(self) -> Mapping[str, str]:
        """Each part read, with its stamp."""

    @property
    def held(self) -> tuple[str, ...]:
        """The parts that held rows available after `now`."""

    @property
    def watermark(self) -> datetime | None:
        """The greatest availability of the rows taken."""

    @property
    def newest_event(self) -> datetime | None:
        """The greatest event time of the rows taken."""

    @property
    def now(self) -> datetime | None:
        """The instant of the last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScan:
    """Rows to take: those of `parts` with `after` < availability <= now; `after` None is from the beginning.

    `since` fills `:since` of a query.
    """

    parts: tuple[SourcePart, ...]
    after: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    """What a run reads: nothing (no scans), rows to add to the table, or (`rebuild`) all rows in place of the table.

    `covered` is what `Coverage.parts` must hold after the run. `repeats`: the scans may give rows that the table
    has already; the caller leaves them out. `reason` says in a few words why there is nothing, or a rebuild.
    """

    scans: tuple[PartScan, ...] = ()
    covered: Mapping[str, str]
    rebuild: bool = False
    repeats: bool = False
    reason: str = ""


def plan_increment(
    source: Source, parts: Sequence[SourcePart], coverage: Covered | None, now: datetime, meant: str = ""
) -> Increment:
    """Return what to read of the source's parts as of now; `coverage` None is a table that is not there yet.

    `meant` is the reader's: the source's path with its variables filled. A run whose now lies before
    that of the last run reads nothing: the table already reaches further.
    """
    if coverage is None or coverage.now is None:
        return _rebuild(parts, "first read")
    if now < coverage.now:
        return Increment(covered=coverage.parts, reason="the table was computed as of a later now")
    touched = tuple(part for part in parts if not part.stamp or coverage.parts.get(part.name) != part.stamp)
    held = tuple(part for part in parts if part.name in coverage.held and part not in touched)
    missing = coverage.parts.keys() - {part.name for part in parts}
    gone = bool(missing) and (source.static or source.format == "delta")
    if not touched and not gone and (not held or now == coverage.now):
        return Increment(covered=coverage.parts, reason="no new rows")
    if source.static:
        unknown = all(not part.stamp for part in touched) and not gone
        return _rebuild(
            parts, "what a query gives is not known before it is run" if unknown else "a static source changed"
        )
    if source.format == "sql":
        return _query(source, parts, coverage)
    if source.available_at is not None:
        return _above(parts, {*touched, *held}, coverage)
    if gone:
        return _rebuild(parts, "a data file is gone")
    return _files(meant or source.path, parts, (touched, held), coverage)


def lost_parts(source: Source, parts: Sequence[SourcePart], read: Iterable[str], meant: str = "") -> list[str]:
    """Return which parts of those read a rebuild would lose: files that are gone, and lie nowhere else.

    Files that the path does not mean any more lie where it leads now. A static source and a Delta table mean what there
    is now, a query has no parts.
    """
    if source.static or source.format in ("delta", "sql"):
        return []
    gone = sorted(set(read) - {part.name for part in parts})
    means = _meaning(meant or source.path)
    return [name for name in gone if means(name)] if all(means(part.name) for part in parts) else gone


def _rebuild(parts: Sequence[SourcePart], reason: str) -> Increment:
    covered = {part.name: part.stamp for part in parts}
    return Increment(scans=(PartScan(parts=tuple(parts)),), covered=covered, rebuild=True, reason=reason)


def _above(parts: Sequence[SourcePart], chosen: set[SourcePart], coverage: Covered) -> Increment:
    """All rows above the watermark lie in parts that are new, changed, or were held."""
    ordered = tuple(part for part in parts if part in chosen)
    scans = (PartScan(parts=ordered, after=coverage.watermark),) if ordered else ()
    return Increment(scans=scans, covered=_with(coverage, parts), reason="" if scans else "no new rows")


def _files(
    path: str, parts: Sequence[SourcePart], chosen: tuple[Sequence[SourcePart], Sequence[SourcePart]], coverage: Covered
) -> Increment:
    touched, held = chosen
    if any(part.name in coverage.parts for part in touched):
        return _rebuild(parts, "a file changed in place")
    gone = coverage.parts.keys() - {part.name for part in parts}
    if touched and _lies_elsewhere(gone, path, parts):
        return _rebuild(parts, "the source has another path")
    scans = (PartScan(parts=tuple(touched)), PartScan(parts=tuple(held), after=coverage.now))
    return Increment(scans=tuple(scan for scan in scans if scan.parts), covered=_with(coverage, parts))


def _lies_elsewhere(names: Iterable[str], path: str, parts: Sequence[SourcePart]) -> bool:
    """Return whether a path, which means the parts, does not mean one of some other files; False where it is unclear.

    >>> parts = (SourcePart(name="new/a.csv", stamp="1"),)
    >>> [_lies_elsewhere([name], "new/*.csv", parts) for name in ("old/a.csv", "new/b.csv")]
    [True, False]
    """
    means = _meaning(path)
    return all(means(part.name) for part in parts) and not all(map(means, names))


def _meaning(path: str) -> Callable[[str], bool]:
    """Return what says of a file whether a path means it."""
    meant = path if "://" in path else normpath(path)
    return lambda name: meant == "." or name.startswith(f"{meant}/") or fnmatchcase(name, meant.replace("**/", "*"))


def _query(source: Source, parts: Sequence[SourcePart], coverage: Covered) -> Increment:
    assert source.sql is not None
    if not asks_since(source.sql.query):
        return _rebuild(parts, "the query has no :since")
    if source.available_at is not None:
        scan = PartScan(parts=tuple(parts), after=coverage.watermark, since=coverage.watermark)
        return Increment(scans=(scan,), covered=_with(coverage, parts))
    if not source.dedup_key:
        return _rebuild(parts, ":since by event time needs a dedup_key")
    if coverage.newest_event is None:
        return _rebuild(parts, "no rows so far")
    since = (
        max(coverage.newest_event - _ALWAYS - timedelta(microseconds=source.lateness_us or 0), timedelta()) + _ALWAYS
    )
    return Increment(scans=(PartScan(parts=tuple(parts), since=since),), covered=_with(coverage, parts), repeats=True)


def _with(coverage: Covered, parts: Sequence[SourcePart]) -> dict[str, str]:
    """Return the parts read before and now; a file that is gone stays known, in case it comes back."""
    return {**coverage.parts, **{part.name: part.stamp for part in parts}}
