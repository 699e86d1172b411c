"""Tests of a model: rows of several sources in, columns of its training set out."""

from __future__ import annotations

import json
import re

import pytest

from featurectl.cli.main import main
from featurectl.operations.feature_tests.run import join_tests
from tests.language.repository import BASE, load, write_repo
from tests.operations.feature_tests.repository import MODEL, TEST, loaded, results_of


def problems(folder, *texts):
    repo = load(folder, {"base.yaml": BASE} | {f"x{n}.yaml": text for n, text in enumerate(texts)})
    return [(p.code, p.place.line, p.place.column, p.message, p.suggestion, *p.notes) for p in repo.errors]


def test_every_column_of_a_training_set_can_be_expected(tmp_path):
    (result,) = results_of(loaded(tmp_path, MODEL, TEST))
    assert result.error is None
    assert result.differences == ()
    assert (result.subject, len(result.cells)) == ("model late", 27)


def test_a_value_that_differs_is_told_with_its_row(tmp_path):
    (result,) = results_of(loaded(tmp_path, MODEL, TEST.replace("climb: 5421", "climb: 5422")))
    assert [(c.row, c.column, c.expected, c.found) for c in result.differences] == [(1, "climb", 5422, 5421)]


SIMPLE = """models:
  - {name: m, spine: {source: flights, time: at}, features: [{delays: [count_1d]}, {request: {distance: float64}}]}
"""
ASKED = """tests:
  - name: t
    model: m
    rows: [{carrier: AA, at: 2024-01-01T00:00:00Z}]
    spine: [{carrier: AA, time: 2024-01-01T12:00:00Z}]
    expect: [{count_1d: 1}]
"""


@pytest.mark.parametrize("rows", ["[{ROW}]", "{arrivals: [{ROW}]}"])
def test_rows_are_a_list_or_named_by_their_source_when_a_model_reads_one(tmp_path, rows):
    row = "carrier: AA, at: 2024-01-01T00:00:00Z"
    text = ASKED.replace("[{carrier: AA, at: 2024-01-01T00:00:00Z}]", rows.replace("ROW", row))
    assert [result.passed for result in results_of(loaded(tmp_path, SIMPLE, text))] == [True]


def test_the_rows_of_a_view_may_be_named_by_their_source(tmp_path):
    text = ASKED.replace("model: m", "view: delays").replace("rows: [", "rows: {arrivals: [").replace("Z}]", "Z}]}", 1)
    assert [result.passed for result in results_of(loaded(tmp_path, text))] == [True]
    text = text.replace("arrivals: [", "arrival: [")
    message = 'feature view "delays" reads no source "arrival"'
    assert problems(tmp_path, text) == [("FC311", 4, 12, message, 'did you mean "arrivals"?')]


@pytest.mark.parametrize("rows", ["[]", "{}", "{arrivals: []}"])
def test_a_source_without_rows_gives_empty_windows(tmp_path, rows):
    text = ASKED.replace("[{carrier: AA, at: 2024-01-01T00:00:00Z}]", rows).replace("count_1d: 1", "count_1d: 0")
    assert [result.passed for result in results_of(loaded(tmp_path, SIMPLE, text))] == [True]


def test_a_column_of_the_spine_named_time_is_not_the_time(tmp_path):
    base = BASE.replace("distance: int64", "distance: int64, time: string")
    wrong = load(tmp_path / "a", {"base.yaml": base, "m.yaml": SIMPLE, "t.yaml": ASKED})
    assert [(p.code, p.message) for p in wrong.errors] == [("FC311", 'a spine row has no "at"')]
    text = ASKED.replace("time: 2024-01-01T12", "time: noon, at: 2024-01-01T12").replace(
        "_1d: 1}", "_1d: 1, time: noon}"
    )
    assert [result.passed for result in results_of(loaded(tmp_path / "b", SIMPLE, text, base=base))] == [True]


def test_the_time_stands_once(tmp_path):
    text = ASKED.replace("time: 2024-01-01T12", "at: 2024-01-01, time: 2024-01-01T12")
    ((code, line, column, message, *_),) = problems(tmp_path, SIMPLE, text)
    assert (code, line, column, message) == ("FC311", 5, 43, '"time" stands for "at", and the row has both')


