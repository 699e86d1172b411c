"""The engine that runs in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.engines.base import Given, Looked, Piece, Prepared, Table
from featurectl.engines.polars.given import given_rows, look_at
from featurectl.engines.polars.join import answer_buckets, finish_values
from featurectl.engines.polars.prepare import Room, prepare_rows
from featurectl.engines.polars.transform import run_transform
from featurectl.engines.spill import SpillRoom
from featurectl.memory import free_memory, memory_of_rows
from featurectl.spec.definition import FeatureView, Source

_OTHER_COLUMNS: Final = 3  # event_time, available_at, tie_order
_BYTES: Final = 10  # of a value, more or less
_COPIES: Final = 4  # of a bucket's rows while they are asked


class PolarsEngine:
    """Polars for rows, numpy for ranges, a thread per core for buckets."""

    def __init__(self, memory_bytes: int | None = None, threads: int | None = None) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._memory_bytes = memory_of_rows(free_memory() // 2) if memory_bytes is None else memory_bytes

    @property
    def memory_bytes(self) -> int:
        """The memory that it may use for rows."""
        return self._memory_bytes

    def prepare(
        self, pieces: Sequence[Piece], view: FeatureView, seen: Sequence[Piece] = (), room: SpillRoom | None = None
    ) -> Prepared:
        """Return the rows of the pieces in the form of the view's offline table."""
        return prepare_rows(
            pieces, view, seen, None if room is None else Room(spill=room, memory_bytes=self._memory_bytes)
        )

    def look(self, pieces: Sequence[Piece], source: Source, room: SpillRoom | None = None) -> Looked:
        """Return what is known of rows that a transform has not seen yet; the source's checks run on them."""
        return look_at(pieces, source, room)

    def transform(self, view: FeatureView, given: Sequence[Given]) -> pl.LazyFrame:
        """Return what the view's Python function makes of its sources; it lies in memory, whatever `--memory` says."""
        return run_transform(view, [given_rows(item) for item in given]).lazy()

    def answer(self, table: Table, spine: pl.DataFrame, time: str) -> pl.DataFrame:
        """Return the view's stored features at each row of the spine, in its order, before any default."""
        return answer_buckets(table, spine, time, self._threads_for(table))

    def _threads_for(self, table: Table) -> int:
        """Return how many buckets can be worked on at once: beside its rows each has numbers made of them."""
        columns = len(table.view.keys) + len(table.view.inputs) + _OTHER_COLUMNS
        bucket_bytes = table.rows // table.buckets * columns * _BYTES
        return max(1, min(self._threads, self._memory_bytes // max(bucket_bytes * _COPIES, 1)))

    def finish(
        self, values: pl.DataFrame, view: FeatureView, asof: pl.Series, defaults: Mapping[str, object]
    ) -> pl.DataFrame:
        """Return the stored features with defaults in place of nulls, and the view's derived features."""
        return finish_values(values, view, asof, defaults)
