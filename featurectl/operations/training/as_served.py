"""What the online store would have answered at t, had it been refreshed as its view declares.

A view with `refresh: 1h` is pushed at every whole hour since 1970-01-01T00:00Z: the last time before or at t is
floor(t, refresh). An event view answers with its values of that instant. A state view answers at t, by the rows that
were true and known at that instant; its `ttl` is judged at t. A view of a stream answers at t itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import polars as pl

from featurectl.core.dtypes import TIMESTAMP
from featurectl.core.errors import UsageError
from featurectl.engines.base import Engine, ViewBuckets
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.pit.keys import AskedSpine
from featurectl.pit.questions import EVENT_TIME

_TRUE_AT: Final = "\x00true at"  # the event time of the row that answered; no feature has such a name
_LEAST: Final = "\x00least"
_FILLED_AT: Final = "\x00filled at {}"  # that of the row that filled a feature


def check_refresh(views: Iterable[FeatureView]) -> None:
    """See that every view says how often it is refreshed.

    One over a static source need not, its rows never change, nor one of a stream, whose values are always fresh.

    Raises:
        UsageError: one does not.
    """
    for view in views:
        if view.refresh_us is None and not (view.source.static or view.source.is_stream):
            raise UsageError(
                f"--as-served: feature view {view.name} declares no `refresh`, so nobody knows what it served when",
                hint="add `refresh: 1h` to the view and apply it",
            )


def refreshed_at(view: FeatureView, time: pl.Series) -> pl.Series:
    """Return for each instant the last one before or at it at which the view was refreshed."""
    if view.refresh_us is None:
        return time
    us = time.to_physical()
    return (us // view.refresh_us * view.refresh_us).cast(time.dtype)


def served_asof(view: FeatureView, time: pl.Series) -> pl.Series:
    """Return the instants for which the values are true: `asof` of the view's derived features."""
    return refreshed_at(view, time) if view.kind == "event" else time


def answer_as_served(engine: Engine, table: ViewBuckets, spine: AskedSpine) -> pl.DataFrame:
    """Return the view's stored features as the online store would have had them at each row of the spine."""
    times = refreshed_at(table.view, spine.rows[spine.time])
    then = AskedSpine(spine.rows.with_columns(times.alias(spine.time)), table.view.keys, spine.time)
    values = _answer_pushed(engine, table, then, spine.rows[spine.time])
    spine.take_found(then)
    return values


def answer_pushed(
    engine: Engine, table: ViewBuckets, spine: pl.DataFrame, time: str, pushed: pl.Series
) -> pl.DataFrame:
    """Return the view's stored features as a store has them at each row of the spine that was pushed last at `pushed`.

    The values are those of the push; the ttl of a state is judged at the row's own time.
    """
    then = AskedSpine(spine.with_columns(pushed.alias(time)), table.view.keys, time)
    return _answer_pushed(engine, table, then, spine[time])


def _answer_pushed(engine: Engine, table: ViewBuckets, asked: AskedSpine, read_at: pl.Series) -> pl.DataFrame:
    view, time = table.view, asked.time
    if view.kind == "event" or view.ttl_us is None or not view.features:
        return engine.answer(table, asked, time)
    values = engine.answer(_with_clocks(table), asked, time)
    since = read_at.to_physical() - view.ttl_us
    columns = [
        pl.when(pl.col(_clock_of(f)).to_physical() >= pl.col(_LEAST)).then(pl.col(f.name)).alias(f.name)
        for f in view.features
    ]
    return values.with_columns(since.alias(_LEAST)).select(columns)


def _clock_of(feature: Feature) -> str:
    return _FILLED_AT.format(feature.name) if feature.fill_last else _TRUE_AT


def _with_clocks(table: ViewBuckets) -> ViewBuckets:
    """Return the table asked without its ttl, for each feature's event time too."""
    view, part = table.view, table.part
    filled = [f for f in view.features if f.fill_last]
    clocks = [Feature(name=_TRUE_AT, op="latest", column=EVENT_TIME, dtype=TIMESTAMP)]
    clocks += [
        Feature(name=name, op="latest", column=name, dtype=TIMESTAMP, fill_last=True)
        for name in (_FILLED_AT.format(f.name) for f in filled)
    ]
    columns = [
        pl.when(pl.col(str(f.column)).is_not_null()).then(EVENT_TIME).alias(_FILLED_AT.format(f.name)) for f in filled
    ]
    return replace(
        table,
        view=replace(view, ttl_us=None, features=(*view.features, *clocks)),
        read=lambda bucket: table.read(bucket).with_columns(columns),
        part=None if part is None else lambda number, parts: part(number, parts).with_columns(columns),
    )
