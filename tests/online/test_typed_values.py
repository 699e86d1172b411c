"""Values that a caller brings are typed as a training set types the columns of its spine, or refused as there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.core.frames.types import widen
from featurectl.online.client.coerce import typed_column
from featurectl.sources.casts import cast_exact
from tests.seeds import examples

TYPES = ["string", "int64", "float64", "bool", "timestamp", "date", "decimal(10,2)", "decimal(38,3)"]
WRITTEN = [
    "2013-01-31", "20130131", "2013-W05-4", "2013-01-31T05", "2013-01-31T05:30", "2013-01-31 05:30:00.1234567",
    "2013-01-31T05:30:00,25", "2013-01-31T05:30:00+0130", "2013-01-31T05:30:00+01:30:15", "2013-01-31T05:30z",
    " 2013-01-31", "2013-01-31T053000", "2013-01-31T24:00", "2013-02-30", "1_000", " 3 ", "3\n", "\u0663", "\uff12",
    "1e3",
    "inf", "-Infinity", "nan", "-NaN", "true", "FALSE", "yes", "0x10", ".5", "5.", "1.50", "1.505", "1.5000", "-0",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "0" * 30 + "7", "0" * 5_000 + "7",
    "9" * 5_000,
    "12345678.90", "123456789.0", "1" * 35 + ".125", "1" * 36 + ".125",
]  # fmt: skip
TEXTS = st.sampled_from(WRITTEN) | st.text("0123456789+-.eE_ :TZ", max_size=10) | st.text(max_size=4)
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
NUMBERS = st.floats() | st.integers(-(10**10), 10**10).map(lambda n: n / 100) | st.integers(-3, 3).map(float)
FIXED = st.decimals(-(10**9), 10**9, places=4) | st.integers(-300, 300).map(lambda n: Decimal(n) / 100)
DAYS = st.dates()
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)) | DAYS.map(  # noqa: DTZ001  # a time without a zone is meant
    lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC)
)
KINDS = [TEXTS, WHOLE, NUMBERS, st.booleans(), FIXED, DAYS, INSTANTS]
VALUES = st.one_of(*(st.lists(kind | st.none(), min_size=1, max_size=4) for kind in KINDS))


def offline(values, dtype):
    """Return the values as the column of a spine, in the type that is asked for; None: refused."""
    decimal = pl.Decimal(38, 4) if any(isinstance(value, Decimal) for value in values) else None
    frame = widen(pl.LazyFrame([pl.Series("x", values, dtype=decimal)])).collect()
    try:
        return list(cast_exact(frame["x"], dtype, "x"))
    except DataError:
        return None


def online(values, dtype):
    try:
        return typed_column(values, dtype, "x")
    except DataError:
        return None


def shown(values):
    return (
        None if values is None else [(type(v), v.isoformat() if isinstance(v, datetime) else repr(v)) for v in values]
    )


@pytest.mark.parametrize("dtype", TYPES)
@settings(max_examples=examples(25, 150))
@given(VALUES)
@example(values=[2**63 - 1])
@example(values=[1e8, 1.5])
@example(values=[99999999.995, 1e35])
@example(values=[-0.0, None])
@example(values=["NaN", "1"])
@example(values=[date(2013, 1, 31), None])
@pytest.mark.sample(4)
def test_values_are_typed_or_refused_as_those_of_a_spine(dtype, values):
    long = any(isinstance(v, float) and 2**43 <= abs(v) < 1e35 for v in values)
    assume(not (dtype == "decimal(38,3)" and long))  # Polars casts such floats to other decimals, which are refused
    assert shown(online(values, dtype)) == shown(offline(values, dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.sample(40)
def test_texts_spell_values_or_not_as_in_a_spine(dtype, text):
    assert shown(online([text], dtype)) == shown(offline([text], dtype))


def test_a_refusal_tells_the_column_the_value_how_many_and_where():
    with pytest.raises(DataError) as refused:
        typed_column([1, "x", None, 2.5], "int64", "hour")
    assert refused.value.code == "FC504"
    assert refused.value.message == "column hour: 'x' is no int64 (2 of 4 rows, first at row 2)"