COLUMNS_OF = "columns of source arrivals: carrier, origin, dest, at, seen, delay, price"


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "more"),
    [
        ("      airports:", "      airport:", (8, "airport:"), 'model "late" reads no source "airport"',
         ['did you mean "airports"?']),
        ("      airports:", "      asks:", (8, "asks:"), 'model "late" reads no source "asks"',
         ["", "sources: arrivals, airports, reports"]),
        ("alt: 13", "height: 13", (8, "height"), 'no column "height"',
         ["", "columns of source airports: airport, alt, name"]),
        ("alt: 13", "alt: high", (8, "high"), '"alt" is int64, not high', [""]),
        ("seen: 2024", "sen: 2024", (6, "sen:"), 'no column "sen"', ['did you mean "seen"?', COLUMNS_OF]),
        ("carrier: BB, at: 2024-01-01T09:00:00Z", "carrier: BB", (7, "carrier"), 'a row has no "at"', [""]),
        ("miles: 1000, delay", "miles: 1000, mile: 1, delay", (11, "mile: 1,"), 'no column "mile"',
         ['did you mean "miles"?']),
        ("miles: 1000, delay", "miles: far, delay", (11, "far"), '"miles" is int64, not far', [""]),
        ("miles: 1000, delay", "miles: 1.5, delay", (11, "1.5"), '"miles" is int64, not 1.5', [""]),
        ("at: 2024-01-01T10:00:00Z", "at: ten", (11, "ten"), '"at" must be a time like 2013-01-01T08:00:00Z', [""]),
        ("dest: DEN, ", "", (11, "carrier"), 'a spine row has no "dest"',
         ["", "what is expected is made of: carrier, delay, dest, hub, km, miles, origin, place"]),
        ("climb: 5421", "clim: 5421", (14, "clim:"), 'the training set of model "late" has no column "clim"',
         ['did you mean "climb"?']),
        ("climb: 5421", "climb: steep", (14, "steep"), '"climb" is int64, not steep', [""]),
        ("is_late: false", "is_late: 0", (15, "0,"), '"is_late" is bool, not 0', [""]),
        ("      - {c_count_1d: 0", "      - {km: 1}\n      - {c_count_1d: 0", (13, "expect"),
         "3 rows expected of 2 spine rows", [""]),
    ],
)  # fmt: skip
def test_what_a_test_of_a_model_can_not_have_is_told_at_its_place(tmp_path, old, new, place, message, more):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    text = TEST.replace(old, new, 1)
    assert text != TEST
    ((code, line, column, *told),) = problems(tmp_path, MODEL, text)
    assert (code, line, told[0], told[1 : 1 + len(more)]) == ("FC311", place[0], message, more)
    assert text.splitlines()[line - 1][column - 1 :].startswith(place[1])


def test_rows_that_may_be_of_several_sources_are_named_with_the_right_form(tmp_path):
    text = TEST[: TEST.index("    rows:")] + "    rows: [{carrier: AA}]\n" + TEST[TEST.index("    spine:") :]
    told = ("FC311", 4, 5, 'model "late" reads 3 sources: say which the rows are of', "",
            "rows: {arrivals: [...], airports: [...], reports: [...]}")  # fmt: skip
    assert problems(tmp_path, MODEL, text) == [told]


@pytest.mark.parametrize(
    ("rows", "place", "message"),
    [
        ("none", (4, 11), 'expected a list, or a mapping of lists, found the text "none"'),
        ("{arrivals: {carrier: AA}}", (4, 22), "expected a list, found a mapping"),
        ("{arrivals: [AA]}", (4, 23), 'expected a mapping, found the text "AA"'),
        ("[[]]", (4, 12), "expected a mapping, found a list"),
    ],
)
def test_rows_of_another_form_are_refused(tmp_path, rows, place, message):
    text = ASKED.replace("[{carrier: AA, at: 2024-01-01T00:00:00Z}]", rows)
    assert problems(tmp_path, SIMPLE, text) == [("FC101", *place, message, "")]


