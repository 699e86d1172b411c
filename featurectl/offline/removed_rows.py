"""Rows that leave a table: the files that have them are written anew, with new rows among those that stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.units import moved_by
from featurectl.engines.base import BucketedRows
from featurectl.engines.batches import read_batches
from featurectl.offline.files import BUCKET
from featurectl.offline.read_files import scan_file
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER

_AT_ONCE: Final = 250_000  # rows of a file that are looked through
_CUT: Final = timedelta(milliseconds=1)
_NUMBER, _TIMES = "\x00number", "\x00times"


def row_columns(keys: Sequence[str]) -> list[str]:
    """Return the columns by which rows of a table are told apart: keys, clocks and the hash of all columns.

    >>> row_columns(["carrier"])
    ['carrier', 'event_time', 'available_at', 'tie_order']
    """
    return [*keys, EVENT_TIME, AVAILABLE_AT, TIE_ORDER]


def without_rows(frames: Iterator[pl.DataFrame], gone: pl.DataFrame, keys: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Give frames, one at least, without rows that go, each as often as it goes; the others stay in their order."""
    row = row_columns(keys)
    left = gone.select(row).group_by(row).agg(pl.len().cast(pl.Int64).alias(_TIMES))
    for frame in frames:
        if left.is_empty() or frame.join(left, on=row, how="semi", nulls_equal=True).is_empty():
            yield frame
            continue
        numbered = frame.with_columns(pl.int_range(pl.len()).over(row).alias(_NUMBER))
        met = numbered.join(left, on=row, how="left", nulls_equal=True, maintain_order="left")
        goes = (pl.col(_NUMBER) < pl.col(_TIMES)).fill_null(value=False)
        times = met.filter(goes).group_by(row).agg(pl.len().cast(pl.Int64).alias(_NUMBER))
        left = left.join(times, on=row, how="left", nulls_equal=True)
        left = left.with_columns(pl.col(_TIMES) - pl.col(_NUMBER).fill_null(0)).drop(_NUMBER).filter(pl.col(_TIMES) > 0)
        yield met.filter(~goes).select(frame.columns)


@dataclass(frozen=True, slots=True)
class RowsForGone:
    """New rows of a table, among which its files come without the rows that leave it."""

    rows: BucketedRows
    gone: BucketedRows
    keys: Sequence[str]

    @property
    def height(self) -> int:
        """How many new rows there are."""
        return self.rows.height

    @property
    def schema(self) -> pl.Schema:
        """The columns of the new rows."""
        return self.rows.schema

    @property
    def mark(self) -> str:
        """Empty: what is written depends on the rows that go, too."""
        return ""

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the new rows of a bucket."""
        return self.rows.of(bucket, buckets)

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """Give the new rows of a bucket, and those of some files that stay, in total order."""
        frames = self.rows.in_order(bucket, buckets, among)
        return without_rows(frames, self.gone.of(bucket, buckets), self.keys) if among else frames

    def files(self, files: pl.DataFrame, location: str, buckets: int) -> dict[int, pl.DataFrame]:
        """Return those of a table's files (`files_of`) that have rows which go, by their buckets."""
        found = {}
        for bucket in range(buckets) if self.gone.height else ():
            gone = self.gone.of(bucket, buckets)
            of_bucket = files.filter(pl.col(f"partition.{BUCKET}") == bucket)
            if gone.height and of_bucket.height:
                has = [_has_any(f"{location}/{path}", gone, self.keys) for path in of_bucket["path"]]
                found[bucket] = of_bucket.filter(pl.Series(has, dtype=pl.Boolean))
        return {bucket: of for bucket, of in found.items() if of.height}


def _has_any(path: str, gone: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Return whether a file has one of some rows."""
    row = row_columns(keys)
    scan = scan_file(path, row).filter(pl.col(EVENT_TIME).is_between(gone[EVENT_TIME].min(), gone[EVENT_TIME].max()))
    return any(block.join(gone, on=row, how="semi", nulls_equal=True).height for block in read_batches(scan, _AT_ONCE))


def files_since(files: pl.DataFrame, since: datetime | None) -> pl.DataFrame:
    """Return the files of a table that may have rows of an instant or later (None: all), as far as its log tells.

    Who else compacts the table may have cut instants to milliseconds.
    """
    name = f"max.{EVENT_TIME}"
    if since is None or name not in files.columns:
        return files
    return files.filter((pl.col(name) >= moved_by(since, -_CUT)).fill_null(value=True))
