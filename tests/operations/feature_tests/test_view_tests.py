"""Unit tests of features: rows of a source in, values out."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from featurectl.core.frames.timestamps import localize
from featurectl.core.units import parse_local_instant
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.tests import FeatureTest
from featurectl.language.syntax.place import Place
from featurectl.operations.feature_tests.results import Cell
from featurectl.operations.feature_tests.run import compare_cells, join_tests, run_feature_tests
from featurectl.operations.feature_tests.tables import TypedViews, source_rows
from tests.definitions import ARRIVALS, DELAYS
from tests.language.repository import BASE, load
from tests.seeds import examples

SPINE = ({"carrier": "A", "time": "2024-01-02T00:00:00Z"},)
LANDED = {"carrier": "A", "arr_delay": 20.0, "at": "2024-01-01T08:00:00Z", "known_at": "2024-01-01T11:00:00Z"}


def ran(expect, rows=(LANDED,), columns=ARRIVALS.columns):
    view = replace(DELAYS, source=replace(ARRIVALS, columns=columns))
    test = FeatureTest(name="t", view=view, rows=rows, spine=SPINE, expect=(expect,), place=Place("x.yaml"))
    (result,) = run_feature_tests(PolarsEngine(1), [test])
    assert result.error is None
    return result.differences


def test_a_test_passes_when_its_values_are_found():
    assert ran({"count_1d": 1, "arr_delay_mean_7d": 20}) == ()


def test_a_value_that_differs_is_told_with_its_row():
    assert [(d.row, d.column, d.expected, d.found) for d in ran({"count_1d": 2})] == [(1, "count_1d", 2, 1)]


@pytest.mark.parametrize("columns", [None, dict.fromkeys(ARRIVALS.columns, "unknown")])  # type: ignore[arg-type]
def test_clocks_are_read_as_instants_when_the_files_types_are_not_known(columns):
    assert ran({"count_1d": 1}, columns=columns) == ()


@pytest.mark.parametrize("columns", [ARRIVALS.columns, dict.fromkeys(ARRIVALS.columns, "unknown")])  # type: ignore[arg-type]
def test_a_source_without_rows_gives_empty_windows(columns):
    assert ran({"count_1d": 0, "arr_delay_mean_7d": None}, rows=(), columns=columns) == ()


def a_test(name="t", rows=(LANDED,), view=DELAYS, **expect):
    return FeatureTest(
        name=name, view=view, rows=rows, spine=SPINE, expect=(expect or {"count_1d": 1},), place=Place("x.yaml")
    )


def test_a_test_that_can_not_be_run_does_not_end_the_others():
    wrong = {**LANDED, "arr_delay": "late"}
    results = run_feature_tests(PolarsEngine(1), [a_test("a", rows=(wrong,)), a_test("b")])
    assert [(result.name, result.passed) for result in results] == [("a", False), ("b", True)]
    assert results[0].error.code == "FC504"
    assert results[0].cells == ()


def test_every_value_that_is_compared_is_told():
    (result,) = run_feature_tests(PolarsEngine(1), [a_test(arr_delay_mean_7d=20.5, count_1d=1)])
    assert result.cells == (
        Cell(row=1, column="arr_delay_mean_7d", expected=20.5, found=20.0, agrees=False),
        Cell(row=1, column="count_1d", expected=1, found=1, agrees=True),
    )
    assert result.differences == result.cells[:1]
    assert result.seconds > 0


def test_a_view_is_typed_once_for_all_tests_with_values_of_the_same_types():
    untyped = replace(
        DELAYS,
        source=replace(ARRIVALS, columns=None),
        features=tuple(replace(feature, dtype=None) for feature in DELAYS.features),
    )
    typed = TypedViews()
    made = [typed.of(untyped, source_rows(untyped, [{**LANDED, "arr_delay": value}])) for value in (1.5, 20.0, 3)]
    assert made[0] is made[1]
    assert made[0] is not made[2]
    assert all(feature.dtype for feature in made[0].features)
    assert typed.of(DELAYS, source_rows(DELAYS, [LANDED])) is DELAYS


DECIMALS = """feature_views:
  - {name: prices, entity: carrier, source: arrivals, aggregates: [{op: max, column: price, windows: [1d]}]}
