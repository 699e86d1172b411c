"""Rows that lie in one frame, as buckets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.engines.merge import merged
from featurectl.offline.order import ordered


@dataclass(frozen=True, slots=True)
class FrameRows:
    """A view's rows in the form of its offline table, in any order."""

    frame: pl.DataFrame
    keys: Sequence[str]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.frame.height

    @property
    def schema(self) -> pl.Schema:
        """The columns of the frame."""
        return self.frame.schema

    @property
    def mark(self) -> str:
        """Empty: rows that are in memory are not worth being found again."""
        return ""

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the rows of a bucket in total order."""
        rows = self.frame
        if buckets > 1:
            from featurectl.pit.hashing import bucket_of

            rows = rows.filter(bucket_of(rows.select(*self.keys), buckets) == bucket)
        return ordered(rows, self.keys)

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """Give the rows of a bucket at once, with those of some files among them."""
        yield merged(self.of(bucket, buckets), among, self.keys)
