"""The proleptic Gregorian calendar in UTC, on whole numbers: days since 1970-01-01, microseconds since its midnight.

Source: H. Hinnant, chrono-compatible low-level date algorithms (civil_from_days, days_from_civil).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featurectl.core.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US

EPOCH_DAY: Final = 719_163  # 1970-01-01, as `date.toordinal` counts
FIRST_DAY: Final = -719_162  # 0001-01-01
LAST_DAY: Final = 2_932_896  # 9999-12-31
FIRST_US: Final = FIRST_DAY * DAY_US
LAST_US: Final = (LAST_DAY + 1) * DAY_US - 1
END_US: Final = float(LAST_US + 1)  # as a float64, which has no LAST_US


def civil(day: int) -> tuple[int, int, int]:
    """Return year, month and day of the month.

    >>> civil(0), civil(-1)
    ((1970, 1, 1), (1969, 12, 31))
    """
    shifted = day + 719_468  # days since 0000-03-01, so that a leap day is the last of its year
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * march_month + 2) // 5 + 1


def day_of(year: int, month: int, day: int) -> int:
    """Return the day that has this date.

    >>> day_of(1970, 1, 1), day_of(2024, 2, 29)
    (0, 19782)
    """
    era, year_of_era = divmod(year - (month <= 2), 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def iso_week(day: int) -> int:
    """Return the ISO 8601 week: weeks start on Monday, and belong to the year of their Thursday.

    >>> iso_week(day_of(2021, 1, 3)), iso_week(day_of(2021, 1, 4))
    (53, 1)
    """
    thursday = day - (day + 3) % 7 + 3
    return (thursday - day_of(civil(thursday)[0], 1, 1)) // 7 + 1


def date_text(day: int) -> str:
    """Return a date as ISO 8601 writes it.

    >>> date_text(19782)
    '2024-02-29'
    """
    year, month, day_of_month = civil(day)
    return f"{year:04d}-{month:02d}-{day_of_month:02d}"


DATE_PART: Final[Mapping[str, Callable[[int], int]]] = {
    "year": lambda day: civil(day)[0],
    "quarter": lambda day: (civil(day)[1] + 2) // 3,
    "month": lambda day: civil(day)[1],
    "week": iso_week,
    "day": lambda day: civil(day)[2],
    "doy": lambda day: day - day_of(civil(day)[0], 1, 1) + 1,
    "isodow": lambda day: (day + 3) % 7 + 1,
}
TIME_PART: Final[Mapping[str, Callable[[int], int]]] = {
    "hour": lambda time_us: time_us // HOUR_US % 24,
    "minute": lambda time_us: time_us // MINUTE_US % 60,
    "second": lambda time_us: time_us // SECOND_US % 60,
}


def _month_start(time_us: int, first_month: Callable[[int], int]) -> int:
    year, month, _ = civil(time_us // DAY_US)
    return day_of(year, first_month(month), 1) * DAY_US


TRUNCATE: Final[Mapping[str, Callable[[int], int]]] = {
    "minute": lambda time_us: time_us // MINUTE_US * MINUTE_US,
    "hour": lambda time_us: time_us // HOUR_US * HOUR_US,
    "day": lambda time_us: time_us // DAY_US * DAY_US,
    "week": lambda time_us: (time_us // DAY_US - (time_us // DAY_US + 3) % 7) * DAY_US,
    "month": lambda time_us: _month_start(time_us, lambda month: month),
    "quarter": lambda time_us: _month_start(time_us, lambda month: (month - 1) // 3 * 3 + 1),
    "year": lambda time_us: _month_start(time_us, lambda _: 1),
}
