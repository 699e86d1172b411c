"""The values of feature tests fit the types of their columns, or are refused at their place."""

import pytest

from featurectl.language.definitions.tests import FeatureTest
from tests.language.repository import load

FILE = """entities:
  - {name: item, keys: {item: int64}}
sources:
  - name: sales
    path: data/arrivals.parquet
    event_time: at
    columns: {item: int64, at: timestamp, tags: list(string), days: list(date), price: "decimal(6,2)", sold: int64}
feature_views:
  - {name: last, entity: item, source: sales, features: [tags, days, {name: price, default: PRICE}, sold]}
tests:
  - name: t
    view: last
    spine: [{item: 1, time: 2026-01-02T00:00:00Z}]
    expect: [{sold: null}]
    rows:
      - {item: 1, at: 2026-01-01T00:00:00Z, ROW}
"""


def repo_with(folder, row, price="0"):
    return load(folder, {"all.yaml": FILE.replace("ROW", row).replace("PRICE", price)})


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("tags: [1, no, null, 'null']", {"tags": ["1", "no", None, "null"]}),
        ("tags: []", {"tags": []}),
        ("tags: null", {"tags": None}),
        ("days: [2026-01-01]", {"days": ["2026-01-01"]}),
        ("price: 9999.99", {"price": 9999.99}),
        ("price: 1.500", {"price": 1.5}),
        ("price: 1e3", {"price": 1000.0}),
        ("price: -0.0", {"price": 0.0}),
    ],
)
def test_what_fits_is_kept(tmp_path, row, values):
    repo = repo_with(tmp_path, row)
    assert repo.errors == ()
    (test,) = repo.tests.values()
    assert isinstance(test, FeatureTest)
    assert {name: value for name, value in test.rows[0].items() if name in values} == values


@pytest.mark.parametrize(
    ("row", "message", "at"),
    [
        ("tags: x", '"tags" is list(string), not x', "x"),
        ("tags: {a: b}", '"tags" is list(string), not a list or mapping', "{a: b}"),
        ("tags: [a, [b]]", '"tags" is list(string), and a list or mapping is no string', "[b]"),
        ("days: [2026-01-01, soon]", '"days" is list(date), and soon is no date', "soon"),
        ("price: 1.005", '"price" is decimal(6,2), not 1.005', "1.005"),
        ("price: 10000", '"price" is decimal(6,2), not 10000', "10000"),
        ("sold: '1'", '"sold" is int64, not the text "1"', "'1'"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(tmp_path, row, message, at):
    (problem,) = repo_with(tmp_path, row).errors
    column = FILE.splitlines()[-1].replace("ROW", row).index(at, 44) + 1
    assert (problem.code, problem.message) == ("FC311", message)
    assert (problem.place.line, problem.place.column) == (16, column)


def test_a_default_that_would_lose_digits_is_refused(tmp_path):
    (problem,) = repo_with(tmp_path, "sold: 1", price="0.125").errors
    assert problem.code == "FC306"
