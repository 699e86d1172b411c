"""What any engine's `finish` does: defaults in place of nulls, then derived features over them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from featurectl.expressions.check import type_expression
from featurectl.language.definitions.view import Derived, Feature
from tests.definitions import LATEST
from tests.engines.rows import INSTANT, T0

TYPES = {"arr_delay": "float64", "hours": "float64"}
TWO = pl.Series([T0, T0], dtype=INSTANT)


def test_the_models_default_precedes_the_views_and_derived_features_see_it(engine):
    view = replace(
        LATEST,
        derived=(
            Derived(name="total", expression=type_expression("arr_delay + hours", TYPES), dtype="float64"),
            Derived(name="floor", expression=type_expression("hours / 0", TYPES), dtype="float64", default=-1.0),
        ),
    )
    values = pl.DataFrame({"arr_delay": [None, 3.0], "hours": [1.0, None]})
    own = engine.finish(values, view, TWO, {})
    assert own.rows() == [(1.5, 1.0, 2.5, -1.0), (3.0, None, None, -1.0)]
    models = engine.finish(values, view, TWO, {"arr_delay": 10.0, "hours": 0.0})
    assert models.rows() == [(10.0, 1.0, 11.0, -1.0), (3.0, 0.0, 3.0, -1.0)]
    of_derived = engine.finish(values, view, TWO, {"total": 7.0, "floor": 8.0})
    assert of_derived.rows() == [(1.5, 1.0, 2.5, 8.0), (3.0, None, 7.0, 8.0)]


def test_a_derived_feature_sees_those_above_it_with_their_defaults(engine):
    first = Derived(name="half", expression=type_expression("hours / 2", TYPES), dtype="float64", default=4.0)
    second = Derived(name="more", expression=type_expression("half + 1", {"half": "float64"}), dtype="float64")
    values = pl.DataFrame({"arr_delay": [1.0, 1.0], "hours": [3.0, None]})
    found = engine.finish(values, replace(LATEST, derived=(first, second)), TWO, {})
    assert found.columns == ["arr_delay", "hours", "half", "more"]
    assert found.select("half", "more").rows() == [(1.5, 2.5), (4.0, 5.0)]


def test_asof_is_the_rows_own_time(engine):
    expression = type_expression("extract(hour from asof)", {"asof": "timestamp"})
    view = replace(LATEST, derived=(Derived(name="hour", expression=expression, dtype="int64"),))
    values = pl.DataFrame({"arr_delay": [1.0, 1.0], "hours": [1.0, 1.0]})
    asof = pl.Series([T0, T0 + timedelta(hours=5)], dtype=INSTANT)
    found = engine.finish(values, view, asof, {})
    assert found["hour"].to_list() == [0, 5]
    assert found.columns == ["arr_delay", "hours", "hour"]


DEFAULTS = [
    ("int64", pl.Int64, 3, 3),
    ("float64", pl.Float64, 3, 3.0),
    ("string", pl.String, "none", "none"),
    ("bool", pl.Boolean, False, False),
    ("timestamp", INSTANT, "2024-01-01T00:00:00Z", T0),
    ("date", pl.Date, "2024-01-01", T0.date()),
]


@pytest.mark.parametrize(("dtype", "polars", "default", "value"), DEFAULTS)
def test_a_default_takes_the_columns_type(engine, dtype, polars, default, value):
    view = replace(LATEST, features=(Feature(name="x", op="latest", column="x", dtype=dtype, default=default),))
    values = pl.DataFrame({"x": pl.Series([None], dtype=polars)})
    found = engine.finish(values, view, TWO[:1], {})
    assert found.schema == {"x": polars}
    assert found["x"].to_list() == [value]


@pytest.mark.parametrize("default", [None, 2.0])
def test_without_rows_the_columns_keep_their_types(engine, default):
    view = replace(
        LATEST,
        derived=(Derived(name="d", expression=type_expression("hours * 2", TYPES), dtype="float64", default=default),),
    )
    values = pl.DataFrame(schema={"arr_delay": pl.Float64, "hours": pl.Float64})
    found = engine.finish(values, view, TWO.clear(), {})
    assert found.schema == {"arr_delay": pl.Float64, "hours": pl.Float64, "d": pl.Float64}
