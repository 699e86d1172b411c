"""What files mean: names, inputs, types, columns of a training set."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.expressions.tree import ExpressionNode
from featurectl.language.definitions.aggregates import AGGREGATES, aggregate_base, result_type
from featurectl.language.definitions.json_form import (
    dump_definition,
    load_entity,
    load_model,
    load_source,
    load_untyped_view,
    load_view,
)
from featurectl.language.definitions.model import FeatureInput, RequestInput
from featurectl.language.load import load_repo
from featurectl.language.syntax.node import scalar_value
from featurectl.language.typing.models import type_check_model
from featurectl.language.typing.registered import type_source, type_view
from tests.language.repository import BASE, load, write_repo

VIEW = """
feature_views:
  - name: v
    entity: carrier
    source: arrivals
    where: delay is not null
    aggregates:
      - {op: count, windows: [1h, lifetime]}
      - {column: delay, op: [mean, max], windows: [1d], offset: 7d}
      - {column: late, op: mean, windows: [7d], name: late_rate, default: 1}
      - {column: delay, op: percentile, q: 0.999, windows: [7d]}
      - {column: carrier, op: last_n, n: 3, windows: [lifetime]}
      - {column: price, op: sum, windows: [1d]}
      - {column: price, op: sum, windows: [1d], where: late, name: late_price}
      - {op: count, windows: [1d], where: late, name: late_count}
"""


def test_aggregates_are_named_by_base_window_and_offset(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "v.yaml": VIEW})
    assert repo.errors == ()
    view = repo.views["v"]
    assert {f.name: f.dtype for f in view.features} == {
        "count_1h": "int64",
        "count_lifetime": "int64",
        "delay_mean_1d_offset_7d": "float64",
        "delay_max_1d_offset_7d": "int64",
        "late_rate_7d": "float64",
        "delay_p99_9_7d": "float64",
        "carrier_last_3_lifetime": "list(string)",
        "price_sum_1d": "decimal(38,2)",
        "late_price_1d": "decimal(38,2)",
        "late_count_1d": "int64",
    }
    assert view.features[2].offset_us == 7 * 86_400_000_000
    assert view.features[1].window_us is None
    assert view.features[4].default == 1.0
    assert isinstance(view.features[4].default, float)


def test_a_condition_is_folded_into_the_input(tmp_path):
    view = load(tmp_path, {"base.yaml": BASE, "v.yaml": VIEW}).views["v"]
    texts = {item.name: item.expression.text for item in view.inputs}
    assert texts["late_count_value"] == "case when (late) then true end"
    assert texts["delay"] == "delay"


def test_a_condition_hands_the_column_on_as_it_is(tmp_path):
    base = BASE.replace("delay: int64,", "delay: int64, miles: float64,")
    text = VIEW + "      - {column: miles, op: max, windows: [1d], where: late, name: late_miles}\n"
    repo = load(tmp_path, {"base.yaml": base, "v.yaml": text})
    assert repo.errors == ()
    found = {item.name: item for item in repo.views["v"].inputs}
    for name, column, dtype in (
        ("late_price_value", "price", "decimal(9,2)"),
        ("late_miles_value", "miles", "float64"),
    ):
        assert found[name].dtype == dtype
        assert found[name].expression.tree == ExpressionNode(
            "case",
            dtype,
            (
                ExpressionNode("col", "bool", value="late"),
                ExpressionNode("col", dtype, value=column),
                ExpressionNode("lit", dtype),
            ),
        )


@pytest.mark.parametrize(("column", "op"), [("price", "sum"), ("carrier", "last"), ("at", "max"), ("late", "any")])
@pytest.mark.parametrize(
    ("where", "code"), [("late", None), ("price > 1", "FC302"), ("nope", "FC301"), ("delay", "FC302")]
)
def test_a_condition_beside_any_type_of_column_is_checked_alone(tmp_path, column, op, where, code):
    text = VIEW + f"      - {{column: {column}, op: {op}, windows: [1d], where: {where}, name: x}}\n"
    repo = load(tmp_path, {"base.yaml": BASE, "v.yaml": text})
    assert [p.code for p in repo.errors] == ([code] if code else [])


def test_a_condition_too_long_beside_its_column_is_refused_at_its_place(tmp_path):
    where = f"carrier = '{'x' * 3_980}'"
    text = VIEW + f"      - {{column: delay, op: sum, windows: [1d], name: x, where: {where}}}\n"
    (problem,) = load(tmp_path, {"base.yaml": BASE, "v.yaml": text}).errors
    line = text.count("\n", 0, text.index(where)) + 1
    assert (problem.code, problem.place.line, problem.message) == ("FC303", line, "longer than 4,000 characters")


def test_a_condition_is_typed_once_the_columns_are_known(tmp_path):
    known = {"carrier": "string", "at": "timestamp", "seen": "timestamp", "delay": "int64", "price": "decimal(9,2)"}
    start, end = BASE.index("    columns:\n"), BASE.index("    select: {late")
    text = "".join(line for line in VIEW.splitlines(keepends=True) if "where: late" in line or "count" not in line)
    view = load(tmp_path, {"base.yaml": BASE[:start] + BASE[end:], "v.yaml": text}).views["v"]
    assert {f.name: f.dtype for f in view.features}["late_price_1d"] is None
    typed = type_view(view, known | {"origin": "string", "dest": "string"})
    assert {f.name: f.dtype for f in typed.features}["late_price_1d"] == "decimal(38,2)"
    with pytest.raises(DataError, match='no column "delay"'):
        type_view(view, {name: dtype for name, dtype in known.items() if name != "delay"})


def test_an_input_never_has_the_name_of_a_key_or_of_a_clock(tmp_path):
    base = BASE.replace("seen: timestamp", "seen: timestamp, event_time: timestamp")
    text = VIEW + "      - {column: event_time, op: last, windows: [1d]}\n"
    view = load(tmp_path, {"base.yaml": base, "v.yaml": text}).views["v"]
    names = {item.name for item in view.inputs}
    assert not names & {"carrier", "event_time", "available_at", "tie_order"}
    assert {"carrier_value", "event_time_value"} <= names


def test_a_declared_float64_over_whole_numbers_is_cast(tmp_path):
    features = "features: [{name: distance, type: float64, default: 7}]"
    text = f"feature_views:\n  - name: v\n    source: flights\n    {features}\n"
    view = load(tmp_path, {"base.yaml": BASE, "v.yaml": text}).views["v"]
    assert view.inputs[0].expression.text == "cast(distance as float64)"
    assert (view.features[0].dtype, view.features[0].default) == ("float64", 7.0)


DERIVED = """
feature_views:
  - name: v
    entity: carrier
    source: arrivals
    aggregates: [{op: count, windows: [1d]}]
    derived:
      - {name: half, expr: count_1d / 2}
      - {name: quarter, expr: half / 2 + count_1d, default: 1}