def test_a_model_without_views_has_no_rows(tmp_path):
    model = "models:\n  - {name: m, spine: {source: flights, time: at}, features: [{request: {distance: float64}}]}\n"
    text = ASKED.replace("count_1d: 1", "distance: 5").replace("{carrier: AA, time", "{distance: 5, time")
    assert [problem[3] for problem in problems(tmp_path / "a", model, text)] == [
        'model "m" reads no source: a test of it has no rows'
    ]
    empty = text.replace("[{carrier: AA, at: 2024-01-01T00:00:00Z}]", "[]")
    assert [result.passed for result in results_of(loaded(tmp_path / "b", model, empty))] == [True]


def test_a_test_of_a_model_whose_view_is_wrong_tells_the_view_alone(tmp_path):
    base = BASE.replace("op: mean", "op: meen")
    repo = load(tmp_path, {"base.yaml": base, "m.yaml": SIMPLE, "t.yaml": ASKED})
    assert {problem.place.path for problem in repo.errors} == {"base.yaml"}


def test_the_spine_gives_only_what_is_expected_is_made_of(tmp_path):
    text = (
        TEST[: TEST.index("    spine:")]
        + """    spine: [{time: 2024-01-01T12:00:00Z}]
    expect: [{count_1d: 2}]
  - name: u
    model: late
    rows: {airports: [{airport: X, alt: 1}, {airport: Y, alt: 4}]}
    spine: [{origin: X, dest: Y, miles: 0, time: 2024-01-01T12:00:00Z}]
    expect: [{climb: 3, slope: 0.5}]
"""
    )
    repo = loaded(tmp_path, MODEL, text)
    assert [result.passed for result in results_of(repo)] == [True, True]


def test_a_column_that_select_makes_is_computed_unless_it_is_given(tmp_path):
    rows = "rows: {airports: [{airport: X, alt: 1}, {airport: Y, alt: 4}]}"
    text = f"""tests:
  - name: computed
    model: late
    {rows}
    spine: [{{origin: X, dest: Y, miles: 100, time: 2024-01-01T12:00:00Z}}]
    expect: [{{km: 160.9344, slope: 0.018641135767}}]
  - name: given
    model: late
    {rows}
    spine: [{{origin: X, dest: Y, km: 6, time: 2024-01-01T12:00:00Z}}]
    expect: [{{km: 6, slope: 0.5}}]
"""
    assert [(result.name, result.differences) for result in results_of(loaded(tmp_path, MODEL, text))] == [
        ("computed", ()), ("given", ()),
    ]  # fmt: skip
    missing = text.replace("miles: 100, ", "")
    assert [problem[3] for problem in problems(tmp_path, MODEL, missing)] == ['a spine row has no "miles"']


LATER = """feature_views:
  - {name: hops, entity: carrier, source: arrivals, hop: 1h, aggregates: [{op: count, windows: [2d]}]}
models:
  - name: m
    spine:
      source: flights
      time: at
      label: {name: again, entity: carrier, source: airy, op: count, horizon: 7d, expr: count > 0}
    features: [{delays: [count_1d]}, {hops: [count_2d]}]
sources:
  - {name: airy, path: x.parquet, event_time: at, columns: {carrier: string, at: timestamp}}
"""


def test_a_test_may_expect_windows_with_a_hop(tmp_path):
    text = ASKED.replace("count_1d: 1", "count_1d: 1, count_2d: 1")
    assert [result.passed for result in results_of(loaded(tmp_path, LATER, text))] == [True]


AHEAD = """tests:
  - name: again
    model: m
    rows:
      airy: [{carrier: AA, at: 2024-01-01T12:00:00Z}, {carrier: ZZ, at: 2024-01-09T00:00:00Z}]
    spine:
      - {carrier: AA, time: 2024-01-01T12:00:00Z}
      - {carrier: AA, time: 2024-01-01T12:00:01Z}
      - {carrier: AA, time: 2024-01-02T00:00:01Z}
    expect: [{again: true}, {again: false}, {again: null}]
  - name: known for nobody
    model: m
    rows: {arrivals: []}
    spine: [{carrier: AA, time: 2024-01-01T12:00:00Z}]
    expect: [{again: null}]
"""


