"""Buckets give what one table gives; defaults come before derived features."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from featurectl.engines.base import Table
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.engines.polars.join import answer_view, finish_values, with_default
from featurectl.expressions.check import type_expression
from featurectl.pit.hashing import bucket_of
from featurectl.spec.definition import Derived
from tests.definitions import DELAYS, LATEST

T0 = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")


def random_rows(n=500, seed=3):
    rng = np.random.default_rng(seed)
    times = pl.Series(rng.integers(0, 10**12, n)).cast(INSTANT)
    frame = pl.DataFrame(
        {
            "carrier": rng.choice(list("ABCDEFGH"), n),
            "event_time": times,
            "available_at": times + timedelta(hours=2),
            "tie_order": rng.integers(0, 10**9, n),
            "arr_delay": rng.normal(size=n),
            "late": rng.random(n) < 0.3,
        }
    )
    return frame.sort("carrier", "event_time", "available_at", "tie_order")


def random_spine(n=300, seed=4):
    rng = np.random.default_rng(seed)
    keys = rng.choice([*"ABCDEFGHZ", None], n).tolist()
    return pl.DataFrame(
        {"carrier": pl.Series(keys, dtype=pl.String), "t": pl.Series(rng.integers(0, 10**12, n)).cast(INSTANT)}
    )


@pytest.mark.parametrize("buckets", [1, 2, 8, 64])
def test_any_number_of_buckets_gives_the_same_answer_in_the_spines_order(buckets):
    rows, spine = random_rows(), random_spine()
    bucket = bucket_of(rows.select("carrier"), buckets)
    table = Table(view=DELAYS, buckets=buckets, read=lambda b: rows.filter(bucket == b))
    assert PolarsEngine(2).answer(table, spine, "t").equals(answer_view(DELAYS, rows, spine, "t"))


def test_an_empty_spine_gives_typed_columns_without_rows():
    table = Table(view=DELAYS, buckets=4, read=lambda b: random_rows().clear())
    answer = PolarsEngine().answer(table, random_spine().clear(), "t")
    assert answer.schema == {"arr_delay_mean_7d": pl.Float64, "count_1d": pl.Int64, "late_rate_1d": pl.Float64}
    assert answer.height == 0


def test_the_models_default_stands_before_the_views_and_derived_features_see_it():
    types = {"arr_delay": "float64", "hours": "float64"}
    view = replace(
        LATEST,
        derived=(
            Derived(name="total", expression=type_expression("arr_delay + hours", types), dtype="float64"),
            Derived(name="floor", expression=type_expression("hours / 0", types), dtype="float64", default=-1.0),
        ),
    )
    values = pl.DataFrame({"arr_delay": [None, 3.0], "hours": [1.0, None]})
    asof = pl.Series([T0, T0], dtype=INSTANT)
    own = finish_values(values, view, asof, {})
    assert own.rows() == [(1.5, 1.0, 2.5, -1.0), (3.0, None, None, -1.0)]
    models = finish_values(values, view, asof, {"arr_delay": 10.0, "hours": 0.0})
    assert models.rows() == [(10.0, 1.0, 11.0, -1.0), (3.0, 0.0, 3.0, -1.0)]


def test_asof_is_the_rows_own_time():
    expression = type_expression("extract(hour from asof)", {"asof": "timestamp"})
    view = replace(LATEST, derived=(Derived(name="hour", expression=expression, dtype="int64"),))
    values = pl.DataFrame({"arr_delay": [1.0, 1.0], "hours": [1.0, 1.0]})
    asof = pl.Series([T0, T0 + timedelta(hours=5)], dtype=INSTANT)
    assert finish_values(values, view, asof, {})["hour"].to_list() == [0, 5]


@pytest.mark.parametrize(
    ("dtype", "polars", "default", "value"),
    [
        ("int64", pl.Int64, 3, 3),
        ("float64", pl.Float64, 3, 3.0),
        ("string", pl.String, "none", "none"),
        ("bool", pl.Boolean, False, False),
        ("timestamp", INSTANT, "2024-01-01T00:00:00Z", T0),
        ("date", pl.Date, "2024-01-01", T0.date()),
    ],
)
def test_a_default_takes_the_columns_type(dtype, polars, default, value):
    frame = pl.DataFrame({"x": pl.Series([None], dtype=polars)})
    made = frame.select(with_default(pl.col("x"), dtype, default))
    assert made.schema["x"] == polars
    assert made["x"].to_list() == [value]
