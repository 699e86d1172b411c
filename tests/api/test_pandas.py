"""Columns of pandas and Arrow that nobody touched come back as they went in, whatever their type."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

import featurectl
from featurectl.api import frames
from featurectl.core.errors import UsageError

N = 5
TIMES = pd.to_datetime([f"2026-01-{day:02}T12:00:00Z" for day in (9, 10, 11, 12, 8)])
COLUMNS = {
    **{f"numpy {name}": pd.Series(range(N), dtype=name) for name in ("int8", "int16", "int64", "uint8", "uint64")},
    **{f"numpy {name}": pd.Series([0.5, None, 2, 3, 4], dtype=name) for name in ("float32", "float64")},
    **{name: pd.Series([2**60 + 1, None, 2, 3, 4], dtype=name) for name in ("Int64", "UInt64")},
    **{name: pd.Series([1, None, 2, 3, 4], dtype=name) for name in ("Int8", "UInt16", "Float32", "Float64")},
    "bool": pd.Series([True, False] * 2 + [True]),
    "boolean": pd.Series([True, None, False, True, None], dtype="boolean"),
    "str": pd.Series(["a", None, "c", "d", "é"]),
    "object": pd.Series(["a", None, "c", "d", "e"], dtype=object),
    "string python": pd.Series(["a", None, "c", "d", "e"], dtype="string[python]"),
    "string arrow": pd.Series(["a", None, "c", "d", "e"], dtype="string[pyarrow]"),
    "category": pd.Series(["b", None, "a", "b", "a"], dtype="category"),
    "ordered": pd.Series(pd.Categorical([*"loml", None], categories=list("lmho"), ordered=True)),
    "numbers in order": pd.Series(pd.Categorical([3, 1, 2, 1, 3], categories=[3, 2, 1], ordered=True)),
    "naive": pd.Series(pd.date_range("2026-01-01", periods=N, unit="ns")),
    "zoned": pd.Series(pd.date_range("2026-01-01", periods=N, tz="America/New_York", unit="us")),
    "seconds": pd.Series(pd.date_range("2026-01-01", periods=N, unit="s")),
    "timedelta": pd.Series([timedelta(hours=n) for n in range(N)]),
    "date objects": pd.Series([date(2026, 1, n + 1) for n in range(N)]),
    "decimal objects": pd.Series([Decimal("1.50"), None, Decimal(2), Decimal(3), Decimal(4)]),
    "lists": pd.Series([[1], [], [2, 3], None, [4]]),
    "all null": pd.Series([None] * N, dtype=object),
    "arrow int": pd.Series([1, None, 3, 4, 5], dtype="int32[pyarrow]"),
    "arrow string": pd.Series(["a", None, "c", "d", "e"], dtype=pd.ArrowDtype(pa.string())),
    "arrow time": pd.Series(TIMES, dtype=pd.ArrowDtype(pa.timestamp("ms", "UTC"))),
    "arrow decimal": pd.Series([Decimal("1.5")] * N, dtype=pd.ArrowDtype(pa.decimal128(5, 1))),
}


def spine(**columns: object) -> pd.DataFrame:
    """Return a spine of five rows with an index of its own."""
    known = {"customer": ["c1", "c2", "nobody", None, "c1"], "event_time": TIMES}
    return pd.DataFrame({**known, **columns}).set_axis([7, 3, 3, 1, 0])


def test_columns_of_the_spine_come_back_with_their_types_and_values(shared_project):
    given = spine(**{name: column.array for name, column in COLUMNS.items()})
    rows = shared_project.training_set(features="spend:count_7d", spine=given).rows
    assert rows.columns.tolist() == [*given.columns, "count_7d"]
    for name in given.columns:
        pd.testing.assert_series_equal(rows[name], given[name], check_exact=True)


def test_levels_of_an_index_keep_their_types_too(shared_project):
    given = spine(**{name: column.array for name, column in COLUMNS.items() if name != "lists"})
    levels = given.set_index(list(given.columns), append=True)
    rows = shared_project.training_set(features="spend:count_7d", spine=levels).rows
    assert rows.columns.tolist() == ["count_7d"]
    pd.testing.assert_index_equal(rows.index, levels.index, exact=True)


def test_a_part_of_a_spine_has_its_types_and_its_index(shared_project):
    given = spine(x=COLUMNS["ordered"].array)
    rows = shared_project.training_set(features="spend:count_7d", spine=given, since="2026-01-10T00:00:00Z").rows
    pd.testing.assert_frame_equal(rows.drop(columns="count_7d"), given.iloc[1:4])
    drawn = shared_project.training_set(features="spend:count_7d", spine=given, sample=0.5, seed=2).rows
    assert 0 < len(drawn) < N
    assert drawn["x"].dtype == given["x"].dtype


def test_scores_and_online_values_keep_columns_of_pandas(shared_project):
    orders = shared_project.training_set("big").rows.select("customer", "day", "ordered_at", "status", "amount")
    given = orders.to_pandas().set_axis(range(100, 160))
    given["status"] = pd.Categorical(given["status"], categories=["paid", "open"], ordered=True)
    rows, manifest = shared_project.score("big", spine=given)
    pd.testing.assert_frame_equal(rows[given.columns], given)
    assert manifest["spine"]["origin"] == "frame in memory"
    part = shared_project.score("big", spine=given, since="2026-01-05T00:00:00Z").rows
    pd.testing.assert_frame_equal(part[given.columns], given[given["ordered_at"] >= "2026-01-05T00:00:00Z"])
    keys = pd.DataFrame({"customer": pd.Categorical(["c1", "c2"])}, index=["x", "y"])
    pd.testing.assert_frame_equal(shared_project.get("spend", keys)[["customer"]], keys)


def test_a_label_that_replaces_a_column_of_the_spine_is_the_label(project):
    from pathlib import Path

    files = Path("objects.yaml")
    files.write_text(files.read_text().replace("name: is_big", "name: amount"))
    project.apply()
    orders = project.training_set("big").rows.select("customer", "day", "ordered_at", "status")
    given = orders.to_pandas().assign(amount=[n * 0.7 for n in range(60)])
    made = project.training_set("big", spine=given).rows
    assert made["amount"].tolist() == [n * 0.7 > 20 for n in range(60)]


def test_features_have_types_of_numpy_unless_these_would_change_a_value():
    made = frames.to_kind(
        pl.DataFrame(
            {
                "whole": [1, 2], "big": [2**60 + 1, None], "truth": [True, None], "yes": [True, False],
                "x": [0.5, None], "text": ["a", None], "day": [date(2026, 1, 1), None],
                "at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC), None], dtype=pl.Datetime("us", "UTC")),
            }
        ),
        "pandas",
    )  # fmt: skip
    assert {name: str(dtype) for name, dtype in made.dtypes.items()} == {
        "whole": "int64", "big": "Int64", "truth": "boolean", "yes": "bool",
        "x": "float64", "text": "str", "day": "datetime64[ms]", "at": "datetime64[us, UTC]",
    }  # fmt: skip
    assert made["big"][0] == 2**60 + 1
    assert made["x"].isna().tolist() == [False, True]


def test_columns_of_arrow_come_back_with_their_types(shared_project):
    given = pa.table(
        {
            "customer": pa.array(["c1", "c2"], pa.string()),
            "event_time": pa.array([datetime(2026, 1, 9, tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC")),
            "kind": pa.array(["a", None]).dictionary_encode(),
            "small": pa.array([1, None], pa.int16()),
        }
    )
    rows = shared_project.training_set(features="spend:count_7d", spine=given).rows
    assert rows.drop_columns("count_7d").equals(given)
    part = shared_project.training_set(features="spend:count_7d", spine=given, since="2026-02-01T00:00:00Z").rows
    assert part.drop_columns("count_7d").schema == given.schema


def test_a_frame_without_rows_keeps_its_types_and_gets_columns(shared_project):
    empty = spine().iloc[:0]
    rows = shared_project.training_set(features="spend:count_7d", spine=empty).rows
    pd.testing.assert_frame_equal(rows.drop(columns="count_7d"), empty)
    assert np.array_equal(rows["count_7d"].to_numpy(), [])


def test_results_are_printed_as_the_frames_of_the_project(shared_project):
    printed = {kind: repr(replace(shared_project, frames=kind).push(dry_run=True)) for kind in ("polars", "pandas")}
    assert "─" in printed["polars"]
    assert "─" not in printed["pandas"]
    assert printed["pandas"].splitlines()[1].split()[:2] == ["view", "version"]


@pytest.mark.usefixtures("shared_project")
def test_numbers_to_fit_on_are_those_that_models_are_given():
    for kind in ("polars", "pandas", "arrow"):
        training = featurectl.open_project(frames=kind).training_set("big")
        given, stored = (frames.to_polars(training.xy(as_stored=flag)[0], "") for flag in (False, True))
        assert set(given.dtypes) == {pl.Float32}
        assert pl.Float64 in stored.dtypes
        assert not stored["per_order"].equals(given["per_order"].cast(pl.Float64))
        wanted = stored.cast(pl.Float32)
        assert given.fill_nan(None).equals(wanted.fill_nan(None))


def test_inputs_and_label_are_what_an_estimator_fits(shared_project):
    for kind in ("polars", "pandas", "arrow"):
        project = featurectl.open_project(frames=kind)
        training = project.training_set("big")
        inputs, label = training.xy()
        assert frames.to_polars(training.inputs, "").columns == ["per_order", "n", "before"]
        assert (len(training.label), len(label), len(inputs)) == (60, 55, 55)
        assert frames.to_polars(inputs, "")["n"].to_list() == [
            row["n"] for row in frames.to_polars(training.rows, "").to_dicts() if row["is_big"] is not None
        ]
    pandas = featurectl.open_project(frames="pandas").training_set("big")
    inputs, label = pandas.xy()
    assert (label.dtype, inputs.index.equals(label.index)) == (bool, True)
    HistGradientBoostingClassifier(max_iter=2).fit(inputs, label)
    given = spine(bought=pd.Series([1, None, 0, 1, 0], dtype="Int64").array)
    inputs, label = shared_project.training_set(features="spend:count_7d", spine=given).xy("bought")
    assert (inputs.columns.tolist(), label.tolist(), label.index.tolist()) == (["count_7d"], [1, 0, 1, 0], [7, 3, 1, 0])
    assert inputs["count_7d"].dtype == "float32"
    unlabelled = shared_project.training_set(features="spend:count_7d", spine=given)
    with pytest.raises(UsageError, match="these rows have no label"):
        _ = unlabelled.label
    with pytest.raises(UsageError, match="these rows have no column 'bougt'"):
        unlabelled.xy("bougt")


@pytest.mark.long
def test_categories_of_a_model_are_those_that_an_estimator_of_pandas_fits(project):
    from pathlib import Path

    import lightgbm

    files = Path("objects.yaml")
    more = '- {feature: "last_order:status", as: was, type: category}\n      '
    declared = '- {feature: "last_order:status", as: paid, type: category, categories: [paid, late]}\n      '
    before = '- {feature: "history:amount", as: before}'
    files.write_text(files.read_text().replace(before, more + declared + before))
    project.apply()
    inputs, label = featurectl.open_project(frames="pandas").training_set("big").xy()
    assert [str(inputs[name].dtype) for name in ("was", "paid")] == ["category"] * 2
    assert inputs["was"].cat.categories.tolist() == ["open", "paid"]
    assert inputs["paid"].cat.categories.tolist() == ["paid", "late"]
    assert inputs["paid"].isna().sum() == (inputs["was"] != "paid").sum()
    lightgbm.LGBMClassifier(n_estimators=2, num_threads=1, verbose=-1).fit(inputs, label)
    version = project.train("big")
    kinds = {item.name: item.categories for item in version.inputs if item.categories}
    assert kinds.keys() == {"was", "paid"}
    assert kinds["was"] == tuple(inputs["was"].cat.categories)