def test_a_horizon_label_is_of_a_tests_rows_and_known_until_the_last_one(tmp_path):
    """Two tests of one model never share their rows: those of the one would say until when the other's are known."""
    results = results_of(loaded(tmp_path, LATER, AHEAD))
    assert [(result.error, result.differences) for result in results] == [(None, ()), (None, ())]
    (first, _) = results_of(loaded(tmp_path, LATER, AHEAD.replace("again: false", "again: true")))
    assert [(cell.row, cell.expected, cell.found) for cell in first.differences] == [(2, True, False)]


def test_the_values_say_the_types_where_the_files_do_not(tmp_path):
    """A CSV file has the names of its columns and no types."""
    base = re.sub(r",? *columns:\s*\{[^}]*\}\n?", "", BASE.replace(".parquet", ".csv")).replace(".csv}", ".csv}\n")
    assert "columns" not in base
    model = """models:
  - name: m
    spine: {source: flights, time: at, label: {name: is_late, expr: arr_delay > 15}}
    features: [{delays: "*"}, {view: facts, join: {airport: origin}, features: [alt]}, {request: {distance: float64}}]
"""
    test = """  - name: {name}
    model: m
    rows:
      arrivals: [{{carrier: AA, at: 2024-01-01T08:00:00Z, delay: {delay}}}]
      airports: [{{airport: JFK, alt: 13}}]
    spine: [{{carrier: AA, origin: JFK, distance: 7, arr_delay: 20, time: 2024-01-01T12:00:00Z}}]
    expect: [{{delay_mean_1d: {delay}, trend: 0, alt: 13, is_late: true, distance: 7}}]
"""
    text = "tests:\n" + test.format(name="a", delay=3) + test.format(name="b", delay=2.5)
    files = {
        "base.yaml": base, "m.yaml": model, "t.yaml": text,
        "data/arrivals.csv": "carrier,origin,dest,at,seen,delay,price\n",
        "data/flights.csv": "carrier,origin,dest,at,distance,arr_delay\n", "data/airports.csv": "airport,alt,name\n",
    }  # fmt: skip
    from featurectl.workspace.open import load_checked

    for data in (True, False):
        repo = load_checked(write_repo(tmp_path, files), data=data)
        assert join_tests(list(repo.tests.values())) is None
        results = results_of(repo)
        assert [(result.error, result.differences) for result in results] == [(None, ())] * 2


def test_a_name_says_whether_a_view_or_a_model_is_tested(tmp_path, monkeypatch, capsys):
    write_repo(tmp_path, {"base.yaml": BASE, "m.yaml": SIMPLE, "t.yaml": ASKED})
    monkeypatch.chdir(tmp_path)
    assert main(["test", "-o", "json"]) == 0
    (test,) = json.loads(capsys.readouterr().out)["result"]["tests"]
    assert (test["view"], test["model"], test["passed"]) == (None, "m", True)


def test_local_times_of_a_model_are_those_of_its_spines_source(tmp_path):
    model = MODEL.replace("    delay: 10m\n", "    delay: 10m\n    timezone: Asia/Tokyo\n")
    model = model.replace("path: data/asks.parquet\n", "path: data/asks.parquet\n    timezone: America/New_York\n")
    local = TEST.replace("at: 2024-01-01T07:00:00Z, delay: 1}", "at: 2024-01-01T16:00, delay: 1}")
    local = local.replace("at: 2024-01-01T10:00:00Z}", "at: 2024-01-01T05:00}")
    local = local.replace("time: 2024-01-01T11:00:00Z}", "time: 2024-01-01T06:00}")
    local = local.replace("at: 2024-01-01T11:00:00Z}\n", "at: 2024-01-01T06:00}\n")
    assert local.count("2024-01-01T06:00}") == 2
    (result,) = results_of(loaded(tmp_path, model, local))
    assert (result.error, result.differences) == (None, ())
