"""Timestamps of files and databases as instants: UTC, whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from featurectl.core.dtypes import DATE, TIMESTAMP, list_item
from featurectl.core.units import ISO_DATE, ISO_TIMESTAMP, instant_us

INSTANT: Final = pl.Datetime("us", "UTC")
_DAY_US: Final = 86_400_000_000
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def instant_literal(at: datetime) -> pl.Expr:
    """Return an instant as an expression; of a `datetime` Polars makes one by running a query."""
    return pl.lit(instant_us(at)).cast(INSTANT)


_TIMESTAMP: Final = f"^{ISO_TIMESTAMP}$"
_DATE: Final = f"^{ISO_DATE}$"
_FIRST_INSTANT: Final = instant_literal(_FIRST)
_LAST_INSTANT: Final = instant_literal(_LAST)


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


def midnights(days: pl.Expr, timezone: str) -> pl.Expr:
    """Return the instants at which dates begin on the wall clock of a time zone, as `localize` has them."""
    return localize(days.cast(pl.Datetime("us")), timezone)


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
    an offset is read in `timezone`; a date alone is its midnight there, as in a column of dates.
    """
    if form is not None:
        parsed = text.str.to_datetime(form, strict=False, time_unit="us")
        return parsed.dt.convert_time_zone("UTC") if "%z" in form else localize(parsed, timezone)
    parts = _clock_and_offset(text)
    instants = (pl.field("clock") - pl.field("offset").fill_null(0)).cast(INSTANT)
    if timezone != "UTC":
        local = localize(pl.field("clock").cast(pl.Datetime("us")), timezone)
        instants = pl.when(pl.field("offset").is_null()).then(local).otherwise(instants)
    return parts.struct.with_fields(instant=instants).struct.field("instant")


def parse_calendar_instants(text: pl.Expr) -> pl.Expr:
    """Return what `parse_timestamps` does in UTC, null outside of the years 1 to 9999, also those that a text shows."""
    instants = (pl.field("clock") - pl.field("offset").fill_null(0)).cast(INSTANT)
    shown = _clock_and_offset(_without_year_0(text)).struct.with_fields(instant=instants)
    inside = pl.field("instant").is_between(_FIRST_INSTANT, _LAST_INSTANT)
    return shown.struct.with_fields(instant=pl.when(inside).then(pl.field("instant"))).struct.field("instant")


def spell_wall_clock(text: pl.Expr) -> pl.Expr:
    """Return which texts that `parse_timestamps` reads show a time of day without an offset."""
    on_the_wall = pl.field("2").is_not_null() & pl.field("6").is_null()
    return text.str.extract_groups(_TIMESTAMP).struct.with_fields(naive=on_the_wall).struct.field("naive")


def _clock_and_offset(text: pl.Expr) -> pl.Expr:
    """Return the parts of a text, `clock`: microseconds since 1970 on the clock that it shows, and its `offset`.

    Both are made of the fields of one struct: so the text is matched once, however often an engine computes it.
    """
    days = pl.field("1").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    seconds = _number(2) * 3_600 + _number(3) * 60 + _number(4)
    fraction = pl.field("5").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    size = (_number(8) * 60 + _number(9)) * 60_000_000
    offset = pl.when(pl.field("6").is_not_null()).then(pl.when(pl.field("7") == "-").then(-size).otherwise(size))
    clock = days * _DAY_US + seconds * 1_000_000 + fraction
    return text.str.extract_groups(_TIMESTAMP).struct.with_fields(clock=clock, offset=offset)


def _number(group: int) -> pl.Expr:
    return pl.field(str(group)).cast(pl.Int64).fill_null(0)


def parse_dates(text: pl.Expr) -> pl.Expr:
    """Return the dates of texts in the form `2013-01-31`; null where a text is none."""
    return text.str.extract(_DATE, 1).str.to_date("%Y-%m-%d", strict=False)


def parse_calendar_dates(text: pl.Expr) -> pl.Expr:
    """Return what `parse_dates` does, null in the year 0."""
    return parse_dates(_without_year_0(text))


def _without_year_0(text: pl.Expr) -> pl.Expr:
    return text.str.replace("^0000", "-")