tests:
"""
DECIMAL = """  - name: {found} is {expected}
    view: prices
    rows: [{{carrier: A, at: 2024-01-01T00:00:00Z, price: {found}}}]
    spine: [{{carrier: A, time: 2024-01-01T12:00:00Z}}]
    expect: [{{price_max_1d: {expected}}}]
"""


def test_decimals_agree_only_when_they_are_the_same_number(tmp_path):
    pairs = [("0.1", "0.10"), ("1234567.89", "1234567.89"), ("7", "7.0"), ("1234567.89", "1234567.88")]
    text = DECIMALS + "".join(DECIMAL.format(found=found, expected=expected) for found, expected in pairs)
    repo = load(tmp_path, {"base.yaml": BASE, "x.yaml": text})
    assert repo.errors == ()
    results = run_feature_tests(PolarsEngine(1), repo.tests.values())
    assert [result.passed for result in results] == [True, True, True, False]


VIEWS = """feature_views:
  - name: windows
    entity: carrier
    source: arrivals
    where: delay > -50
    aggregates:
      - {op: count, windows: [1h, 1d]}
      - {column: delay, op: [sum, mean, min, max, stddev, first, last, median], windows: [1h, 1d]}
      - {column: price, op: [sum, max], windows: [1d]}
      - {name: origins, column: origin, op: count_distinct, windows: [1d]}
      - {column: origin, op: last_n, n: 3, windows: [1d]}
      - {name: late_rate, column: late, op: mean, windows: [1d], default: 0.5}
    derived:
      - {name: share, expr: delay_sum_1h / delay_sum_1d}
  - name: everywhere
    source: arrivals
    aggregates: [{op: count, windows: [1d]}, {column: delay, op: [sum, last], windows: [1d]}]
  - {name: states, entity: carrier, source: once, ttl: 6h, features: [price, {name: origin, fill: last_non_null}]}
"""
ONCE = """  - name: once
    path: data/arrivals.parquet
    event_time: at
    available_at: seen
    dedup_key: [dest]
    tiebreak: [delay]
    columns: {carrier: string, origin: string, dest: string, at: timestamp, seen: timestamp, delay: int64, price: "decimal(9,2)"}
