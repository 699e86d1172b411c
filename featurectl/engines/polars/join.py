"""A view's stored features at the rows of a spine: bucket by bucket on threads, put back in the spine's order."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl

from featurectl.core.dtypes import FLOAT64
from featurectl.core.frames.defaults import with_default
from featurectl.core.frames.timestamps import on_calendar
from featurectl.core.frames.types import finite, polars_dtype
from featurectl.engines.base import ViewBuckets
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.pit.answers import Answers, join_answers
from featurectl.pit.hashing import bucket_of
from featurectl.pit.keys import arrange
from featurectl.pit.lookup import find_states
from featurectl.pit.questions import StateQuestion, WindowQuestion
from featurectl.pit.windows import find_windows


def state_questions(view: FeatureView) -> list[StateQuestion]:
    """Return what a state view asks of its rows, a question a feature."""
    return [StateQuestion(name=f.name, column=_column(f), fill_last=f.fill_last) for f in view.features]


def window_questions(view: FeatureView) -> list[WindowQuestion]:
    """Return what an event view asks of its rows, a question a feature."""
    return [
        WindowQuestion(
            name=f.name, op=f.op, column=f.column, window_us=f.window_us, offset_us=f.offset_us, n=f.n, q=f.q
        )
        for f in view.features
    ]


def answer_view(view: FeatureView, rows: pl.DataFrame, spine: pl.DataFrame, time: str) -> pl.DataFrame:
    """Return the view's stored features at each row of the spine, from rows that hold all of its keys."""
    return _find(view, rows, spine, time).spread()


def _find(view: FeatureView, rows: pl.DataFrame, spine: pl.DataFrame, time: str) -> Answers:
    """Return the view's stored features, a row per probe; rows without `available_at` have the view's own delay."""
    table = arrange(rows, view.keys, view.delay_us or 0)
    if view.kind == "event":
        found = find_windows(table, spine, time, window_questions(view), closed=view.closed, hop_us=view.hop_us)
    else:
        found = find_states(table, spine, time, state_questions(view), view.ttl_us).found
    types = [(feature.name, _dtype(feature)) for feature in view.features]
    values = found.values.select(
        _values_or_null(pl.col(name).cast(polars_dtype(dtype)), dtype, view) for name, dtype in types
    )
    return replace(found, values=values)


def _values_or_null(column: pl.Expr, dtype: str, view: FeatureView) -> pl.Expr:
    """Return a feature with null for what is no value: a time outside of the calendar, a sum that no float64 holds."""
    if dtype == FLOAT64 and view.source.nan == "null":
        return finite(column)
    return on_calendar(column, dtype)


def answer_buckets(table: ViewBuckets, spine: pl.DataFrame, time: str, threads: int) -> pl.DataFrame:
    """Return the view's stored features at each row of the spine, in its order, working a bucket at a time."""
    view = table.view
    if table.buckets == 1 or not view.keys:
        return answer_view(view, table.read(0), spine, time)
    bucket = bucket_of(spine.select(view.keys), table.buckets).to_numpy()
    places = [np.flatnonzero(bucket == b) for b in range(table.buckets)]

    def one(b: int) -> Answers:
        return _find(view, table.read(b), spine[places[b]], time)

    used = [b for b in range(table.buckets) if len(places[b])]
    if not used:
        return answer_view(view, table.read(0), spine, time)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(one, used))
    return join_answers(parts, [places[b] for b in used]).spread()


def finish_values(
    values: pl.DataFrame, view: FeatureView, asof: pl.Series, defaults: Mapping[str, object]
) -> pl.DataFrame:
    """Return stored features with defaults in place of nulls, then the view's derived features over them."""
    stored = values.with_columns(
        with_default(pl.col(f.name), _dtype(f), defaults.get(f.name, f.default)) for f in view.features
    )
    sight = stored.with_columns(asof.alias("asof"))
    for item in view.derived:
        tree = item.expression.tree
        assert tree is not None
        column = with_default(to_polars(tree), tree.dtype, defaults.get(item.name, item.default))
        sight = sight.with_columns(column.alias(item.name))
    return sight.select(*stored.columns, *(d.name for d in view.derived))


def _column(feature: Feature) -> str:
    assert feature.column is not None
    return feature.column


def _dtype(feature: Feature) -> str:
    assert feature.dtype is not None, f"untyped feature {feature.name}"
    return feature.dtype
