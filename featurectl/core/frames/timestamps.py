"""Timestamps of files and databases as instants: UTC, whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from featurectl.core.dtypes import DATE, TIMESTAMP, list_item
from featurectl.core.units import instant_us

INSTANT: Final = pl.Datetime("us", "UTC")
_DAY_US: Final = 86_400_000_000
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def instant_literal(at: datetime) -> pl.Expr:
    """Return an instant as an expression; of a `datetime` Polars makes one by running a query."""
    return pl.lit(instant_us(at)).cast(INSTANT)


_FIRST_INSTANT: Final = instant_literal(_FIRST)
_LAST_INSTANT: Final = instant_literal(_LAST)

# date, hour, minute, second, fraction, zone, sign, hours and minutes of the offset
_ISO: Final = (
    r"^(\d{4}-\d{2}-\d{2})"
    r"(?:[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?([Zz]|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?)?$"
)


def localize(naive: pl.Expr, timezone: str) -> pl.Expr:
    """Return the instants of naive microsecond timestamps, read on the wall clock of a time zone.

    A local time that comes twice (the clock is set back) is the earlier of the two. One that does not exist (the
    clock is set forward) is read with the offset before the gap: 02:30 of a night that skips 02:00-03:00 is the
    instant that the clock then calls 03:30.
    """
    if timezone == "UTC":
        return naive.dt.replace_time_zone("UTC")
    day = pl.duration(days=1)
    exact = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    before = (naive - day).dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    # A day of 24 hours later as an instant: the offset of the day before is kept across the gap.
    return pl.coalesce(exact.dt.convert_time_zone("UTC"), before.dt.convert_time_zone("UTC") + day)


def to_instants(column: pl.Expr, dtype: pl.Datetime, timezone: str) -> pl.Expr:
    """Return a datetime column of any unit and zone as instants; nanoseconds are floored, also before 1970."""
    if dtype == INSTANT:
        return column
    if dtype.time_unit == "ns":
        column = (column.to_physical() // 1_000).cast(pl.Datetime("us", dtype.time_zone))
    else:
        column = column.cast(pl.Datetime("us", dtype.time_zone))
    return localize(column, timezone) if dtype.time_zone is None else column.dt.convert_time_zone("UTC")


def within_datetime(instants: pl.Expr) -> pl.Expr:
    """Return instants that Python's datetime can hold: those of the years before 1 and after 9999 are its ends.

    A naive 9999-12-31T23:59:59 of a zone west of UTC is in the year 10000.
    """
    return instants.clip(_FIRST_INSTANT, _LAST_INSTANT)


def on_calendar(column: pl.Expr, dtype: str) -> pl.Expr:
    """Return a feature with null for times and dates outside the years 1 to 9999, also in lists.

    No expression gives such times, Python has none, and an answer in JSON could not spell them.
    """
    item = list_item(dtype)
    if (item or dtype) not in (TIMESTAMP, DATE):
        return column
    if item:
        return column.list.eval(on_calendar(pl.element(), item))
    if dtype == TIMESTAMP:
        return pl.when(column.is_between(_FIRST_INSTANT, _LAST_INSTANT)).then(column)
    return pl.when(column.is_between(_FIRST.date(), _LAST.date())).then(column)


def parse_timestamps(text: pl.Expr, timezone: str, form: str | None = None) -> pl.Expr:
    """Return the instants of texts; null where a text is none.

    Without `form`: ISO 8601, strictly: `2013-01-01`, `2013-01-01T05:30`, `2013-01-01 05:30:00.25+01:00`; digits
    after the sixth of a fraction are cut off. `form` is a chrono format (`%d.%m.%Y %H:%M`). A time without
    an offset is read in `timezone`; a date alone is its midnight UTC, as in a column of dates.
    """
    if form is not None:
        parsed = text.str.to_datetime(form, strict=False, time_unit="us")
        return parsed.dt.convert_time_zone("UTC") if "%z" in form else localize(parsed, timezone)
    parts = text.str.extract_groups(_ISO)
    naive = _clock_us(parts)
    size = (_number(parts, 8) * 3_600 + _number(parts, 9) * 60) * 1_000_000
    offset = pl.when(_group(parts, 7) == "-").then(-size).otherwise(size)
    local = localize(naive.cast(pl.Datetime("us")), timezone)
    on_the_wall = _group(parts, 2).is_not_null() & _group(parts, 6).is_null()
    return pl.when(on_the_wall).then(local).otherwise((naive - offset).cast(INSTANT))


def spell_wall_clock(text: pl.Expr) -> pl.Expr:
    """Return which texts that `parse_timestamps` reads show a time of day without an offset."""
    parts = text.str.extract_groups(_ISO)
    return _group(parts, 2).is_not_null() & _group(parts, 6).is_null()


def _clock_us(parts: pl.Expr) -> pl.Expr:
    """Return microseconds since 1970-01-01 on the clock that the text shows."""
    days = _group(parts, 1).str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    seconds = _number(parts, 2) * 3_600 + _number(parts, 3) * 60 + _number(parts, 4)
    fraction = _group(parts, 5).str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    return days * _DAY_US + seconds * 1_000_000 + fraction


def _group(parts: pl.Expr, number: int) -> pl.Expr:
    return parts.struct.field(str(number))


def _number(parts: pl.Expr, number: int) -> pl.Expr:
    return _group(parts, number).cast(pl.Int64).fill_null(0)


def parse_dates(text: pl.Expr) -> pl.Expr:
    """Return the dates of texts in the form `2013-01-31`; null where a text is none."""
    shaped = pl.when(text.str.contains(r"^\d{4}-\d{2}-\d{2}$")).then(text)
    return shaped.str.to_date("%Y-%m-%d", strict=False)
