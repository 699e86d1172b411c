"""A view's stored features at the rows of a spine: bucket by bucket on threads, put back in the spine's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from featurectl.core.dtypes import FLOAT64
from featurectl.core.frames.defaults import with_default
from featurectl.core.frames.timestamps import on_calendar
from featurectl.core.frames.types import finite, polars_dtype
from featurectl.engines.base import ViewBuckets
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.pit.answers import Answers
from featurectl.pit.arrays import Ints
from featurectl.pit.columns import pick
from featurectl.pit.hashing import bucket_of
from featurectl.pit.keys import AskedSpine, OrderedSpine, arrange
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


def _find(view: FeatureView, rows: pl.DataFrame, spine: OrderedSpine, *, spread: bool) -> pl.DataFrame:
    """Return the view's stored features, a row per probe, or (`spread`) per row of the spine, in its order.

    Rows without `available_at` have the view's own delay.
    """
    table = arrange(rows, view.keys, view.delay_us or 0)
    if view.kind == "event":
        found = find_windows(table, spine, window_questions(view), closed=view.closed, hop_us=view.hop_us)
        values = found.spread() if spread else found.values
    else:
        latest = find_states(table, spine, state_questions(view), view.ttl_us)
        values = latest.values if spread else latest.found.values
    types = [(feature.name, _dtype(feature)) for feature in view.features]
    return values.select(_values_or_null(pl.col(name).cast(polars_dtype(dtype)), dtype, view) for name, dtype in types)


def _values_or_null(column: pl.Expr, dtype: str, view: FeatureView) -> pl.Expr:
    """Return a feature with null for what is no value: a time outside of the calendar, a sum that no float64 holds."""
    if dtype == FLOAT64 and view.source.nan == "null":
        return finite(column)
    return on_calendar(column, dtype)


def answer_buckets(table: ViewBuckets, spine: AskedSpine, threads: int) -> pl.DataFrame:
    """Return the view's stored features at each row of the spine, in its order, working a bucket at a time."""
    view, one = table.view, table.buckets == 1 or not table.view.keys
    rows = table.read(0) if one else None  # beside another view that finds the order
    ordered = spine.ordered
    parts = [] if one else _parts(ordered, table.buckets)
    if not parts:
        return _find(view, table.read(0) if rows is None else rows, ordered, spread=True)

    def answer(part: tuple[int, Ints, OrderedSpine, Ints]) -> pl.DataFrame:
        values = _find(view, table.read(part[0]), part[2], spread=False)
        ordered.found[part[3][part[2].found]] = True
        return values

    with ThreadPoolExecutor(threads) as pool:
        values = pl.concat(pool.map(answer, parts), rechunk=True)
    return Answers(values=values, place=_moved(ordered.place, [places for _, places, *_ in parts])).spread()


def _parts(spine: OrderedSpine, buckets: int) -> list[tuple[int, Ints, OrderedSpine, Ints]]:
    """Return the buckets that hold keys of a spine: the probes of each one's keys, by place, in order; its keys."""
    bucket = bucket_of(spine.distinct, buckets).to_numpy()
    of_probe, parts = bucket[spine.code], []
    for number in range(buckets):
        places = np.flatnonzero(of_probe == number)
        if len(places):
            keys = np.flatnonzero(bucket == number)
            new_code = np.searchsorted(keys, spine.code[places])
            part = OrderedSpine(
                distinct=spine.distinct[keys],
                code=new_code,
                time=spine.time[places],
                known=spine.known[places],
                place=pl.Series([], dtype=pl.Int64),
                found=np.zeros(len(keys), np.bool_),
            )
            parts.append((number, places, part, keys))
    return parts


def _moved(place: pl.Series, parts: Sequence[Ints]) -> pl.Series:
    """Return the places of a spine's rows among the probes of its parts, which follow each other."""
    moved = np.empty(sum(map(len, parts)), np.int64)
    moved[np.concatenate(parts)] = np.arange(len(moved))
    return pick(pl.Series(moved), place)


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
