"""Casts lose nothing, or say what they would lose."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.sources.casts import cast_exact


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, None, 3], "float64", [1.0, None, 3.0]),
        ([1.0, None], "int64", [1, None]),
        (["7", None], "int64", [7, None]),
        ([7, None], "string", ["7", None]),
        (["true", "false", None], "bool", [True, False, None]),
        (["2024-01-31"], "date", [date(2024, 1, 31)]),
        ([1, 0, None], "bool", [True, False, None]),
        ([datetime(2024, 1, 31, tzinfo=UTC)], "date", [date(2024, 1, 31)]),
        ([date(2024, 1, 31)], "timestamp", [datetime(2024, 1, 31, tzinfo=UTC)]),
        (["2024-01-31T10:00:00Z"], "timestamp", [datetime(2024, 1, 31, 10, tzinfo=UTC)]),
        (pl.Series([2**64 - 1, None], dtype=pl.UInt64), "string", ["18446744073709551615", None]),
        (pl.Series([7], dtype=pl.UInt64), "float64", [7.0]),
    ],
)
def test_values_that_fit_are_the_same_in_another_form(values, dtype, expected):
    assert cast_exact(pl.Series("c", values), dtype, "column c").to_list() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        ([1.0, 1.5], "int64", "column c is float64, must be int64: 1 of 2 values does not fit; first at row 2: 1.5"),
        (["7", "x", "y"], "int64", "2 of 3 values do not fit; first at row 2: 'x'"),
        ([2**53 + 1], "float64", "1 of 1 value does not fit"),
        (["yes"], "bool", "first at row 1: 'yes'"),
        ([datetime(2024, 1, 1, tzinfo=UTC)], "int64", "1 of 1 value does not fit"),
        ([None, 1.0], "string", "column c is float64, must be string: 1 of 2 values does not fit; first at row 2: 1.0"),
        ([datetime(2024, 1, 1, tzinfo=UTC)], "string", "1 of 1 value does not fit"),
        ([1, 2], "bool", "1 of 2 values does not fit; first at row 2: 2"),
        ([0.5], "bool", "1 of 1 value does not fit"),
        ([datetime(2024, 1, 1, 13, tzinfo=UTC)], "date", "1 of 1 value does not fit"),
        ([20454], "date", "1 of 1 value does not fit"),
        (["2024-1-1"], "date", "first at row 1: '2024-1-1'"),
        (["1.005"], "decimal(5,2)", "first at row 1: '1.005'"),
        (
            pl.Series([1, 2**63], dtype=pl.UInt64),
            "int64",
            "column c is UInt64, must be int64: 1 of 2 values does not fit",
        ),
        (pl.Series([1, 2**63], dtype=pl.UInt64), "float64", "1 of 2 values does not fit; first at row 2: 9223372036"),
        (pl.Series([1, 2**63], dtype=pl.UInt64), "bool", "1 of 2 values does not fit; first at row 2: 9223372036"),
        (pl.Series([10**18]).cast(pl.Datetime("us")), "string", "first at row 1: 1000000000000000000"),
        (pl.Series([2**31 - 1]).cast(pl.Int32).cast(pl.Date), "int64", "first at row 1: 2147483647"),
        ([{"a": 1}], "string", "column c is Struct({'a': Int64}), must be string: 1 of 1 value does not fit"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_row(values, dtype, message):
    with pytest.raises(DataError) as caught:
        cast_exact(pl.Series("c", values), dtype, "column c")
    assert message in caught.value.message
    assert caught.value.code == "FC504"
