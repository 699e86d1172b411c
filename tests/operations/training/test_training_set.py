"""The columns of a training set, their order, and what stands in them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.core.errors import DataError, UsageError
from featurectl.engines.base import FrameScan, Piece
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.engines.polars.prepare import prepare_rows
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Label, RequestInput
from featurectl.language.resolve.feature_names import feature_choices, feature_inputs
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.offline.rows import FrameRows
from featurectl.operations.training.label import LabelTarget
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.training_set import build_training_set, require_label
from featurectl.operations.views import BoundView
from tests.definitions import DELAYS, LATEST

T0 = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
SCHEMA = {"carrier": pl.String, "origin": pl.String, "arr_delay": pl.Float64, "at": INSTANT, "known_at": INSTANT}


def at(hour):
    return T0 + timedelta(hours=hour)


@pytest.fixture
def views(tmp_path):
    data = [("A", "JFK", d, at(e), at(a)) for d, e, a in ((10.0, 1, 3), (30.0, 2, 4), (50.0, 5, 9))]
    frame = pl.DataFrame(data, schema=SCHEMA, orient="row")
    found = {}
    for view in (DELAYS, replace(LATEST, ttl_us=None)):
        rows = prepare_rows([Piece(scan=FrameScan(rows=frame.lazy()), until=at(99))], view).rows
        table = DeltaStore(str(tmp_path), "p").table(view.name, 1, view.entity.keys)
        table.replace(rows, Coverage())
        found[view.name] = BoundView(view=view, version=1, stored=table, table_version=0)
    return found


def spine(**columns):
    given = {"carrier": ["A", "A", None, "Z"], "hour": [8, 3, 8, 8], **columns}
    rows = pl.DataFrame(given)
    time = rows["hour"].map_elements(at, return_dtype=INSTANT)
    return SpineRows(rows=rows, own=rows, time=time, time_column="hour", origin="s")


def feature(name, view, of, join="carrier", dtype="float64", **more):
    return FeatureInput(
        name=name, view=view, feature=of, join={"carrier": join}, dtype=dtype, model_dtype=dtype, **more
    )


INPUTS = (
    RequestInput(name="distance", dtype="float64", model_dtype="float64"),
    feature("late_share", "delays", "late_rate_1d"),
    feature("n", "delays", "count_1d", dtype="int64"),
    feature("last", "latest", "arr_delay"),
    DerivedInput(name="per_mile", expression=Expression("last / distance"), dtype="float64"),
)
LABEL = Label(name="is_late", expression=Expression("outcome > 15"), dtype="bool")


def build(views, rows=None, inputs=INPUTS, label=LABEL):
    rows = rows or spine(distance=[100, 200, 300, 400], outcome=[20, None, 10, 16])
    return build_training_set(PolarsEngine(1), rows, inputs, views, None if label is None else LabelTarget(label=label))


def test_columns_are_the_spines_then_features_in_order_derived_and_label(views):
    made = build(views)
    assert made.rows.columns == [
        "carrier",
        "hour",
        "distance",
        "outcome",
        "late_share",
        "n",
        "last",
        "per_mile",
        "is_late",
    ]
    assert made.inputs == ("distance", "late_share", "n", "last", "per_mile")
    assert made.rows.schema["distance"] == pl.Int64
    assert made.values.columns == [*made.inputs, "is_late"]
    assert made.values.schema["distance"] == pl.Float64


def test_a_row_per_spine_row_with_what_was_known_at_its_time(views):
    rows = build(views).rows
    assert rows["n"].to_list() == [2, 1, None, 0]  # known at 8: two; at 3: one; null key: null; unknown key: none
    assert rows["late_share"].to_list() == [0.5, 0.0, None, None]
    assert rows["last"].to_list() == [30.0, 10.0, 1.5, 1.5]  # the view's default replaces null
    assert rows["per_mile"].to_list() == [0.3, 0.05, 1.5 / 300, 1.5 / 400]
    assert rows["is_late"].to_list() == [True, None, False, True]


def test_a_models_default_wins_and_an_input_without_it_keeps_the_views(views):
    inputs = (feature("own", "latest", "arr_delay", default=-1.0), feature("views", "latest", "arr_delay"))
    rows = build(views, inputs=inputs, label=None).rows
    assert rows["own"].to_list() == [30.0, 10.0, -1.0, -1.0]
    assert rows["views"].to_list() == [30.0, 10.0, 1.5, 1.5]


def test_one_view_joins_twice_under_two_keys(views):
    rows = spine(other=["Z", "A", "A", None])
    inputs = (
        feature("a", "delays", "count_1d", dtype="int64"),
        feature("b", "delays", "count_1d", "other", dtype="int64"),
    )
    made = build(views, rows, inputs, None).rows
    assert made.select("a", "b").rows() == [(2, 0), (1, 1), (None, 2), (0, None)]


def test_a_view_without_an_entity_gives_its_value_to_every_row(views, tmp_path):
    view = replace(DELAYS, name="network", entity=None, join={})
    table = DeltaStore(str(tmp_path), "p").table("network", 1, {})
    table.replace(FrameRows(views["delays"].table.read().drop("carrier"), []), Coverage())
    bound = {"network": BoundView(view=view, version=1, stored=table, table_version=0)}
    item = FeatureInput(name="n", view="network", feature="count_1d", join={}, dtype="int64", model_dtype="int64")
    assert build(bound, inputs=[item], label=None).rows["n"].to_list() == [2, 1, 2, 2]


def test_a_label_named_like_a_spine_column_replaces_it_and_stands_last(views):
    label = Label(name="outcome", expression=Expression("outcome > 15"), dtype="bool")
    made = build(views, label=label).rows
    assert made.columns[-1] == "outcome"
    assert made.columns.count("outcome") == 1
    assert made.schema["outcome"] == pl.Boolean
    plain = Label(name="outcome", expression=None, dtype="int64")
    assert build(views, label=plain).rows["outcome"].to_list() == [20, None, 10, 16]


def test_a_spine_without_outcomes_gives_no_label_and_training_says_so(views):
    made = build(views, spine(distance=[1, 2, 3, 4]))
    assert made.label == ""
    with pytest.raises(DataError, match="spine s lacks a column of the label is_late"):
        require_label(made, LABEL, "m")
    with pytest.raises(DataError, match="model m has no label"):
        require_label(made, None, "m")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (spine(outcome=[1] * 4), "spine s has no column 'distance'"),
        (spine(distance=["x", "1", "2", "3"], outcome=[1] * 4), "request column distance is string, must be float64"),
        (spine(distance=[1] * 4, count_1d=[b"x"] * 4, n=[b"x"] * 4, outcome=[1] * 4), "has a column 'n', the name of"),
    ],
)
def test_a_spine_that_does_not_fit_is_refused_by_column(views, rows, message):
    with pytest.raises(DataError, match=message):
        build(views, rows)


def test_a_key_of_another_type_is_read_when_nothing_is_lost(views):
    rows = spine(code=[1, 2, 3, 4])
    made = build(views, rows, (feature("n", "delays", "count_1d", "code", dtype="int64"),), None).rows
    assert made["n"].to_list() == [0, 0, 0, 0]


def test_a_key_or_request_column_that_can_not_be_read_is_refused_by_type(views):
    rows = spine(outcome=[1] * 4)
    own = rows.own.with_columns(distance=pl.Series([{"miles": 1}] * 4))
    with pytest.raises(DataError, match=r"request column distance is Struct\(.*\), must be float64: 4 of 4 values"):
        build(views, replace(rows, own=own))
    own = rows.own.with_columns(big=pl.Series([1, 2**63, 2, 3], dtype=pl.UInt64))
    item = feature("n", "delays", "count_1d", "big", dtype="int64")
    assert build(views, replace(rows, own=own), (item,), None).rows["n"].to_list() == [0, 0, 0, 0]  # as texts


def test_a_label_over_a_column_that_no_expression_can_read_says_so(views):
    rows = spine(distance=[1] * 4)
    own = rows.own.with_columns(outcome=pl.Series([b"x"] * 4))
    with pytest.raises(DataError, match="label is_late: column outcome is Binary, a type that the language lacks"):
        build(views, replace(rows, own=own))


def test_features_can_be_asked_for_without_a_model(views):
    names = [
        item.name
        for item in feature_inputs(
            {name: bound.view for name, bound in views.items()}, feature_choices(["delays:*", "latest:hours"])
        )
    ]
    assert names == ["arr_delay_mean_7d", "count_1d", "late_rate_1d", "trend", "hours"]
    with pytest.raises(UsageError, match="view delays has no feature 'nothing'"):
        feature_inputs({name: bound.view for name, bound in views.items()}, feature_choices(["delays:nothing"]))
    with pytest.raises(UsageError, match="two features named 'hours'"):
        feature_inputs({name: bound.view for name, bound in views.items()}, feature_choices(["latest:hours"] * 2))
