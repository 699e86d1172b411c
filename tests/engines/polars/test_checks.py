"""Checks count what is wrong over all rows that are read together, however they come."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.engines.polars.checks import Checker
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.source import Check
from tests.seeds import examples

VALUES = st.lists(st.none() | st.integers(-3, 3), max_size=30)
TEXTS = pl.DataFrame({"t": ["ab", "a", None, "abc", "ab"]})


def checked(check, *frames, room=None):
    checker = Checker(kind="source", name="s", checks=[check], folder=room and room.folder)
    for frame in frames:
        checker.see(frame)
    (result,) = checker.results()
    return result


def wrong_rows(check, values):
    """The naive answer: how many rows are wrong."""
    some = [v for v in values if v is not None]
    match check.kind:
        case "not_null" | "max_null_rate":
            return len(values) - len(some)
        case "unique":
            return len(some) - len(set(some))
        case "between":
            return sum(not check.low <= v <= check.high for v in some)
        case "in":
            return sum(v not in check.values for v in some)
        case "sql":
            return sum(v > 1 for v in some)
    raise AssertionError(check.kind)


@pytest.mark.parametrize(
    "check",
    [
        Check(kind="not_null", column="v"),
        Check(kind="unique", column="v"),
        Check(kind="between", column="v", low=-1.0, high=2.0),
        Check(kind="in", column="v", values=(0, 1, 2)),
        Check(kind="sql", text="select * from s where v > 1"),
    ],
)
@settings(max_examples=examples(20))
@given(values=VALUES, cut=st.integers(0, 30))
def test_wrong_rows_are_counted_as_in_plain_python_in_any_batches(check, values, cut):
    frame = pl.DataFrame({"v": pl.Series(values, dtype=pl.Int64)})
    with SpillRoom() as room:
        results = [checked(check, frame[:cut], frame[cut:], room=place) for place in (None, room)]
    for result in results:
        assert (result.failed, result.rows) == (wrong_rows(check, values), len(values))
        assert result.passed == (result.failed == 0)


@given(values=VALUES, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_a_share_of_nulls_is_that_of_all_rows(values, share):
    frame = pl.DataFrame({"v": pl.Series(values, dtype=pl.Int64)})
    result = checked(Check(kind="max_null_rate", column="v", share=share), frame)
    assert result.passed == (not values or values.count(None) / len(values) <= share)


@pytest.mark.parametrize(("low", "high", "passed"), [(5, 5, True), (6, None, False), (0, 4, False), (0, None, True)])
def test_the_number_of_rows_lies_between_its_ends(low, high, passed):
    result = checked(Check(kind="row_count", low=low, high=high), TEXTS[:2], TEXTS[2:])
    assert (result.passed, result.found) == (passed, "5 rows")


def test_a_pattern_is_for_the_whole_text_and_a_null_passes():
    result = checked(Check(kind="matches", column="t", text="a|ab"), TEXTS)
    assert (result.failed, result.found) == (1, "1 of 5 rows, the first is 'abc'")
    assert result.message == "check \"t matches a|ab\" of source s failed: 1 of 5 rows, the first is 'abc'"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pl.Series([1.0, 5.5, 2.0]), (1, 5.5)),
        (pl.Series([1, 3, 100], dtype=pl.Int8), (1, 3, 1000)),
        (pl.Series([True, True, False]), (True,)),
        (pl.Series(["a", "b", "c"]), ("b", "a")),
        (pl.Series(["2024-01-01", "2024-01-02", "2024-01-03"]).str.to_date(), ("2024-01-01", "2024-01-02")),
        (
            pl.Series(["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-02T00:00:00Z"]).str.to_datetime(
                time_unit="us", time_zone="UTC"
            ),
            ("2024-01-01T00:00:00Z", "2024-01-01T02:00:00+01:00"),
        ),
        (pl.Series([Decimal("1.25"), Decimal("2.50"), Decimal("1.26")], dtype=pl.Decimal(5, 2)), (1.25, 2.5)),
    ],
    ids=lambda item: str(item.dtype) if isinstance(item, pl.Series) else "",
)
def test_a_list_of_values_is_read_in_the_type_of_its_column(column, values):
    result = checked(Check(kind="in", column="v", values=values), pl.DataFrame({"v": column}))
    assert (result.failed, result.rows) == (1, 3)


@pytest.mark.parametrize(
    ("check", "code", "said"),
    [
        (Check(kind="matches", column="t", text="("), "FC504", "the check 't matches (' does not fit"),
        (Check(kind="in", column="t", values=("a", 1)), "FC504", "does not fit: 1 is no String"),
        (Check(kind="between", column="t", low=0.0, high=1.0), "FC504", "does not fit"),
        (Check(kind="unique", column="x"), "FC503", "source s: no column 'x' for the check 'x unique'"),
        (Check(kind="sql", text="select nothing from s"), "FC519", "the query of a check can't be run"),
        (Check(kind="sql", text="select * from read_csv('x.csv')"), "FC519", "it says read_csv"),
        (Check(kind="sql", text="selct"), "FC519", "the query of a check can't be run"),
    ],
)
def test_a_check_that_does_not_fit_the_data_says_so(check, code, said):
    with pytest.raises(DataError) as caught:
        checked(check, TEXTS)
    assert caught.value.code == code
    assert said in caught.value.message
