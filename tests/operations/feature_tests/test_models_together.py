"""Tests of a model, run together and against `training-set`."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.cli.main import main
from featurectl.core.units import parse_instant
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.tests import ModelTest
from featurectl.operations.feature_tests.run import compare_cells, join_tests, run_feature_tests
from featurectl.operations.feature_tests.tables import TypedViews
from tests.language.repository import BASE, write_repo
from tests.operations.feature_tests.repository import MODEL, TEST, loaded

HOURS = st.integers(0, 30).map(lambda hour: f"2024-01-0{1 + hour // 24}T{hour % 24:02}:00:00Z")
CARRIERS = st.sampled_from(["AA", "BB", None])
PLACES = st.sampled_from(["JFK", "LGA", "X", None])
DELAYS = st.integers(-60, 60)
ROWS = st.fixed_dictionaries(
    {
        "arrivals": st.lists(
            st.fixed_dictionaries({"at": HOURS}, optional={"carrier": CARRIERS, "seen": HOURS, "delay": DELAYS}),
            max_size=6,
        ),
        "airports": st.lists(
            st.fixed_dictionaries({"airport": PLACES, "alt": DELAYS}), max_size=4, unique_by=lambda row: row["airport"]
        ),
        "reports": st.lists(
            st.fixed_dictionaries(
                {"at": HOURS}, optional={"origin": PLACES, "dest": st.sampled_from(["x", "y", None]), "delay": DELAYS}
            ),
            max_size=6,
        ),
    }
)
SPINES = st.lists(
    st.fixed_dictionaries(
        {"at": HOURS, "carrier": CARRIERS, "origin": PLACES, "dest": PLACES},
        optional={"miles": st.integers(0, 500), "delay": DELAYS},
    ),
    min_size=1,
    max_size=4,
)
COLUMNS = ["c_count_1d", "c_delay_mean_1d", "c_trend", "mean", "count_1d", "delay_sum_1d", "delay_last_1d", "from_alt",
           "to_alt",
           "d_delay", "p_twice", "climb", "slope", "is_late", "km", "hub"]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("repo"), MODEL, TEST).tests["t"]


def a_test(model, rows, spine, columns, name="t"):
    expect = tuple(dict.fromkeys(columns) for _ in spine)
    return replace(
        model, name=name, rows={k: tuple(v) for k, v in rows.items() if v}, spine=tuple(spine), expect=expect
    )


def check_together(model, drawn):
    tests = [a_test(model, rows, spine, sorted(columns), str(n)) for n, (rows, spine, columns) in enumerate(drawn)]
    assert isinstance(join_tests(tests), ModelTest)
    engine = PolarsEngine(1)
    together = [result.cells for result in run_feature_tests(engine, tests)]
    assert together == [compare_cells(engine, test, TypedViews()) for test in tests]


DRAWN = st.lists(st.tuples(ROWS, SPINES, st.sets(st.sampled_from(COLUMNS), min_size=1)), min_size=2, max_size=4)


@given(DRAWN)
@settings(max_examples=5, deadline=None)
@pytest.mark.long
def test_tests_that_run_together_find_what_each_finds_alone(model, drawn):
    check_together(model, drawn)


@pytest.mark.stress
@given(DRAWN)
@settings(max_examples=200, deadline=None)
def test_many_tests_that_run_together_find_what_each_finds_alone(model, drawn):
    check_together(model, drawn)


def test_tests_that_give_other_columns_of_select_do_not_disturb_each_other(model):
    spine = {"at": "2024-01-01T00:00:00Z", "miles": 10}
    tests = [
        a_test(model, {}, [{**spine, **more}], ["km", "hub"], str(n))
        for n, more in enumerate([{}, {"km": 3.0}, {"origin": "JFK"}, {"km": 4.0, "hub": False}])
    ]
    found = [{cell.column: cell.found for cell in result.cells} for result in run_feature_tests(PolarsEngine(1), tests)]
    assert found == [
        {"km": 16.09344, "hub": None}, {"km": 3.0, "hub": None}, {"km": 16.09344, "hub": True},
        {"km": 4.0, "hub": False},
    ]  # fmt: skip


@pytest.mark.long
def test_a_test_finds_what_training_set_writes(tmp_path, monkeypatch, capsys):
    """The same rows as files, through `apply`, `materialize` and `training-set`."""
    write_repo(tmp_path, {"base.yaml": BASE, "m.yaml": MODEL.replace("      where: miles > 100\n", "")})
    repo = loaded(tmp_path, TEST)
    test = repo.tests["t"]
    for name, rows in {**test.rows, "asks": test.spine}.items():
        columns = repo.sources[name].columns
        seen = repo.sources[name].available_at
        frame = [{column: row.get(column) for column in columns} for row in rows]
        for row in frame:
            if seen:
                row[seen] = row[seen] or row["at"]
            row |= {c: parse_instant(row[c]) for c, dtype in columns.items() if dtype == "timestamp" and row[c]}
        types = {"string": pl.String, "int64": pl.Int64, "date": pl.Date, "timestamp": pl.Datetime("us", "UTC"),
                 "float64": pl.Float64, "decimal(9,2)": pl.Decimal(9, 2)}  # fmt: skip
        schema = {column: types[dtype] for column, dtype in columns.items()}
        pl.DataFrame(frame, schema=schema).write_parquet(tmp_path / "data" / f"{name}.parquet")
    pl.DataFrame(
        schema={"carrier": pl.String, "origin": pl.String, "dest": pl.String, "at": pl.Datetime("us", "UTC"),
                "distance": pl.Int64, "arr_delay": pl.Float64}
    ).write_parquet(tmp_path / "data" / "flights.parquet")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "set.parquet"
    for words in (
        ["apply", "--auto-approve"],
        ["materialize", "--no-online"],
        ["training-set", "late", "--out", str(out)],
    ):
        assert main(words) == 0, capsys.readouterr()
    written = pl.read_parquet(out)
    whole = a_test(test, test.rows, test.spine, written.columns)
    (result,) = run_feature_tests(PolarsEngine(1), [whole])
    assert result.error is None
    assert {(cell.row, cell.column): cell.found for cell in result.cells} == {
        (n + 1, name): value for n, row in enumerate(written.rows(named=True)) for name, value in row.items()
    }


def test_a_value_that_does_not_fit_ends_its_own_test_alone(model):
    spine = [{"at": "2024-01-01T00:00:00Z"}]
    wrong = a_test(model, {"airports": [{"airport": "X", "alt": "high"}]}, spine, ["from_alt"], "wrong")
    first, second = run_feature_tests(PolarsEngine(1), [wrong, a_test(model, {}, spine, ["from_alt"], "right")])
    assert (first.error.code, second.error, len(second.cells)) == ("FC504", None, 1)
