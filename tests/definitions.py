"""Small definitions that tests of several folders change one field of."""

from __future__ import annotations

from dataclasses import replace

from featurectl.core.units import DAY_US, HOUR_US
from featurectl.expressions.check import type_expression
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import FeatureInput, Label, Model, RequestInput, Spine, Trainer
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Derived, Feature, FeatureView

COLUMNS = {"carrier": "string", "origin": "string", "arr_delay": "float64", "at": "timestamp", "known_at": "timestamp"}
LATE = NamedExpression(name="late", expression=type_expression("arr_delay > 15", COLUMNS), dtype="bool")
CARRIER = Entity(name="carrier", keys={"carrier": "string"})
ARRIVALS = Source(
    name="arrivals",
    format="parquet",
    path="data/arrivals.parquet",
    event_time="at",
    available_at="known_at",
    columns=COLUMNS,
    select=(LATE,),
)


def expression(text: str) -> Expression:
    """An expression over the columns of ARRIVALS, typed."""
    return type_expression(text, COLUMNS | {"late": "bool"})


def named(name: str, text: str) -> NamedExpression:
    """A column of a view's table, typed."""
    made = expression(text)
    assert made.tree is not None
    return NamedExpression(name=name, expression=made, dtype=made.tree.dtype)


MEAN = Feature(name="arr_delay_mean_7d", op="mean", column="arr_delay", dtype="float64", window_us=7 * DAY_US)
COUNT = Feature(name="count_1d", op="count", column=None, dtype="int64", window_us=DAY_US)
RATE = Feature(name="late_rate_1d", op="mean", column="late", dtype="float64", window_us=DAY_US)
TREND = Derived(
    name="trend",
    expression=type_expression("arr_delay_mean_7d / count_1d", {"arr_delay_mean_7d": "float64", "count_1d": "int64"}),
    dtype="float64",
)
DELAYS = FeatureView(
    name="delays",
    kind="event",
    entity=CARRIER,
    source=ARRIVALS,
    join={"carrier": "carrier"},
    where=expression("arr_delay is not null"),
    inputs=(named("arr_delay", "arr_delay"), named("late", "late")),
    features=(MEAN, COUNT, RATE),
    derived=(TREND,),
)
LATEST = FeatureView(
    name="latest",
    kind="state",
    entity=CARRIER,
    source=ARRIVALS,
    join={"carrier": "carrier"},
    where=None,
    inputs=(named("arr_delay", "arr_delay"), named("hours", "arr_delay / 60")),
    features=(
        Feature(name="arr_delay", op="latest", column="arr_delay", dtype="float64", default=1.5),
        Feature(name="hours", op="latest", column="hours", dtype="float64"),
    ),
    ttl_us=3 * HOUR_US,
)
MODEL = Model(
    name="late",
    spine=Spine(source=ARRIVALS, time="at", label=Label(name="is_late", expression=LATE.expression, dtype="bool")),
    inputs=(
        FeatureInput(
            name="count_1d",
            view="delays",
            feature="count_1d",
            join={"carrier": "carrier"},
            dtype="int64",
            model_dtype="int64",
        ),
        RequestInput(name="hour", dtype="int64", model_dtype="int64"),
    ),
    trainer=Trainer(estimator="sklearn.linear_model.LogisticRegression", params={"C": 1.0}),
)


def with_source(view: FeatureView, **fields: object) -> FeatureView:
    """The view over a source that differs in these fields."""
    return replace(view, source=replace(view.source, **fields))  # type: ignore[arg-type]


def with_feature(view: FeatureView, name: str, **fields: object) -> FeatureView:
    """The view with one stored feature that differs in these fields."""
    changed = [replace(f, **fields) if f.name == name else f for f in view.features]  # type: ignore[arg-type]
    return replace(view, features=tuple(changed))
