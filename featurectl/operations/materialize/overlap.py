"""A query by event time that is asked again: what its rows add to a table, and which of the table's have no place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from featurectl.engines.base import BucketedRows
from featurectl.engines.budget import VALUE_BYTES, buckets_that_fit
from featurectl.engines.merge import merged
from featurectl.engines.spill import SpillRoom
from featurectl.offline.base import Coverage, OfflineTable
from featurectl.offline.order import ordered
from featurectl.offline.removed_rows import row_columns, without_rows
from featurectl.operations.materialize.repeats import lacking_rows
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.pit.questions import DEDUP, EVENT_TIME, TIE_ORDER
from featurectl.sources.base import PartScan

if TYPE_CHECKING:
    from featurectl.engines.shuffle import Shuffle

_AT_ONCE: Final = 250_000  # rows of a table that are looked through
_SHARE: Final = 8  # of the memory for rows: several of these lie beside each other
_COPIES: Final = 4  # of some rows while they are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpace:
    """Where rows lie that do not fit, and how much memory there is for rows."""

    room: SpillRoom
    memory_bytes: int

    def shuffle(self, keys: Sequence[str]) -> Shuffle:
        """Return an empty shuffle by a view's keys."""
        from featurectl.engines.shuffle import Shuffle  # it loads NumPy, which a push does without

        return Shuffle(columns=tuple(keys), memory_bytes=self.memory_bytes // _SHARE, folder=self.room.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Rows that a table lacks, and those of it that leave it (keys, clocks and hash, each as often as it goes).

    `late` of the rows added happened before others that were read earlier, or at the same instant.
    """

    added: BucketedRows
    gone: BucketedRows
    late: int


def find_overlap(run: MaterializeRun, rows: BucketedRows, scan: PartScan, space: RowSpace) -> Overlap:
    """Return what makes a view's table of its rows up to a scan's `since`, and of those of its query from then on.

    Rows of that very instant, which a query that compares by `>` does not give, are the table's and those it lacks,
    without copies of the events of these. Only rows of that instant and later are read.
    """
    from featurectl.engines.shuffle import ShuffledRows
    from featurectl.pit.hashing import add_hashes

    keys, since = run.view.keys, scan.since
    assert since is not None
    at_since = pl.col(EVENT_TIME) == since
    there = _rows_since(run, rows.schema, since, space)
    added, gone = space.shuffle(keys), space.shuffle(keys)
    parts = _parts(max(rows.height, there.height), len(rows.schema), space) if keys else 1
    sums, named, late = (0, 0), [], 0
    for part in range(parts):
        new, old = rows.of(part, parts).filter(pl.col(EVENT_TIME) >= since), there.of(part, parts)
        lacking = lacking_rows(new, old, keys)
        named.append(lacking.filter(at_since)[DEDUP].drop_nulls())
        late += lacking.filter(pl.col(EVENT_TIME) <= scan.events_until).height
        sums = add_hashes(sums, lacking[TIE_ORDER])
        added.add(lacking)
        gone.add(_row(lacking_rows(old.filter(~at_since), new, keys), keys))
    if (events := pl.concat(named)).len():
        for part in range(there.parts):
            copies = there.of(part, there.parts).filter(at_since, pl.col(DEDUP).is_in(events.implode()))
            gone.add(_row(copies, keys))
    added.settle()
    gone.settle()
    return Overlap(added=ShuffledRows(added, keys, sums), gone=ShuffledRows(gone, keys, (0, 0)), late=late)


def _rows_since(run: MaterializeRun, schema: pl.Schema, since: datetime, space: RowSpace) -> Shuffle:
    """Return what tells rows of a table apart, and their events, of those that happened at an instant or later."""
    version, columns = run.table.version(), [*row_columns(run.view.keys), DEDUP]
    assert version is not None
    there = space.shuffle(run.view.keys)
    there.add(pl.DataFrame(schema={name: schema[name] for name in columns}))
    for block in run.table.blocks(version, _AT_ONCE, columns, since):
        there.add(block)
    return there


def _parts(rows: int, columns: int, space: RowSpace) -> int:
    """Return in how many parts rows are compared: a power of two, no more than fill the memory."""
    from featurectl.engines.shuffle import PARTS

    fit = buckets_that_fit(rows * columns * VALUE_BYTES * _COPIES, 1, space.memory_bytes // _SHARE)
    return min(fit, PARTS, 1 << rows.bit_length())


def _row(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    return rows.select(row_columns(keys))


def write_overlap(run: MaterializeRun, overlap: Overlap, covered: Coverage, left_out: Sequence[str]) -> int:
    """Write a table with rows added and others gone, in one commit, and return its new version.

    Only files that have rows which go are written anew; all of them where the table gets other columns.
    """
    if left_out or not run.table.takes(overlap.added):
        return run.table.replace(_RevisedRows(run.table, run.view.keys, overlap, left_out), covered)
    return run.table.append(overlap.added, covered, overlap.gone)


@dataclass(frozen=True, slots=True)
class _RevisedRows:
    """The rows of a table, without some of its columns, with rows added and others gone."""

    table: OfflineTable
    keys: Sequence[str]
    overlap: Overlap
    left_out: Sequence[str]

    @property
    def height(self) -> int:
        return self.table.statistics().rows + self.overlap.added.height - self.overlap.gone.height

    @property
    def schema(self) -> pl.Schema:
        return self._of(0, self.table.buckets()).schema

    @property
    def mark(self) -> str:
        return ""

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        return ordered(self._of(bucket, buckets), self.keys)

    def _of(self, bucket: int, buckets: int) -> pl.DataFrame:
        rows = self.table.of(bucket, buckets).drop(self.left_out)
        (kept,) = without_rows(iter([rows]), self.overlap.gone.of(bucket, buckets), self.keys)
        return pl.concat([kept, self.overlap.added.of(bucket, buckets)], how="diagonal_relaxed")

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        yield merged(self.of(bucket, buckets), among, self.keys)