models:
  - name: m
    spine: {source: flights, time: at}
    features:
      - derived: [{name: many, expr: count_1d > 9}, {name: few, expr: not many}]
      - v: [count_1d]
"""


def test_a_derived_one_sees_those_above_it(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "v.yaml": DERIVED})
    assert repo.errors == ()
    assert [(d.name, d.dtype, d.default) for d in repo.views["v"].derived] == [
        ("half", "float64", None),
        ("quarter", "float64", 1.0),
    ]
    assert [(item.name, item.dtype) for item in repo.models["m"].inputs] == [
        ("many", "bool"),
        ("few", "bool"),
        ("count_1d", "int64"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("count_1d / 2}", "quarter / 2}", "it is declared below: a derived one sees those above it"),
        ("count_1d / 2}", "half / 2}", "it can't read itself"),
        ("count_1d > 9", "not few", "it is declared below: a derived one sees those above it"),
        ("not many", "not few", "it can't read itself"),
    ],
)
def test_a_derived_one_that_reads_what_is_below_is_told_to_move(tmp_path, old, new, note):
    repo = load(tmp_path, {"base.yaml": BASE, "v.yaml": DERIVED.replace(old, new)})
    assert [(p.code, p.notes) for p in repo.errors] == [("FC301", (note,))]


def test_join_names_every_key_of_the_entity(tmp_path):
    text = "entities: [{name: leg, keys: {origin: string, dest: string}}]\n" + VIEW.replace(
        "carrier\n", "leg\n    join: {dest: carrier}\n", 1
    )
    assert load(tmp_path, {"base.yaml": BASE, "v.yaml": text}).views["v"].join == {
        "origin": "origin",
        "dest": "carrier",
    }


def test_columns_of_a_training_set_come_in_the_order_of_the_file(tmp_path):
    text = """
models:
  - name: m
    spine: {source: flights, time: at, label: {name: is_late, expr: arr_delay > 15}}
    features:
      - request: {distance: int64, carrier: category}
      - delays: "*"
      - {view: facts, join: {airport: origin}, prefix: origin_, features: [alt]}
      - {feature: "delays:count_1d", as: flights_today, type: float64, default: 0}
      - {feature: "delays:delay_mean_7d", as: week, default: 1}
      - derived: [{name: per_mile, expr: trend / distance}]
