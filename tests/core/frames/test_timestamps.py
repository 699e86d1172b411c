# ruff: noqa: DTZ001  # times without a zone are what is tested

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.frames.timestamps import parse_dates, parse_timestamps, to_instants

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]


def parsed(text, zone="UTC", form=None):
    return pl.DataFrame({"t": [text]}).select(parse_timestamps(pl.col("t"), zone, form)).item()


@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_naive_times_are_the_earlier_instant_or_of_the_offset_before_a_gap(naive, zone):
    column = pl.Series("t", [naive], dtype=pl.Datetime("us")).to_frame()
    found = column.select(to_instants(pl.col("t"), column.schema["t"], zone)).item()
    # Python's fold 0 is the same rule: before the gap's jump, or the first of two.
    assert found == naive.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


@pytest.mark.parametrize("zone", ZONES[1:])
@pytest.mark.sample(2)
def test_gaps_and_folds_of_each_zone_follow_the_rule(zone):
    hours = [datetime(2011, 1, 1) + timedelta(minutes=15 * i) for i in range(4 * 24 * 366)]
    column = pl.DataFrame({"t": pl.Series(hours, dtype=pl.Datetime("us"))})
    found = column.select(to_instants(pl.col("t"), column.schema["t"], zone))["t"].to_list()
    assert found == [hour.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for hour in hours]


@pytest.mark.parametrize(("unit", "per_us"), [("ns", 1000), ("us", 1), ("ms", None)])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_units_become_microseconds_floored_also_before_1970(unit, per_us, zone):
    numbers = [-1, -999, -1000, -1001, 0, 1, 999, 1001]
    column = pl.DataFrame({"t": pl.Series(numbers).cast(pl.Datetime(unit)).dt.replace_time_zone("UTC")})
    column = column.select(pl.col("t").dt.convert_time_zone(zone) if zone else pl.col("t").dt.replace_time_zone(None))
    found = column.select(to_instants(pl.col("t"), column.schema["t"], "UTC"))
    assert found.schema["t"] == pl.Datetime("us", "UTC")
    assert found["t"].to_physical().to_list() == [n // per_us if per_us else n * 1000 for n in numbers]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2013-01-01T05:30:07", datetime(2013, 1, 1, 10, 30, 7)),
        ("2013-01-01 05:30", datetime(2013, 1, 1, 10, 30)),
        ("2013-01-01T05:30:00Z", datetime(2013, 1, 1, 5, 30)),
        ("2013-01-01T05:30:00.1234569+05:30", datetime(2013, 1, 1, 0, 0, 0, 123_456)),
        ("2013-01-01T05:30:00,5-0300", datetime(2013, 1, 1, 8, 30, 0, 500_000)),
        ("2013-01-01 05:30:00+00", datetime(2013, 1, 1, 5, 30)),
        ("1960-01-01T00:00:00.0000019Z", datetime(1960, 1, 1, 0, 0, 0, 1)),
        ("2013-01-01", datetime(2013, 1, 1, 5)),  # a date is midnight of the zone's day, as 00:00:00 is
        ("2013-07-01", datetime(2013, 7, 1, 4)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
    ],
)
def test_iso_texts_are_instants(text, instant):
    assert parsed(text, "America/New_York") == instant.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "x", "2013-02-29T00:00", "2013-13-01", "2013-1-1", "20130101", "2013-01-01T24:00", "2013-01-01T05:60",
     "2013-01-01T05:30:60", "2013-01-01T05", "2013-01-01Z", " 2013-01-01", "2013-01-01T05:30 Z",
     "2013-01-01T05:30+24:00",
     "01/02/2013", "1357000000", "2013-01-01T05:30:00."],
)  # fmt: skip
def test_other_texts_are_none(text):
    assert parsed(text) is None


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),
    st.integers(-1439, 1439),
)
def test_python_s_iso_form_is_read_back(instant, minutes):
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    text = (instant + timedelta(minutes=minutes)).replace(
        tzinfo=None
    ).isoformat() + f"{sign}{size // 60:02}:{size % 60:02}"
    assert parsed(text) == instant


def test_a_declared_format_is_the_only_one():
    assert parsed("31.12.2012 23:30", "Europe/Berlin", "%d.%m.%Y %H:%M") == datetime(2012, 12, 31, 22, 30, tzinfo=UTC)
    assert parsed("31.12.2012 23:30 +0200", "UTC", "%d.%m.%Y %H:%M %z") == datetime(2012, 12, 31, 21, 30, tzinfo=UTC)
    assert parsed("2012-12-31T23:30", "UTC", "%d.%m.%Y %H:%M") is None


def test_dates_have_one_form():
    texts = ["2013-01-31", "2013-02-29", "2013-1-1", "31.01.2013", None, "2013-01-31T00:00"]
    found = pl.DataFrame({"t": texts}).select(parse_dates(pl.col("t")))["t"]
    assert [str(date) if date else None for date in found] == ["2013-01-31", None, None, None, None, None]
