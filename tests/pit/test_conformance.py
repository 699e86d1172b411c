"""The public conformance cases of point-in-time joins; ids as in the list of cases.

A case is a line of CASES, or a test whose name begins with its id. The kernel answers them here, which is the same for
every engine. I1 and I2 as labels are in tests/operations/training/test_label.py, B7 as a source's `nan` and H1 as its
clocks in tests/engines, D3 without `last_distinct` and D5 without the discrete percentile, which the language does not
have.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from featurectl.core.units import DAY_US, HOUR_US, MINUTE_US, instant_us
from featurectl.pit.lookup import answer_states
from featurectl.pit.questions import StateQuestion, WindowQuestion
from featurectl.pit.windows import answer_windows
from tests.pit.frames import ask, rows_of, spine_of

NAN = float("nan")
POWERS = [(i, 2**i) for i in range(12)]
A1 = [(0, 1), (5, 2), (10, 4)]
A6 = [(659 * MINUTE_US + 59_000_000, 1), (660 * MINUTE_US, 2), (779 * MINUTE_US + 59_000_000, 4),
      (780 * MINUTE_US, 8), (800 * MINUTE_US, 16)]  # fmt: skip
E5 = [(10, 1), (50, 2), (100, 4), (170, 8), (300, 16)]
EIGHT = [(i, value) for i, value in enumerate([2, 4, 4, 4, 5, 5, 7, 9])]
WORDS = [(i + 1, word) for i, word in enumerate("abacb")]
TRUTHS = [(1, True), (2, False), (3, True)]

# id, events, t, op, how it is asked, expected
CASES = [
    ("A1", A1, 10, "sum", {"window": 10}, 3),
    ("A1 right", A1, 10, "sum", {"window": 10, "closed": "right"}, 6),
    ("A1 both", A1, 10, "sum", {"window": 10, "closed": "both"}, 7),
    ("A1 none", A1, 10, "sum", {"window": 10, "closed": "none"}, 2),
    ("A2", [(-DAY_US - 1, 1), (-DAY_US, 2), (-1, 4), (0, 8)], 0, "sum", {"window": DAY_US}, 6),
    ("A6", A6, 810 * MINUTE_US, "sum", {"window": 2 * HOUR_US}, 28),
    ("B1 rows", [(1, 1), (2, None), (3, 3)], 9, "count", {"column": None}, 3),
    ("B1 count", [(1, 1), (2, None), (3, 3)], 9, "count", {}, 2),
    ("B1 sum", [(1, 1), (2, None), (3, 3)], 9, "sum", {}, 4),
    ("B1 mean", [(1, 1), (2, None), (3, 3)], 9, "mean", {}, 2.0),
    ("B1 last", [(1, 1), (2, None), (3, 3)], 9, "last", {}, 3),
    ("B2", [(1, 1), (2, 3), (3, None)], 9, "last", {}, 3),
    ("B3 rows", [(1, None), (2, None)], 9, "count", {"column": None}, 2),
    ("B3 count", [(1, None), (2, None)], 9, "count", {}, 0),
    ("B3 sum", [(1, None), (2, None)], 9, "sum", {"dtype": pl.Int64}, None),
    ("B7 sum", [(1, None), (2, 1.0)], 9, "sum", {}, 1.0),
    ("B7 count", [(1, None), (2, 1.0)], 9, "count", {}, 1),
    ("D1 stddev", EIGHT, 99, "stddev", {}, 2.138089935299395),
    ("D1 stddev_pop", EIGHT, 99, "stddev_pop", {}, 2.0),
    ("D1 var_pop", EIGHT, 99, "var_pop", {}, 4.0),
    ("D1 one sample", [(0, 5)], 9, "stddev", {}, None),
    ("D1 one population", [(0, 5)], 9, "stddev_pop", {}, 0.0),
    ("D3 last", WORDS, 6, "last_n", {"n": 3}, ["a", "c", "b"]),
    ("D3 first", WORDS, 6, "first_n", {"n": 2}, ["a", "b"]),
    ("D3 short", WORDS, 6, "last_n", {"n": 9}, ["a", "b", "a", "c", "b"]),
    ("D4 top_k", [(i, w) for i, w in enumerate("babac")], 9, "top_k", {"n": 2}, ["a", "b"]),
    ("D4 distinct", [(i, w) for i, w in enumerate("babac")], 9, "count_distinct", {}, 3),
    ("D5", [(1, 1), (2, 2), (3, 3), (4, 4)], 9, "median", {}, 2.5),
    ("D6 8", [(0, 9), (5, 3), (8, 4)], 8, "max", {"window": 8}, 9),
    ("D6 9", [(0, 9), (5, 3), (8, 4)], 9, "max", {"window": 8}, 4),
    ("D6 13", [(0, 9), (5, 3), (8, 4)], 13, "max", {"window": 8}, 4),
    ("D6 14", [(0, 9), (5, 3), (8, 4)], 14, "max", {"window": 8}, 4),
    ("D6 17", [(0, 9), (5, 3), (8, 4)], 17, "max", {"window": 8}, None),
    ("D7", [(0, 1e16), (1, 1.0), (2, 1.0)], 3, "sum", {"window": 2}, 2.0),
    ("D8 sum", TRUTHS, 4, "sum", {"window": 4}, 2),
    ("D8 mean", TRUTHS, 4, "mean", {"window": 4}, 2 / 3),
    ("E1", POWERS, 11, "sum", {"window": 7, "offset": 3}, 254),
    ("E2", POWERS, 11, "sum", {}, 2047),
    ("E5 60", E5, 310, "sum", {"window": 60}, 16),
    ("E5 180", E5, 310, "sum", {"window": 180}, 24),
    ("E5 300", E5, 310, "sum", {"window": 300}, 31),
    ("E5 300 right", E5, 310, "sum", {"window": 300, "closed": "right"}, 30),
    ("F1", [(0, 1)], 10, "sum", {"window": 10}, 1),
    ("H1 at 10", [(5, 1)], 10, "count", {"window": 10, "known": [12]}, 0),
    ("H1 at 13", [(5, 1)], 13, "count", {"window": 10, "known": [12]}, 1),
    ("H1 by event time", [(5, 1)], 10, "count", {"window": 10}, 1),
    ("I1 feature", [(-1, 1), (0, 2), (6, 4), (7, 8)], 0, "sum", {"window": 7}, 1),
    ("I1 feature and label", [(-1, 1), (0, 2), (6, 4), (7, 8)], 7, "sum", {"window": 14}, 7),
    ("I1 label", [(-1, 1), (0, 2), (6, 4), (7, 8)], 7, "sum", {"window": 7}, 6),
    ("J2", [(10_900_000, 1)], 10_500_000, "count", {}, 0),
    ("J3", [(-300_000_000, 1), (-300_000_001, 2)], -1000 + 1, "sum", {"window": 1, "hop_us": 300_000_000}, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "t", "op", "how", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_case_has_its_published_answer(events, t, op, how, expected):
    how = dict(how)
    rows = rows_of(events, dtype=how.pop("dtype", None), known=how.pop("known", None))
    (answer,) = ask(rows, [t], op, **how)
    assert (answer, type(answer)) == (expected, type(expected))


EMPTY: dict[str, Any] = {
    "count": 0,
    "count_distinct": 0,
    "sum": None,
    "mean": None,
    "min": None,
    "max": None,
    "last": None,
    "last_n": [],
}


@pytest.mark.parametrize(("op", "expected"), EMPTY.items(), ids=list(EMPTY))
def test_b4_no_row_or_an_unknown_entity_keeps_its_spine_row(op, expected):
    assert ask(rows_of([(5, 1)]), [5], op, n=2) == [expected]
    assert ask(rows_of([(5, 1)]), spine_of([9], key="never seen"), op, n=2) == [expected]
    assert ask(rows_of([], dtype=pl.Int64), [9], op, n=2) == [expected]


@pytest.mark.parametrize("op", ["count", "count_distinct", "sum", "last", "last_n", "top_k"])
def test_b6_a_null_spine_key_gives_null_and_not_zero(op):
    assert ask(rows_of([(5, 1)]), spine_of([9], key=None), op, n=2) == [None]


def test_b7_a_nan_that_was_kept_makes_the_sum_nan():
    (answer,) = ask(rows_of([(1, NAN), (2, 1.0)]), [9], "sum")
    assert math.isnan(answer)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_c1_last_is_by_the_total_order_whatever_the_order_of_the_input(order):
    rows = rows_of([(5, "a"), (5, "b"), (4, "z")])
    assert ask(rows[list(order)], [9], "last") == ["b"]


def test_c2_ties_do_not_multiply_the_spine_row():
    rows = rows_of([(3, "c"), (5, "a"), (5, "b")])
    question = StateQuestion(name="v", column="v")
    answer = answer_states(rows, spine_of([10]), keys=["k"], time="t", questions=[question], ttl_us=None)
    assert answer.values["v"].to_list() == ["b"]


def test_c4_equal_spine_rows_stay_two_rows_in_order():
    assert ask(rows_of(A1), [11, 6, 11], "sum") == [7, 3, 7]


def test_c5_shuffled_events_and_spine_give_the_same_answers_in_spine_order():
    times, rows = list(range(14)), rows_of(POWERS)
    turned = times[::-1]
    assert ask(rows.reverse(), turned, "sum", window=5) == ask(rows, times, "sum", window=5)[::-1]


@pytest.mark.parametrize(("closed", "expected"), [("left", 1), ("right", None)])
def test_f1_the_answer_does_not_depend_on_other_spine_rows(closed, expected):
    rows = rows_of([(0, 1)])
    assert ask(rows, [10], "sum", window=10, closed=closed) == [expected]
    assert ask(rows, [5, 10], "sum", window=10, closed=closed) == [1, expected]


def test_f2_another_entity_changes_nothing():
    rows = rows_of([(0, 1), (4, 2)])
    assert ask(pl.concat([rows_of([(4, 64)], key="a"), rows, rows_of([(0, 32)], key="z")]), [9], "sum") == [3]


def test_f3_events_from_t_on_change_nothing():
    assert ask(rows_of([(0, 1), (9, 2), (10, 4)]), [9], "sum") == ask(rows_of([(0, 1)]), [9], "sum") == [1]


def test_h3_a_ttl_includes_its_last_instant():
    question = StateQuestion(name="v", column="v")
    answer = answer_states(rows_of([(0, 7)]), spine_of([10, 11]), keys=["k"], time="t", questions=[question], ttl_us=10)
    assert answer.values["v"].to_list() == [7, None]


def test_j1_a_day_is_24_hours_when_the_clocks_change():
    def new_york(day, hour, minute=0):
        return instant_us(datetime(2024, 3, day, hour, minute, tzinfo=ZoneInfo("America/New_York")))

    rows = rows_of([(new_york(9, 10, 59), 1), (new_york(9, 11, 30), 2)])
    assert ask(rows, [new_york(10, 12)], "sum", window=DAY_US) == [2]


def test_e5_several_windows_at_once_are_those_asked_alone():
    questions = [WindowQuestion(name=f"s{w}", op="sum", column="v", window_us=w) for w in (60, 180, 300)]
    answers = answer_windows(rows_of(E5), spine_of([310]), keys=["k"], time="t", questions=questions)
    assert answers.rows() == [(16, 24, 31)]


IDS = "A1 A2 A6 B1 B2 B3 B4 B6 B7 C1 C2 C4 C5 D1 D3 D4 D5 D6 D7 D8 E1 E2 E5 F1 F2 F3 H1 H3 I1 J1 J2 J3"


def test_every_case_that_is_not_for_comparison_alone_is_here():
    tests = {name.split("_")[1].upper() for name in globals() if name.startswith("test_")}
    assert set(IDS.split()) - tests == {case[0].split()[0] for case in CASES} - tests
    assert set(IDS.split()) <= tests | {case[0].split()[0] for case in CASES}
