"""Feature tests of Python transforms: values at an instant, and that none depends on what came later."""

from __future__ import annotations

import pytest

from featurectl.cli.main import main
from tests.language.repository import BASE, load, write_repo
from tests.operations.feature_tests.repository import results_of

CODE = '''"""How much was carried, and the weather then."""

import polars as pl


def load(arrivals, weather):
    """The sum so far, whenever a flight is known; the wind as it was reported by then."""
    known = arrivals.sort("available_at", "event_time")
    summed = known.with_columns(total=pl.col("delay").cum_sum().over("carrier"))
    joined = summed.join_asof(
        weather.select("available_at", "wind").sort("available_at"), on="available_at", strategy="backward"
    )
    return joined.select("carrier", "event_time", "available_at", "total", "wind")


def ahead(arrivals, weather):
    """The sum by the time of the flight, whenever it was known."""
    known = arrivals.sort("event_time").with_columns(total=pl.col("delay").cum_sum().over("carrier"))
    return known.with_columns(wind=None)
'''
VIEWS = """sources:
  - name: weather
    path: data/weather.parquet
    event_time: hour
    delay: 30m
    columns: {hour: timestamp, speed: float64}
    select: {wind: speed * 1.5}
feature_views:
  - name: load
    entity: carrier
    source: [arrivals, weather]
    transform: "code/load.py:FUNCTION"
    ttl: 10d
    features: [{name: total, type: int64}, {name: wind, type: float64, fill: last_non_null, default: 0}]
    derived: [{name: twice, expr: total * 2}]
models:
  - name: late
    spine: {source: flights, time: at, label: {name: is_late, expr: arr_delay > 15}}
    features: [{load: [total]}, {delays: [count_1d]}]
"""
TESTS = """tests:
  - name: the sum
    view: load
    rows:
      arrivals:
        - {carrier: A, at: 2026-01-01T08:00:00Z, seen: 2026-01-01T09:00:00Z, delay: 1}
        - {carrier: A, at: 2026-01-01T07:00:00Z, seen: 2026-01-01T11:00:00Z, delay: 2}
        - {carrier: A, at: 2026-01-01T10:00:00Z, seen: 2026-01-01T12:00:00Z, delay: 4}
        - {carrier: B, at: 2026-01-01T08:00:00Z, seen: 2026-01-01T08:00:00Z, delay: 8}
      weather:
        - {hour: 2026-01-01T08:00:00Z, speed: 2}
    spine:
      - {carrier: A, time: 2026-01-01T08:59:59Z}
      - {carrier: A, time: 2026-01-01T09:00:00Z}
      - {carrier: A, time: 2026-01-01T12:00:00Z}
      - {carrier: A, time: 2026-01-12T12:00:00Z}
      - {carrier: B, time: 2026-01-02T12:00:00Z}
    expect:
      - {total: null, wind: 0, twice: null}
      - {total: 1, wind: 3, twice: 2}
      - {total: 7, wind: 3, twice: 14}
      - {total: null, wind: 0}
      - {total: 8, wind: 0}
  - name: of the model
    model: late
    rows:
      arrivals: [{carrier: A, at: 2026-01-01T08:00:00Z, seen: 2026-01-01T09:00:00Z, delay: 1}]
    spine: [{carrier: A, arr_delay: 3, time: 2026-01-01T09:00:00Z}]
    expect: [{total: 1, count_1d: 1, is_late: false}]
"""


def repository(function="load", tests=TESTS):
    views = VIEWS.replace("FUNCTION", function)
    return {"base.yaml": BASE, "views.yaml": views, "tests.yaml": tests, "code/load.py": CODE}


def test_a_transform_is_tested_with_the_rows_of_all_its_sources(tmp_path):
    repo = load(tmp_path, repository())
    assert repo.errors == ()
    results = results_of(repo)
    assert [(result.name, result.differences, result.error) for result in results] == [
        ("the sum", (), None), ("of the model", (), None),
    ]  # fmt: skip


def test_an_answer_that_later_rows_change_is_told(tmp_path):
    first, second = results_of(load(tmp_path, repository("ahead")))
    assert first.error.code == "FC523"
    assert first.error.message == (
        "the transform of load looks ahead: at 2026-01-01T09:00:00Z total of carrier A is 1 by what was available "
        "then, and 3 when later rows are there too"
    )
    assert second.error is None


def test_a_leak_of_a_view_fails_the_test_of_a_model(tmp_path):
    late = "{carrier: A, at: 2026-01-01T07:00:00Z, seen: 2026-01-01T11:00:00Z, delay: 2}"
    tests = TESTS.replace("arrivals: [{", f"arrivals: [{late}, {{")
    _, second = results_of(load(tmp_path, repository("ahead", tests)))
    assert second.error.code == "FC523"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("      weather:\n", "      wether:\n", 'feature view "load" reads no source "wether"'),
        ("speed: 2", "sped: 2", 'no column "sped"'),
    ],
)
def test_rows_of_a_source_that_is_not_read_or_lacks_a_column_are_refused(tmp_path, old, new, said):
    repo = load(tmp_path, repository(tests=TESTS.replace(old, new)))
    assert [(problem.code, problem.message) for problem in repo.errors] == [("FC311", said)]


def test_a_plain_list_of_rows_is_not_enough_for_two_sources(tmp_path):
    spine = "spine: [{carrier: A, time: 2026-01-01}]"
    tests = f"tests:\n  - {{name: t, view: load, rows: [{{delay: 1}}], {spine}, expect: [{{total: 1}}]}}\n"
    (problem,) = load(tmp_path, repository(tests=tests)).errors
    assert problem.message == 'feature view "load" reads 2 sources: say which the rows are of'
    assert problem.notes == ("rows: {arrivals: [...], weather: [...]}",)


def test_a_failing_function_fails_its_tests_alone_and_debug_shows_where(tmp_path, capsys):
    files = repository()
    write_repo(tmp_path, files | {"code/load.py": CODE.replace("cum_sum", "cumsum", 1)})
    assert main(["test", "-C", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "error[FC521]: code/load.py:9: load failed: AttributeError: 'Expr' object has no attribute 'cumsum'" in out
    assert "Traceback" not in out + err
    assert main(["test", "-C", str(tmp_path), "--debug"]) == 1
    assert 'File "code/load.py", line 9, in load' in capsys.readouterr().err


def test_validate_never_runs_a_transform(tmp_path, capsys):
    bomb = "import pathlib\npathlib.Path('ran').touch()\n\ndef load(arrivals, weather):\n    raise SystemExit(9)\n"
    write_repo(tmp_path, repository() | {"code/load.py": bomb})
    assert main(["validate", "-C", str(tmp_path), "--no-data"]) == 0
    assert "FC402" not in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
