"""The engine that runs in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import polars as pl

from featurectl.engines.base import Piece, Prepared, Table
from featurectl.engines.polars.join import answer_buckets, finish_values
from featurectl.engines.polars.prepare import prepare_rows
from featurectl.spec.definition import FeatureView


class PolarsEngine:
    """Polars for rows, numpy for ranges, a thread per core for buckets."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or os.cpu_count() or 1

    def prepare(self, pieces: Sequence[Piece], view: FeatureView, seen: Sequence[Piece] = ()) -> Prepared:
        """Return the rows of the pieces in the form of the view's offline table."""
        return prepare_rows(pieces, view, seen)

    def answer(self, table: Table, spine: pl.DataFrame, time: str) -> pl.DataFrame:
        """Return the view's stored features at each row of the spine, in its order, before any default."""
        return answer_buckets(table, spine, time, self._threads)

    def finish(
        self, values: pl.DataFrame, view: FeatureView, asof: pl.Series, defaults: Mapping[str, object]
    ) -> pl.DataFrame:
        """Return the stored features with defaults in place of nulls, and the view's derived features."""
        return finish_values(values, view, asof, defaults)
