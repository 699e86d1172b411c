"""Rows of a table with others among them, a bucket at a time, for a table that is written again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.engines.base import BucketedRows
from featurectl.engines.merge import merged
from featurectl.offline.base import OfflineTable
from featurectl.offline.order import ordered
from featurectl.offline.rows import FrameRows


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table, without some of its columns, that `kept` is true of (None: all), and new ones."""

    table: OfflineTable
    keys: Sequence[str]
    rows: BucketedRows | None = None
    kept: pl.Expr | None = None
    left_out: Sequence[str] = ()

    @property
    def height(self) -> int:
        """How many rows there are at most."""
        return self.table.statistics().rows + (self.rows.height if self.rows else 0)

    @property
    def schema(self) -> pl.Schema:
        """The columns of every bucket."""
        return self.rows.schema if self.rows else self.table.of(0, self.table.buckets()).schema

    @property
    def mark(self) -> str:
        """Empty: it depends on the table's version."""
        return ""

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the rows of a bucket in total order."""
        rows = self.table.of(bucket, buckets).drop(self.left_out)
        if self.kept is not None:
            rows = rows.filter(self.kept)
        if self.rows is not None:
            rows = pl.concat([rows, self.rows.of(bucket, buckets).select(rows.columns)])
        return ordered(rows, self.keys)

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """Give the rows of a bucket at once, with those of some files among them."""
        yield merged(self.of(bucket, buckets), among, self.keys)


def no_rows(table: OfflineTable, keys: Sequence[str]) -> FrameRows:
    """Return rows with the columns of a table, of which there are none: for a commit that says only what was read."""
    version = table.version()
    assert version is not None
    first = next(table.blocks(version, 1), None)
    return FrameRows((table.of(0, table.buckets()) if first is None else first).clear(), keys)
