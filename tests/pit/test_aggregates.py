"""One case of each aggregate worked out by hand, its type, and its value where there is nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.aggregates import AGGREGATES, result_type
from featurectl.language.problems.codes import CODES
from featurectl.pit.questions import WindowQuestion
from featurectl.pit.windows import answer_windows
from tests.pit.frames import INSTANT, alike, ask, rows_of, spine_of

TEN = [(1, 3), (2, None), (3, 1), (4, 3), (5, 8)]  # of it the window [3, 5) holds 1 and 3
# op, how it is asked, the answer over (3, 1, 3, 8) and over [3, 5)
BY_HAND = [
    ("count", {}, 4, 2),
    ("sum", {}, 15, 4),
    ("mean", {}, 3.75, 2.0),
    ("min", {}, 1, 1),
    ("max", {}, 8, 3),
    ("first", {}, 3, 1),
    ("last", {}, 8, 3),
    ("first_n", {"n": 3}, [3, 1, 3], [1, 3]),
    ("last_n", {"n": 3}, [1, 3, 8], [1, 3]),
    ("count_distinct", {}, 3, 2),
    ("approx_count_distinct", {}, 3, 2),
    ("median", {}, 3.0, 2.0),
    ("percentile", {"q": 0.9}, 3 + 0.7 * 5, 2.8),
    ("top_k", {"n": 2}, [3, 1], [1, 3]),
    ("var_pop", {}, (0.75**2 + 2.75**2 + 0.75**2 + 4.25**2) / 4, 1.0),
    ("var", {}, (0.75**2 + 2.75**2 + 0.75**2 + 4.25**2) / 3, 2.0),
    ("stddev_pop", {}, (26.75 / 4) ** 0.5, 1.0),
    ("stddev", {}, (26.75 / 3) ** 0.5, 2.0**0.5),
]


@pytest.mark.parametrize(("op", "how", "whole", "some"), BY_HAND, ids=[case[0] for case in BY_HAND])
def test_an_aggregate_is_what_it_is_by_hand(op, how, whole, some):
    assert alike(ask(rows_of(TEN), [9], op, **how), [whole])
    assert alike(ask(rows_of(TEN), [5], op, window=2, **how), [some])


@pytest.mark.parametrize(("op", "expected"), [("any", [None, True, True, False]), ("all", [None, True, False, False])])
def test_any_and_all_are_what_they_are_by_hand(op, expected):
    rows = rows_of([(1, True), (2, None), (3, False)])
    assert ask(rows, [1, 2, 4, 4], op) == [None, True, expected[2], expected[2]]
    assert ask(rows, [4], op, window=2) == [False]
    assert ask(rows, [3], op, window=1) == [None]


def test_each_aggregate_that_runs_has_a_case_by_hand():
    assert {case[0] for case in BY_HAND} | {"any", "all"} == set(AGGREGATES)


TYPES = {
    "int64": (pl.Int64, 5),
    "float64": (pl.Float64, 0.5),
    "bool": (pl.Boolean, True),
    "string": (pl.String, "a"),
    "date": (pl.Date, date(2024, 2, 29)),
    "timestamp": (INSTANT, datetime(2024, 2, 29, tzinfo=UTC)),
    "decimal(10,2)": (pl.Decimal(10, 2), Decimal("1.25")),
}
POLARS: dict[str, Any] = {name: dtype for name, (dtype, _) in TYPES.items()} | {"decimal(38,2)": pl.Decimal(38, 2)}


def polars_type(name: str) -> pl.DataType:
    return pl.List(POLARS[name[5:-1]]) if name.startswith("list") else POLARS[name]


@pytest.mark.parametrize("rows", [1, 0])
@pytest.mark.parametrize("asks", [1, 0])
@pytest.mark.parametrize("column", TYPES)
def test_the_type_of_an_answer_is_the_one_the_language_declares(column, rows, asks):
    dtype, value = TYPES[column]
    wanted = {op: result_type(op, column) for op in sorted(set(AGGREGATES))}
    wanted = {op: polars_type(result) for op, result in wanted.items() if result is not None}
    questions = [WindowQuestion(name=op, op=op, column="v", window_us=None, n=2, q=0.5) for op in wanted]
    table = rows_of([(1, value)] * rows, dtype=dtype)
    answers = answer_windows(table, spine_of([5] * asks), keys=["k"], time="t", questions=questions)
    assert dict(answers.schema) == wanted
    assert answers.height == asks


def test_no_question_gives_a_frame_of_the_spines_height():
    answers = answer_windows(rows_of([(1, 1)]), spine_of([5, 6]), keys=["k"], time="t", questions=[])
    assert answers.shape == (2, 0)


def test_a_list_column_has_a_first_a_last_and_a_number_of_different_values():
    rows = rows_of([(1, [1, 2]), (2, None), (3, [1]), (4, [1, 2])])
    assert ask(rows, [9], "last") == [[1, 2]]
    assert ask(rows, [4], "last") == [[1]]
    assert ask(rows, [9], "count_distinct") == [2]
    assert ask(rows, [9], "first_n", n=2) == [[[1, 2], [1]]]


MOST = 2**63 - 1


@pytest.mark.parametrize(("values", "total"), [
    ([MOST, MOST, -MOST], MOST),
    ([-MOST - 1, MOST, -1, 1], -1),
    ([2**62, 2**61, 2**61 - 1], MOST),
    ([-(2**62), -(2**62)], -(2**63)),
])  # fmt: skip
def test_an_integer_sum_is_exact_up_to_64_bits(values, total):
    assert ask(rows_of(list(enumerate(values))), [99], "sum") == [total]


@pytest.mark.parametrize("values", [[MOST, 1], [-MOST, -2], [MOST] * 300])
def test_an_integer_sum_beyond_64_bits_is_an_error_that_names_the_feature(values):
    rows = rows_of(list(enumerate(values)))
    with pytest.raises(DataError, match=r'"v" for feature "x" is outside 64 bits for 1 of 2 rows') as caught:
        ask(rows, [0, 999], "sum")
    assert caught.value.code == "FC507"
    assert "FC507" in CODES


def test_values_that_overflow_in_no_window_are_no_error():
    assert ask(rows_of([(1, MOST), (2, MOST)]), [2, 3], "sum", window=1) == [MOST, MOST]


def test_the_mean_of_integers_does_not_lose_what_cancels():
    assert ask(rows_of([(1, MOST), (2, -MOST), (3, 1)]), [9], "mean") == [1 / 3]


def test_a_decimal_sum_is_exact():
    cents = [(i, Decimal("0.10")) for i in range(300)]
    assert ask(rows_of(cents, dtype=pl.Decimal(10, 2)), [999], "sum") == [Decimal("30.00")]
    nines = "9" * 36
    values = [Decimal(text) for text in (f"{nines}.99", f"{nines}.99", f"-{nines}.99", "-0.01")]
    rows = rows_of(list(enumerate(values)), dtype=pl.Decimal(38, 2))
    assert ask(rows, [9], "sum") == [Decimal(f"{nines}.98")]


@pytest.mark.parametrize("count", [2, 9, 1000])
def test_a_decimal_sum_beyond_38_digits_is_an_error(count):
    rows = rows_of([(i, Decimal("9" * 36 + ".99")) for i in range(count)], dtype=pl.Decimal(38, 2))
    with pytest.raises(DataError, match="outside 38 digits"):
        ask(rows, [9999], "sum")


def test_infinite_and_nan_inputs_are_values():
    rows = rows_of([(1, float("inf")), (2, float("-inf")), (3, 2.0)])
    assert ask(rows, [2], "sum") == [float("inf")]
    assert alike(ask(rows, [9], "sum"), [float("nan")])
    assert ask(rows, [9], "max") == [float("inf")]
    assert alike(ask(rows, [9], "stddev"), [float("nan")])


def test_a_float_sum_adds_nothing_from_outside_its_window():
    rows = rows_of([(0, 1e300), *((i, 1.0) for i in range(1, 1001)), (1001, -1e300)])
    assert ask(rows, [1001], "sum", window=1000) == [1000.0]
    assert ask(rows, [1001], "var_pop", window=1000) == [0.0]


def test_variance_does_not_cancel_far_from_zero():
    rows = rows_of([(i, 1e9 + i % 2) for i in range(10_000)])
    assert alike(ask(rows, [20_000], "var_pop"), [0.25])


def test_one_value_has_no_sample_deviation():
    rows = rows_of([(1, 5.0)])
    assert [ask(rows, [9], op) for op in ("var", "stddev", "var_pop", "stddev_pop")] == [[None], [None], [0.0], [0.0]]
