"""Tests of views whose files tell no types: the values do, and what they do not fit is told."""

import pytest

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.operations.feature_tests.run import run_feature_tests
from tests.language.repository import load

FILE = """entities:
  - {name: c, keys: {c: string}}
sources:
  - {name: s, path: "s3://lake/x.parquet", event_time: at, select: {two: x * 2, low: lower(z)}}
feature_views:
  - {name: v, entity: c, source: s, aggregates: [{column: x, op: sum, windows: [1d]}, {op: count, windows: [1d]}]}
  - {name: w, entity: c, source: s, features: [two]}
  - {name: u, entity: c, source: s, features: [low]}
tests:
  - {name: t, view: VIEW, rows: [{c: a, at: 2026-01-01T00:00:00Z, ROW}], spine: [{c: a, time: 2026-01-01T01:00:00Z}],
     expect: [EXPECT]}
"""


def result_of(folder, view, row, expect):
    text = FILE.replace("VIEW", view).replace("ROW", row).replace("EXPECT", expect)
    repo = load(folder, {"all.yaml": text.replace(", }", "}")})
    assert repo.errors == ()
    (result,) = run_feature_tests(PolarsEngine(), repo.tests.values())
    return result


@pytest.mark.parametrize(
    ("view", "row", "expect"),
    [
        ("v", "x: 1", "{x_sum_1d: 1, count_1d: 1}"),
        ("v", "", "{x_sum_1d: null, count_1d: 1}"),
        ("v", "x: null", "{x_sum_1d: null}"),
        ("v", "x: true, z: 5", "{x_sum_1d: 1}"),  # neither `two` nor `low` fits, and the view reads neither
        ("w", "x: 1.5", "{two: 3}"),
        ("w", "", "{two: null}"),
        ("u", "z: A", "{low: a}"),
    ],
)
def test_columns_left_out_are_null_and_those_not_read_need_not_fit(tmp_path, view, row, expect):
    assert result_of(tmp_path, view, row, expect).passed


@pytest.mark.parametrize(
    ("view", "row", "expect", "code", "message"),
    [
        ("w", "x: true", "{two: 1}", "FC504", 'source "s", select "two": bool * int64 is not defined'),
        ("u", "z: 5", "{low: a}", "FC504", 'source "s", select "low": lower takes string, this is int64'),
        (
            "v",
            "x: {q: 1}",
            "{count_1d: 1}",
            "FC504",
            "column x of a feature test: [{'q': 1}] have no type of the language",
        ),
        (
            "v",
            "x: 99999999999999999999999",
            "{count_1d: 1}",
            "FC504",
            "column x of a feature test: [99999999999999999999999] have no",
        ),
        ("v", "y: {q: 1}", "{count_1d: 1}", "FC504", "column y of a feature test"),
    ],
)
def test_values_that_do_not_fit_end_their_own_test_with_the_reason(tmp_path, view, row, expect, code, message):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    error = result_of(tmp_path, view, row, expect).error
    assert error is not None
    assert error.code == code
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("kind", "expect"), [("parquet", "{gap: 1800.0, asked: true}"), ("ndjson", None), ("csv", "{gap: 1800.0}")]
)
def test_texts_that_show_times_are_times_where_the_files_may_hold_some(tmp_path, kind, expect):
    views = f"""entities: [{{name: c, keys: {{c: string}}}}]
sources:
  - {{name: s, path: "s3://lake/x.{kind}", event_time: at}}
feature_views:
  - name: v
    entity: c
    source: s
    features: [{{name: gap, expr: "seconds_between(sent, at)"}}, {{name: asked, expr: "day = '2026-01-01'"}}]
tests:
  - name: t
    view: v
    rows: [{{c: a, at: 2026-01-01T10:00:00Z, sent: 2026-01-01T09:30:00Z, day: 2026-01-01}}]
    spine: [{{c: a, time: 2026-01-01T11:00:00Z}}]
    expect: [{expect or "{gap: 1.0}"}]
"""
    repo = load(tmp_path, {"all.yaml": views})
    assert repo.errors == ()
    (result,) = run_feature_tests(PolarsEngine(), repo.tests.values())
    assert result.passed == (expect is not None)
    if expect is None:
        assert "takes timestamp, this is string" in result.error.message
