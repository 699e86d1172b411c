"""When a pipeline runs: the five fields of cron, in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final

FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_RANGES: Final = {
    FIELDS[0]: "0 to 59",
    FIELDS[1]: "0 to 23",
    FIELDS[2]: "1 to 31, and in that month",
    FIELDS[3]: "1 to 12, or JAN to DEC",
    FIELDS[4]: "0 to 7, or SUN to SAT",
}
_NAMES: Final = {"day-of-month": FIELDS[2], "day-of-week": FIELDS[4]}  # in the words of the library
_FIELD: Final = re.compile(r"[0-9A-Za-z*,/-]+")
_EXTENSION: Final = re.compile(r"(?i)#|(?<![A-Z])L(?![A-Z])|(?<![A-Z])LW(?![A-Z])|(?<=\d)L")  # not every cron has them


def wrong_schedule(text: str) -> str:
    """Return what is wrong with a schedule; "": it is one.

    >>> wrong_schedule("0 */6 * * *"), wrong_schedule("0 6 * *")
    ('', '4 fields, where a schedule has 5: minute, hour, day of the month, month, day of the week')
    >>> wrong_schedule("@daily"), wrong_schedule("61 * * * *"), wrong_schedule("0 0 31 2 *")
    ('"@daily" is a short form that not every scheduler has: write five fields', 'bad minute: 0 to 59', \
'bad day of the month: 1 to 31, and in that month')
    """
    from cronsim import CronSim, CronSimError

    fields = text.split()
    if text.strip().startswith("@"):
        return f'"{text.strip()}" is a short form that not every scheduler has: write five fields'
    if len(fields) != len(FIELDS):
        return f"{len(fields)} fields, where a schedule has 5: {', '.join(FIELDS)}"
    for name, field in zip(FIELDS, fields, strict=True):
        if not _FIELD.fullmatch(field) or _EXTENSION.search(field):
            return f'"{field}" is no {name} that every cron has'
    try:
        next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        bad = f"{error}".removeprefix("Bad ")
        name = _NAMES.get(bad, bad)
        return f"bad {name}: {_RANGES[name]}" if name in _RANGES else f"bad {name}"
    except StopIteration:
        return "it is never due"
    return ""


def due_times(schedule: str, after: datetime) -> Iterator[datetime]:
    """Yield when a schedule is due after an instant, in UTC."""
    from cronsim import CronSim

    yield from CronSim(schedule, after.astimezone(UTC))


def next_times(schedule: str, after: datetime, count: int) -> list[datetime]:
    """Return the next times that a schedule is due after an instant.

    >>> [f"{time:%d %H:%M}" for time in next_times("0 */6 * * *", datetime(2026, 1, 1, 7, tzinfo=UTC), 3)]
    ['01 12:00', '01 18:00', '02 00:00']
    """
    return list(islice(due_times(schedule, after), count))
