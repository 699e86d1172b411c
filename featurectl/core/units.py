"""Durations, instants, counts and sizes: parse them and print them.

A duration is a fixed length in whole microseconds (`_us` in names); `1d` is 24 hours. An instant is a
`datetime` in UTC.
"""

from __future__ import annotations

import re
from calendar import month_name, monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
WEEK_US: Final = 7 * DAY_US
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Dates and timestamps as texts have them; groups: date, hour, minute, second, fraction, zone, its sign, hours, minutes.
ISO_DATE: Final = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
ISO_TIMESTAMP: Final = (
    rf"{ISO_DATE}(?:[T ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{{1,9}}))?)?"
    r"([Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?)?"
)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-\d{2}")
_MONTHS: Final = 12
_LAST: Final = datetime.max.replace(tzinfo=UTC)
MAX_DURATION_US: Final = 36_500 * DAY_US

_UNITS: Final = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": WEEK_US}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_SPELLED: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([a-z]+)", re.IGNORECASE)
_NAMES_OF_UNITS: Final = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "wk", "wks", "week", "weeks"),
}


def parse_duration(text: str) -> int | None:
    """Return the microseconds of `30s 15m 6h 7d 2w`, or None when the text is no duration.

    Zero and anything above 100 years are no durations.

    >>> parse_duration("15m")
    900000000
    >>> parse_duration("1.5h") is None
    True
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    length_us = int(match[1]) * _UNITS[match[2]]
    return length_us if length_us <= MAX_DURATION_US else None


def meant_duration(text: str) -> str:
    """Return a length of time that is written otherwise in the language's form; "" where it is none.

    >>> meant_duration("30 days"), meant_duration("1.5h"), meant_duration("1 Week"), meant_duration("2 months")
    ('30d', '90m', '1w', '')
    """
    match = _SPELLED.fullmatch(text.strip())
    if match is None or match[2] == "M":  # a month, to many
        return ""
    unit = next((unit for unit, names in _NAMES_OF_UNITS.items() if match[2].lower() in names), "")
    if not unit:
        return ""
    number = float(match[1])
    meant = f"{number:.0f}{unit}" if number.is_integer() else format_duration(round(number * _UNITS[unit]))
    return meant if parse_duration(meant) is not None else ""


def format_duration(length_us: int) -> str:
    """Return the shortest exact text of a duration in the language's form; a day is preferred to a week.

    >>> format_duration(7 * DAY_US), format_duration(90 * MINUTE_US)
    ('7d', '90m')
    """
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(length_us, _UNITS[unit])
        if rest == 0:
            return f"{count}{unit}"
    return f"{length_us / SECOND_US:g}s"


def parse_instant(text: str) -> datetime | None:
    """Return the instant of an ISO 8601 text (UTC unless it has an offset), or None when it is none.

    >>> parse_instant("2014-01-01T12:00:00Z")
    datetime.datetime(2014, 1, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        value = datetime.fromisoformat(text.strip())
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_local_instant(text: str, timezone: str) -> datetime | None:
    """Return the instant of an ISO 8601 text; one without an offset is of that time zone, a date its midnight.

    A local time that comes twice is the earlier of the two, and one that is skipped is read with the offset before the
    gap, as the columns of a source are.

    >>> parse_local_instant("2013-07-01T08:00", "America/New_York").isoformat()
    '2013-07-01T12:00:00+00:00'
    >>> parse_local_instant("2013-07-01", "America/New_York").isoformat()
    '2013-07-01T04:00:00+00:00'
    """
    try:
        value = datetime.fromisoformat(text.strip())
        return (value.replace(tzinfo=ZoneInfo(timezone)) if value.tzinfo is None else value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_date(text: str) -> bool:
    """Return whether a text is a date as `2013-01-31`, alone.

    >>> is_date("2013-01-31"), is_date("2013-01-31T00:00")
    (True, False)
    """
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def missing_day(text: str) -> str:
    """Return that a text begins with a day that no calendar has; empty: it does not.

    >>> missing_day("2001-09-31T00:00:00Z"), missing_day("2001-13-01"), missing_day("2001-09-30"), missing_day("soon")
    ('2001-09-31 does not exist: September has 30 days', '2001-13-01 does not exist: a year has 12 months', '', '')
    """
    found = _DAY.match(text)
    if found is None or is_date(found[0]):
        return ""
    year, month = int(found[1]), int(found[2])
    if not 1 <= month <= _MONTHS:
        return f"{found[0]} does not exist: a year has {_MONTHS} months"
    return f"{found[0]} does not exist: {month_name[month]} has {monthrange(max(year, 1), month)[1]} days"


def instant_us(instant: datetime) -> int:
    """Return the whole microseconds from 1970-01-01 UTC to the instant.

    >>> instant_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_us(microseconds: int) -> datetime:
    """Return the instant that lies so many microseconds after 1970-01-01 UTC.

    >>> from_us(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return EPOCH + timedelta(microseconds=microseconds)


def moved_by(instant: datetime, by: timedelta) -> datetime:
    """Return an instant so much later; beyond the years of `datetime` the last, or first, instant of them.

    >>> moved_by(datetime(1, 1, 2, tzinfo=UTC), timedelta(days=-30)).isoformat()
    '0001-01-01T00:00:00+00:00'
    """
    try:
        return instant + by
    except OverflowError:
        return _LAST if by > timedelta() else _FIRST


def format_instant(instant: datetime) -> str:
    """Return an instant as people read it in tables: UTC, to the minute.

    >>> format_instant(datetime(2026, 11, 24, 12, 41, 9, tzinfo=UTC))
    '2026-11-24 12:41'
    """
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def format_iso(instant: datetime) -> str:
    """Return an instant for machines: ISO 8601, UTC, ending in Z, microseconds only when there are any.

    >>> format_iso(datetime(2026, 11, 24, tzinfo=UTC))
    '2026-11-24T00:00:00Z'
    """
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_age(length_us: int) -> str:
    """Return a length of time as people read it, in at most two units.

    >>> format_age(19 * MINUTE_US), format_age(9 * HOUR_US + 58 * MINUTE_US), format_age(3 * DAY_US)
    ('19 min', '9 h 58 min', '3 d')
    """
    if length_us < 0:
        return "-" + format_age(-length_us)
    if length_us < MINUTE_US:
        return f"{length_us // SECOND_US} s"
    if length_us < HOUR_US:
        return f"{length_us // MINUTE_US} min"
    if length_us < 2 * DAY_US:
        hours, minutes = length_us // HOUR_US, length_us % HOUR_US // MINUTE_US
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = length_us // DAY_US, length_us % DAY_US // HOUR_US
    return f"{days} d {hours} h" if hours else f"{days} d"


def format_count(count: int) -> str:
    """Return a count as people read it: whole below 100,000, then in k and M.

    >>> format_count(84_201), format_count(310_000), format_count(1_200_000)
    ('84,201', '310 k', '1.2 M')
    """
    if count < 100_000:
        return f"{count:,}"
    if count < 1_000_000:
        return f"{count / 1_000:.0f} k"
    return f"{count / 1_000_000:.1f} M"


def plural(count: int, noun: str, many: str = "") -> str:
    """Return the form of a noun that stands behind a count; `many` is its plural, `noun` and an s by default.

    >>> plural(1, "row"), plural(0, "row"), plural(2, "entity", "entities")
    ('row', 'rows', 'entities')
    """
    return noun if count == 1 else many or f"{noun}s"


def counted(count: int, noun: str, many: str = "") -> str:
    """Return a count as `format_count` does, and what is counted.

    >>> counted(1, "row"), counted(310_000, "row"), counted(2, "entity", "entities")
    ('1 row', '310 k rows', '2 entities')
    """
    return f"{format_count(count)} {plural(count, noun, many)}"


def format_bytes(size: int) -> str:
    """Return a size in bytes as people read it.

    >>> format_bytes(512), format_bytes(7_100_000)
    ('512 B', '7.1 MB')
    """
    for limit, unit in ((1_000, "B"), (1_000_000, "kB"), (1_000_000_000, "MB")):
        if size < limit:
            return f"{size} B" if unit == "B" else f"{size / (limit / 1_000):.1f} {unit}"
    return f"{size / 1_000_000_000:.1f} GB"


def united(*ranges: tuple[datetime, datetime] | None) -> tuple[datetime, datetime] | None:
    """Return the range from the least to the greatest of some instants; None when there is none.

    >>> united((datetime(2026, 1, 2), datetime(2026, 1, 3)), None, (datetime(2026, 1, 1), datetime(2026, 1, 2)))
    (datetime.datetime(2026, 1, 1, 0, 0), datetime.datetime(2026, 1, 3, 0, 0))
    """
    instants = [instant for given in ranges if given is not None for instant in given]
    return (min(instants), max(instants)) if instants else None
