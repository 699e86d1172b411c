"""The engine that runs in this process. It loads what works on rows, which is much, when there are any to work on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.memory import free_memory, memory_of_rows
from featurectl.engines.base import (
    EarlierRows,
    EventPiece,
    PartsSeen,
    Piece,
    Prepared,
    RowScan,
    RowSummary,
    SourceParts,
    SourceRows,
    ViewBuckets,
)
from featurectl.engines.budget import buckets_that_fit, question_bytes
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView

if TYPE_CHECKING:
    from featurectl.pit.keys import AskedSpine


class PolarsEngine:
    """Polars for rows, numpy for ranges, a thread per core for buckets."""

    def __init__(self, memory_bytes: int | None = None, threads: int | None = None) -> None:
        self._threads = threads or min(os.cpu_count() or 1, pl.thread_pool_size())
        self._memory_bytes = memory_of_rows(free_memory() // 2) if memory_bytes is None else memory_bytes

    @property
    def memory_bytes(self) -> int:
        """The memory that it may use for rows."""
        return self._memory_bytes

    def prepare(
        self,
        pieces: Sequence[Piece],
        view: FeatureView,
        seen: EarlierRows | None = None,
        room: SpillRoom | None = None,
        erasures: Erasures = NOTHING_ERASED,
    ) -> Prepared:
        """Return the rows of the pieces in the form of the view's offline table."""
        from featurectl.engines.polars.prepare import Room, prepare_rows

        space = None if room is None else Room(spill=room, memory_bytes=self._memory_bytes)
        return prepare_rows(pieces, view, seen, space, erasures)

    def prepare_events(
        self,
        pieces: Sequence[EventPiece],
        view: FeatureView,
        since: datetime | None = None,
        room: SpillRoom | None = None,
        erasures: Erasures = NOTHING_ERASED,
    ) -> Prepared:
        """Return the rows of a view of a stream in the form of its offline table."""
        from featurectl.engines.polars.prepare import Room
        from featurectl.engines.polars.prepare_events import prepare_events

        space = None if room is None else Room(spill=room, memory_bytes=self._memory_bytes)
        return prepare_events(pieces, view, since, space, erasures)

    def look(self, pieces: Sequence[Piece], source: Source, room: SpillRoom | None = None) -> RowSummary:
        """Return what is known of rows that a transform has not seen yet; the source's checks run on them."""
        from featurectl.engines.polars.source_rows import look_at

        return look_at(pieces, source, room)

    def count_parts(self, asked: SourceParts) -> PartsSeen:
        """Return how many rows there are of parts that a transform is given, and which of them came late."""
        from featurectl.engines.polars.part_counts import count_parts

        return count_parts(asked)

    def newest(self, scan: RowScan, source: Source, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return the greatest event time and availability of the rows that are there at an instant."""
        from featurectl.engines.polars.newest_row import newest_row

        return newest_row(scan.read(), source, now)

    def transform(self, view: FeatureView, given: Sequence[SourceRows]) -> pl.LazyFrame:
        """Return what the view's Python function makes of its sources; it lies in memory, whatever `--memory` says."""
        from featurectl.engines.polars.source_rows import source_rows
        from featurectl.engines.polars.transform import run_transform

        return run_transform(view, [source_rows(item) for item in given]).lazy()

    def answer(self, table: ViewBuckets, spine: pl.DataFrame | AskedSpine, time: str) -> pl.DataFrame:
        """Return the view's stored features at each row of the spine, in its order, before any default."""
        from featurectl.engines.polars.join import answer_buckets
        from featurectl.pit.keys import AskedSpine

        table = self._in_parts(table)
        asked = spine if isinstance(spine, AskedSpine) else AskedSpine(spine, table.view.keys, time)
        return answer_buckets(table, asked, self._threads_for(table))

    def _in_parts(self, table: ViewBuckets) -> ViewBuckets:
        """Return the table in more buckets where one of its own outgrows half of the memory, so that each core has one.

        The other half is for the spine and the answers.
        """
        size, most = question_bytes(table.rows, table.view), self._memory_bytes // 2
        if table.part is None or not table.view.keys or size // table.buckets <= most:
            return table
        buckets = buckets_that_fit(size, table.buckets, most // 2 // self._threads)
        return replace(table, buckets=buckets, read=partial(_read_part, table.part, buckets))

    def _threads_for(self, table: ViewBuckets) -> int:
        """Return how many buckets can be worked on at once: beside its rows each has numbers made of them."""
        bucket_bytes = question_bytes(table.rows, table.view) // table.buckets
        return max(1, min(self._threads, self._memory_bytes // 2 // max(bucket_bytes, 1)))

    def finish(
        self, values: pl.DataFrame, view: FeatureView, asof: pl.Series, defaults: Mapping[str, object]
    ) -> pl.DataFrame:
        """Return the stored features with defaults in place of nulls, and the view's derived features."""
        from featurectl.engines.polars.join import finish_values

        return finish_values(values, view, asof, defaults)


def _read_part(read: Callable[[int, int], pl.DataFrame], parts: int, part: int) -> pl.DataFrame:
    return read(part, parts)
