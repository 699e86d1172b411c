"""How far a run is: rows as they are read, buckets as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from featurectl.core.progress import Progress
from featurectl.engines.base import BucketedRows, Piece
from featurectl.sources.base import SourceReader


@dataclass(slots=True, kw_only=True)
class RowCounter:
    """Counts the rows that are read."""

    progress: Progress
    total: int | None = None
    read: int = field(default=0, init=False)

    def begin(self) -> None:
        """Begin with the first row, or again with it."""
        self.read = 0

    def expect(self, reader: SourceReader, pieces: Sequence[Piece]) -> None:
        """Find out how many rows there are to read, where that costs nothing."""
        if reader.counts_rows:
            self.total = sum(piece.scan.read().select(pl.len()).collect().item() for piece in pieces)

    def report(self, rows: int) -> None:
        """Take note of a batch."""
        self.read += rows
        self.progress.advance(self.read, self.total, "rows")


@dataclass(slots=True, kw_only=True)
class ReportedRows:
    """Rows that report each bucket that is read of them."""

    rows: BucketedRows
    progress: Progress
    asked: int = field(default=0, init=False)

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.rows.height

    @property
    def schema(self) -> pl.Schema:
        """The columns of every bucket."""
        return self.rows.schema

    @property
    def mark(self) -> str:
        """What the rows are distinguished from others by."""
        return self.rows.mark

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the rows of a bucket in total order."""
        self._tell(buckets)
        return self.rows.of(bucket, buckets)

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """Give the rows of a bucket in total order, with those of some files among them."""
        self._tell(buckets)
        return self.rows.in_order(bucket, buckets, among)

    def _tell(self, buckets: int) -> None:
        if buckets > 1:
            self.progress.advance(self.asked, buckets, "buckets")
        self.asked += 1
