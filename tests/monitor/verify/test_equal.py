"""Equality as the semantics have it: sums to 1e-12, the rest exactly, nulls and NaN with their own."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from featurectl.monitor.verify.equal import differing, loose_features
from featurectl.monitor.verify.rows import ties_reversed, without_later_than, without_overtaken, without_winners
from featurectl.monitor.verify.tally import shown_value
from tests.online.views import event_view, latest, state_view, window

HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("served", "computed", "differs"),
    [
        (1.0, 1.0 + 1e-13, False),
        (1e300, 1e300 * (1 + 1e-13), False),
        (1.0, 1.0 + 1e-11, True),
        (0.0, 1e-300, True),
        (-0.0, 0.0, False),
        (math.nan, math.nan, False),
        (math.nan, 1.0, True),
        (math.inf, math.inf, False),
        (math.inf, 1.0, True),
        (None, None, False),
        (None, 0.0, True),
        (0.0, None, True),
    ],
)
def test_sums_are_equal_to_the_last_digits(served, computed, differs):
    columns = [pl.Series([value], dtype=pl.Float64) for value in (served, computed)]
    assert differing(*columns, tolerance=1e-12).to_list() == [differs]
    exact = served != computed and not (served != served and computed != computed)  # noqa: PLR0124
    assert differing(*columns, tolerance=0.0).to_list() == [exact]


def test_lists_texts_and_integers_are_equal_or_not():
    assert differing(pl.Series([[1, 2], [1], None]), pl.Series([[1, 2], [2], None]), tolerance=1e-12).to_list() == [
        False,
        True,
        False,
    ]
    assert differing(pl.Series(["a", "b"]), pl.Series(["a", None]), tolerance=1e-12).to_list() == [False, True]
    assert differing(pl.Series([2**53]), pl.Series([2**53 + 1]), tolerance=1e-12).to_list() == [True]


def test_only_what_is_added_up_has_a_tolerance():
    sums = event_view([window("total", "sum", 3, "float64"), window("most", "max", 3, "float64")])
    assert loose_features(sums) == {"total"}
    assert loose_features(state_view([latest("amount", "float64")])) == frozenset()


def rows(*times: tuple[str, int, int, int]) -> pl.DataFrame:
    """Rows (key, event hour, hour of availability, tie), in order."""
    frame = pl.DataFrame(times, schema=["k", "event_time", "available_at", "tie_order"], orient="row")
    clocks = [(pl.col(name) * HOUR_US).cast(pl.Datetime("us", "UTC")) for name in ("event_time", "available_at")]
    return frame.with_columns(clocks).sort("k", "event_time", "available_at", "tie_order")


TABLE = rows(("a", 1, 1, 5), ("a", 2, 9, 1), ("a", 3, 3, 2), ("a", 3, 3, 7), ("b", 1, 1, 1), ("b", 2, 2, 1))


def kept(change) -> list[tuple[str, int, int]]:
    found = change(TABLE, 0)
    hours = [pl.col(name).to_physical() // HOUR_US for name in ("event_time", "available_at")]
    return found.select("k", *hours).rows()


def test_the_rows_of_each_fault_are_the_ones_that_it_leaves():
    everything = kept(lambda table, _: table)
    overtaken = [row for row in everything if row != ("a", 2, 9)]
    assert kept(without_overtaken(["k"])) == overtaken
    assert kept(without_later_than(HOUR_US)) == overtaken
    assert without_winners(["k"])(TABLE, 0)["tie_order"].to_list() == [5, 1, 2, 1, 1]
    turned = ties_reversed(["k"])(TABLE.with_columns(number=pl.Series([1, 2, 3, 4, 5, 6])), 0)
    assert turned["number"].to_list() == [1, 2, 4, 3, 5, 6]


def test_values_of_types_that_can_not_match_differ_unless_both_are_null():
    served = {
        "flag": pl.Series([True, None, False]),
        "number": pl.Series([1, None, 2]),
        "list": pl.Series([[1], None, [2]]),
        "text": pl.Series(["a", None, "b"]),
        "day": pl.Series([date(2026, 1, 1), None, date(2026, 1, 2)]),
    }
    for name, other in (("flag", "text"), ("number", "list"), ("list", "text"), ("text", "list"), ("day", "text")):
        for one, two in ((name, other), (other, name)):
            found = differing(served[one], served[two], tolerance=0.0).to_list()
            assert found == [True, False, True], (one, two)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (True, "true"),
        (None, "null"),
        ([True, None], "[true, null]"),
        (datetime(2026, 1, 8, tzinfo=UTC), "2026-01-08T00:00:00Z"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_values_that_differ_are_told_as_files_have_them(value, told):
    assert shown_value(pl.Series([value])[0]) == told