"""
    repo = load(tmp_path, {"base.yaml": BASE, "m.yaml": text})
    assert repo.errors == ()
    inputs = repo.models["m"].inputs
    assert [item.name for item in inputs] == [
        "distance", "carrier", "count_1d", "delay_mean_1d", "delay_mean_7d", "trend", "origin_alt", "flights_today",
        "week", "per_mile",
    ]  # fmt: skip
    assert inputs[1] == RequestInput(name="carrier", dtype="string", model_dtype="category")
    assert isinstance(inputs[6], FeatureInput)
    assert inputs[6].join == {"airport": "origin"}
    assert (inputs[7].dtype, inputs[7].model_dtype, inputs[7].default) == ("int64", "float64", 0)
    assert isinstance(inputs[8], FeatureInput)
    assert isinstance(inputs[8].default, float)  # 1 and 1.0 are the same default
    assert inputs[9].dtype == "float64"


def test_everything_declared_survives_a_round_trip_through_json(tmp_path):
    text = VIEW + "    ttl: 3h\n".replace("    ttl: 3h\n", "    derived: [{name: d, expr: late_rate_7d * 2}]\n")
    text += """
models:
  - name: m
    spine: {source: flights, time: at, where: distance > 0, label: {name: is_late, expr: arr_delay > 15}}
    features: [{delays: "*"}, {request: {distance: int64}}, {derived: [{name: x, expr: trend + distance}]}]
    trainer: {estimator: a.B, params: {depth: 3, rates: [0.1, 0.2], nested: {a: true}}}
"""
    repo = load(tmp_path, {"base.yaml": BASE, "v.yaml": text})
    assert repo.errors == ()
    pairs = [
        (repo.entities, load_entity),
        (repo.sources, load_source),
        (repo.views, load_view),
        (repo.models, load_model),
    ]
    for objects, read in pairs:
        assert objects
        for item in objects.values():
            assert read(json.loads(json.dumps(dump_definition(item)))) == item


def test_an_untyped_view_has_the_dumped_types_and_expressions_as_texts(tmp_path):
    view = load(tmp_path, {"base.yaml": BASE, "v.yaml": VIEW}).views["delays"]
    untyped = load_untyped_view(json.loads(json.dumps(dump_definition(view))))
    assert untyped.features == view.features
    assert [(i.name, i.dtype, i.expression.text) for i in untyped.inputs] == [
        (i.name, i.dtype, i.expression.text) for i in view.inputs
    ]
    assert all(i.expression.tree is None for i in untyped.inputs)
    assert (untyped.entity, untyped.join, untyped.ttl_us) == (view.entity, view.join, view.ttl_us)


def test_types_of_a_source_are_filled_in_when_it_is_read_first(tmp_path):
    base = BASE.replace("path: data/flights.parquet", "path: data/flights.csv")
    start = base.index("    columns: {carrier: string, origin: string, dest: string, at: timestamp, distance")
    base = base[:start] + base[base.index("\n", start) + 1 :]
    text = "feature_views:\n  - {name: v, source: flights, features: [distance, {name: far, expr: distance > 9}]}\n"
    names = {"carrier": "unknown", "at": "unknown", "distance": "unknown"}
    write_repo(tmp_path, {"base.yaml": base, "v.yaml": text})
    repo = load_repo(tmp_path, lambda source: names if source.name == "flights" else None)
    assert repo.errors == ()
    view = repo.views["v"]
    assert [f.dtype for f in view.features] == [None, None]
    again = load_view(json.loads(json.dumps(dump_definition(view))))
    known = {"carrier": "string", "at": "timestamp", "distance": "float64"}
    assert [f.dtype for f in type_view(again, known).features] == ["float64", "bool"]
    assert type_source(repo.sources["flights"], known).columns == known
    with pytest.raises(DataError, match='no column "distance"') as caught:
        type_view(again, {"at": "timestamp"})
    assert caught.value.code == "FC503"
    with pytest.raises(DataError, match="must be a timestamp or a date"):
        type_source(repo.sources["flights"], known | {"at": "string"})


def test_a_model_is_typed_again_by_its_views(tmp_path):
    text = "models:\n  - name: m\n    spine: {source: flights, time: at}\n    features: [{delays: [trend]}]\n"
    repo = load(tmp_path, {"base.yaml": BASE, "m.yaml": text})
    model = repo.models["m"]
    bare = replace(model, inputs=tuple(replace(i, dtype=None, model_dtype=None) for i in model.inputs))
    assert type_check_model(bare, model.spine.source.columns, repo.views) == (model, [])


def test_a_missing_file_is_a_problem_at_its_path(tmp_path):
    text = "sources:\n  - {name: s, path: data/none.parquet, event_time: at, delay: 1m}\n"
    write_repo(tmp_path, {"s.yaml": text})

    def read(source):
        raise DataError(f"no file at {source.path}", code="FC501", hint="look")

    (problem,) = load_repo(tmp_path, read).errors
    assert (problem.code, problem.place.line, problem.place.column) == ("FC501", 2, 21)


def test_values_of_tests_keep_the_text_where_the_type_is_text(tmp_path):
    text = """
