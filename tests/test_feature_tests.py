"""Unit tests of features: rows of a source in, values out."""

from dataclasses import replace

import pytest

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.feature_tests import run_feature_test
from featurectl.spec.definition import FeatureTest
from featurectl.spec.place import Place
from tests.definitions import ARRIVALS, DELAYS

SPINE = ({"carrier": "A", "time": "2024-01-02T00:00:00Z"},)
LANDED = {"carrier": "A", "arr_delay": 20.0, "at": "2024-01-01T08:00:00Z", "known_at": "2024-01-01T11:00:00Z"}


def ran(expect, rows=(LANDED,), columns=ARRIVALS.columns):
    view = replace(DELAYS, source=replace(ARRIVALS, columns=columns))
    test = FeatureTest(name="t", view=view, rows=rows, spine=SPINE, expect=(expect,), place=Place("x.yaml"))
    return run_feature_test(PolarsEngine(1), test).differences


def test_a_test_passes_when_its_values_are_found():
    assert ran({"count_1d": 1, "arr_delay_mean_7d": 20}) == ()


def test_a_value_that_differs_is_told_with_its_row():
    assert [(d.row, d.column, d.expected, d.found) for d in ran({"count_1d": 2})] == [(1, "count_1d", 2, 1)]


@pytest.mark.parametrize("columns", [None, dict.fromkeys(ARRIVALS.columns, "unknown")])
def test_clocks_are_read_as_instants_when_the_types_of_the_files_are_not_known(columns):
    assert ran({"count_1d": 1}, columns=columns) == ()


@pytest.mark.parametrize("columns", [ARRIVALS.columns, dict.fromkeys(ARRIVALS.columns, "unknown")])
def test_a_source_without_rows_gives_empty_windows(columns):
    assert ran({"count_1d": 0, "arr_delay_mean_7d": None}, rows=(), columns=columns) == ()