"""  # noqa: E501  # lines of a file or a screen
HOURS = st.integers(0, 30).map(lambda hour: f"2024-01-0{1 + hour // 24}T{hour % 24:02}:00:00Z")
ROWS = st.lists(
    st.fixed_dictionaries(
        {"at": HOURS},
        optional={
            "carrier": st.sampled_from(["A", "B", None]),
            "seen": HOURS,
            "delay": st.integers(-60, 60),
            "price": st.sampled_from([0.1, 0.2, 7, None]),
            "origin": st.sampled_from(["JFK", "LGA", None]),
            "dest": st.sampled_from(["X", "Y", None]),
        },
    ),
    max_size=12,
)
SPINES = st.lists(
    st.fixed_dictionaries({"carrier": st.sampled_from(["A", "B", "C"]), "time": HOURS}), min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    base = BASE.replace("feature_views:\n", ONCE + "feature_views:\n")
    repo = load(tmp_path_factory.mktemp("repo"), {"base.yaml": base, "x.yaml": VIEWS})
    assert repo.errors == ()
    return repo.views


@pytest.mark.parametrize("name", ["windows", "states", "everywhere"])
@given(st.lists(st.tuples(ROWS, SPINES), min_size=2, max_size=5))
@settings(max_examples=examples(3, 20), deadline=None)
@pytest.mark.sample(1)
def test_tests_that_run_together_find_what_each_finds_alone(views, name, drawn):
    view = views[name]
    features = [item.name for item in (*view.features, *view.derived)]
    tests = [
        FeatureTest(
            name=str(n), view=view, rows=tuple(rows), spine=tuple(spine), place=Place("x.yaml"),
            expect=tuple(dict.fromkeys(features) for _ in spine),
        )
        for n, (rows, spine) in enumerate(drawn)
    ]  # fmt: skip
    assert join_tests(tests) is not None
    engine = PolarsEngine(1)
    together = [result.cells for result in run_feature_tests(engine, tests)]
    assert together == [compare_cells(engine, test, TypedViews()) for test in tests]


def test_results_come_in_the_order_of_the_tests_whatever_their_views(views):
    times = ({"carrier": "A", "time": "2024-01-01T00:00:00Z"},)

    def of(view, name, feature):
        expect = ({feature: None},)
        return FeatureTest(name=name, view=views[view], rows=(), spine=times, expect=expect, place=Place("x.yaml"))

    tests = [
        of("windows", "a", "share"),
        of("states", "b", "price"),
        of("windows", "c", "share"),
        of("states", "d", "price"),
    ]
    results = run_feature_tests(PolarsEngine(1), tests)
    assert [(result.name, result.view, result.passed) for result in results] == [
        ("a", "windows", True), ("b", "states", True), ("c", "windows", True), ("d", "states", True),
    ]  # fmt: skip


def test_tests_run_without_files_where_their_values_say_the_types():
    assert join_tests([a_test("a"), a_test("b")]) is not None
    assert join_tests([a_test("a")]) is None
    unknown = replace(DELAYS, source=replace(ARRIVALS, columns=dict.fromkeys(ARRIVALS.columns, "unknown")))
    assert join_tests([a_test("a", view=unknown), a_test("b", view=unknown)]) is None
    assert join_tests([a_test("a"), a_test("b", rows=({**LANDED, "more": 1},))]) is None


NEW_YORK = replace(ARRIVALS, timezone="America/New_York")


def found_in_new_york(rows, time, **expect):
    """The differences of a test of a view whose source is in New York's time."""
    view = replace(DELAYS, source=NEW_YORK)
    rows = [{**LANDED, **row} for row in rows]
    test = replace(a_test(rows=rows, view=view, **expect), spine=({"carrier": "A", "time": time},))
    (result,) = run_feature_tests(PolarsEngine(1), [test])
    assert result.error is None
    return [(cell.column, cell.found) for cell in result.differences]


def test_a_local_time_of_a_row_is_read_in_the_zone_of_its_source():
    landed = {"at": "2024-07-01T08:00", "known_at": "2024-07-01 08:00:00"}
    assert found_in_new_york([landed], "2024-07-01T12:00:00Z", count_1d=0) == []
    assert found_in_new_york([landed], "2024-07-01T12:00:01Z", count_1d=1) == []


def test_local_times_of_the_spine_are_read_in_the_zone_of_the_source():
    landed = {"at": "2024-07-01T12:00:00Z", "known_at": "2024-07-01T12:00:00Z"}
    assert found_in_new_york([landed], "2024-07-01T08:00", count_1d=0) == []
    assert found_in_new_york([landed], "2024-07-01T08:00:01", count_1d=1) == []


def test_dates_alone_are_midnight_of_the_zone():
    landed = {"at": "2024-07-01", "known_at": "2024-07-01"}
    for time, count in (("2024-07-01T04:00:00Z", 0), ("2024-07-01", 0), ("2024-07-01T04:00:01Z", 1)):
        assert found_in_new_york([landed], time, count_1d=count) == []


@given(
    st.datetimes(datetime(1890, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia", "UTC"]),
)
@example(datetime(2024, 11, 3, 1, 30), "America/New_York")  # comes twice
@example(datetime(2024, 3, 10, 2, 30), "America/New_York")  # is skipped
@example(datetime(2024, 4, 7, 1, 45), "Australia/Lord_Howe")
@example(datetime(2024, 10, 6, 2, 15), "Australia/Lord_Howe")
@example(datetime(2011, 12, 30, 12), "Pacific/Apia")  # a whole day is
def test_local_times_of_tests_are_those_of_sources(local, timezone):
    as_source = pl.select(localize(pl.lit(local), timezone)).item()
    assert parse_local_instant(local.isoformat(), timezone) == as_source