tests:
  - name: numbers as names
    view: delays
    rows: [{carrier: 09, at: 2013-01-01, delay: 3}]
    spine: [{carrier: 9, time: 2013-01-02}]
    expect: [{count_1d: 1, trend: null}]
"""
    repo = load(tmp_path, {"base.yaml": BASE, "t.yaml": text})
    assert repo.errors == ()
    test = repo.tests["numbers as names"]
    assert (test.rows[0]["carrier"], test.rows[0]["delay"]) == ("09", 3)
    assert (test.spine[0]["carrier"], test.expect[0]) == ("9", {"count_1d": 1, "trend": None})


def test_every_part_of_the_language_but_other_engines_is_run(tmp_path):
    text = """
notifiers: [{name: ops, slack: "${URL}"}]
alerts: [{name: a, when: stream_lag > 5m, severity: info, notify: [ops]}]
pipelines: [{name: p, stages: [{name: s, run: push}]}]
sources:
  - {name: s, stream: {topic: t}, columns: {at: timestamp, k: string}, event_time: at}
feature_views:
  - {name: h, source: s, hop: 5m, retention: 9d, aggregates: [{op: count, windows: [1h]}]}
models:
  - name: m
    spine:
      source: flights
      time: at
      label: {name: gone, entity: carrier, source: arrivals, op: count, horizon: 30d, expr: count = 0}
    features: [{delays: "*"}]
    gates: {min_auc: 0.6, robustness: {noise: 0.1, max_auc_drop: 0.1}}
    canary: {percent: 5, for: 30m, success: {latency_p99_ms: 100}}
    trainer: {run: python train.py, validation: {source: flights}}
"""
    repo = load(tmp_path, {"base.yaml": BASE, "x.yaml": text})
    assert repo.errors == ()
    assert repo.unsupported == ()


def test_an_environment_holds_its_texts_unexpanded_and_what_is_not_run(tmp_path):
    project = """
project: p
environments:
  dev: {registry: "${R:-sqlite:///r.db}", offline: o, online: "${O}", now: 2014-01-01T00:00:00Z}
  prod: {registry: r, offline: o, online: x, engine: {type: spark}, prediction_log: {sample: 1.0}}
"""
    repo = load(tmp_path, {"featurectl.yaml": project, "base.yaml": BASE})
    dev, prod = repo.environments.values()
    assert (dev.registry, dev.online, dev.now.year) == ("${R:-sqlite:///r.db}", "${O}", 2014)
    assert [p.place.line for p in prod.unsupported] == [5]
    assert (dev.prediction_sample, prod.prediction_sample) == (None, 1.0)
    assert dev.unsupported == repo.unsupported == ()


def test_places_of_objects_keys_and_items_are_kept(tmp_path):
    places = load(tmp_path, {"base.yaml": BASE}).places
    assert places[("feature_view", "delays")].line == 20
    assert places[("feature_view", "delays", "source")].line == 22
    assert places[("feature_view", "delays", "derived", "trend")].line == 27


def test_every_aggregate_has_a_type_for_a_column_and_a_value_without_rows():
    types = ("int64", "float64", "bool", "string", "timestamp", "date", "decimal(9,2)")
    for op, aggregate in AGGREGATES.items():
        assert any(result_type(op, t) for t in types)
        assert aggregate.empty in (0, (), None)
    assert result_type("sum", "string") is None
    assert aggregate_base("top_k", "carrier", 5, None) == "carrier_top_5"
    assert aggregate_base("percentile", "delay", None, 0.5) == "delay_p50"


@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_those_of_json(number):
    assert scalar_value(json.dumps(number)) == number


@given(st.text(max_size=12))
def test_a_plain_scalar_is_a_number_only_where_json_has_one(text):
    value = scalar_value(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert json.loads(text) == value
    else:
        assert value == {"true": True, "false": False, "null": None, "": None}.get(text, text)
