"""A schedule in the words of each scheduler, by the numbers of its fields: all of them are due when it is.

Two days in a schedule, as in `0 0 13 * 5`, are either of them: the 13th, and each Friday. Where one of them begins with
`*`, as in `0 0 */2 * 5`, they are both: each Friday with an odd date. So does cron; other schedulers do not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from featurectl.core.errors import UsageError

# A step from a number to the same one, `5-5/1`, is to cronsim one from it to the last of the field.
_PORTABLE: Final = re.compile(r"\*/\d+|\d+(-\d+)?|0*(\d+)-(?!0*\2/)\d+/\d+|[A-Z]{3}(-[A-Z]{3})?")
_QUARTERS: Final = (0, 15, 30, 45)
_WEEKDAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFields:
    """When a schedule is due: Sunday is 0; `is_either` day: it is enough that one of both matches."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    is_either: bool

    @property
    def any_day(self) -> bool:
        """Whether no date is left out, nor a day of the week, in the months that are named."""
        every_date, every_weekday = is_all(self.days, 31), is_all(self.weekdays, 7)
        return (every_date or every_weekday) if self.is_either else (every_date and every_weekday)


def due_fields(schedule: str) -> DueFields:
    """Return the numbers of a valid schedule.

    >>> due_fields("0 */6 13 * FRI").hours, due_fields("0 */6 13 * FRI").weekdays
    ((0, 6, 12, 18), (5,))
    """
    from cronsim import CronSim

    read = CronSim(schedule, datetime(2000, 1, 1, tzinfo=UTC))
    return DueFields(
        minutes=tuple(sorted(read.minutes)),
        hours=tuple(sorted(read.hours)),
        days=_numbers(read.days),
        months=tuple(sorted(read.months)),
        weekdays=tuple(sorted({day % 7 for day in _numbers(read.weekdays)})),
        is_either=not read.day_and,
    )


def _numbers(items: Iterable[object]) -> tuple[int, ...]:
    return tuple(sorted(item for item in items if isinstance(item, int)))


def is_all(values: Collection[int], size: int) -> bool:
    """Return whether values are all that a field of that many can have."""
    return len(values) == size


def cron_field(values: tuple[int, ...], first: int, size: int) -> str:
    """Return the values of a field as cron has them: `*`, a step, or a list.

    >>> cron_field((0, 15, 30, 45), 0, 60), cron_field((3, 5), 0, 24), cron_field(tuple(range(1, 13)), 1, 12)
    ('*/15', '3,5', '*')
    """
    if is_all(values, size):
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 0
    if step and values == tuple(range(first, first + size, step)):
        return f"*/{step}"
    return ",".join(map(str, values))


def portable_schedule(schedule: str, target: str) -> str:
    """Return a schedule that means the same to schedulers of other rules than cron's; as it stands, where it does.

    None of them need know 7 for Sunday, nor `5/15`. To some, two days are either of them wherever none is `*`, and to
    some `0-6` is `*`: so `0 0 */2 * 5`, which is Fridays with odd dates, would be the odd dates and the Fridays.

    >>> portable_schedule("0 6 * * 5-7", "argo"), portable_schedule("0 */6 13 * FRI", "argo")
    ('0 6 * * 0,5,6', '0 */6 13 * FRI')

    Raises:
        UsageError: two days have both to match, which these can't say.
    """
    due = due_fields(schedule)
    if not due.is_either and not is_all(due.days, 31) and not is_all(due.weekdays, 7):
        message = f"{target} can't say {schedule!r}: it takes either of two days, and cron both where one begins with *"
        raise UsageError(message, hint="name the dates as a list, or leave out one of both days")
    fields = schedule.split()
    every_day = [
        field != "*" and is_all(*days) for field, days in ((fields[2], (due.days, 31)), (fields[4], (due.weekdays, 7)))
    ]
    if all(map(_is_portable, fields)) and "7" not in fields[4] and not any(every_day):
        return schedule
    days, weekdays = ("*", "*") if due.any_day else (_listed(due.days, 31), _listed(due.weekdays, 7))
    return " ".join(
        (cron_field(due.minutes, 0, 60), cron_field(due.hours, 0, 24), days, cron_field(due.months, 1, 12), weekdays)
    )


def _is_portable(field: str) -> bool:
    return field == "*" or all(_PORTABLE.fullmatch(part) for part in field.upper().split(","))


def _listed(values: tuple[int, ...], size: int) -> str:
    return "*" if is_all(values, size) else ",".join(map(str, values))


def calendar_lines(schedule: str) -> list[str]:
    """Return a schedule as calendar events of systemd, which are due when one of them is.

    Where cron takes either of two days, an event of systemd takes both.

    >>> calendar_lines("30 4 13 * FRI")
    ['*-*-13 04:30:00 UTC', 'Fri *-*-* 04:30:00 UTC']
    >>> calendar_lines("*/5 8-18 * * 1-5")
    ['Mon..Fri *-*-* 08..18:00/5:00 UTC']
    """
    due = due_fields(schedule)
    hours, minutes = _values(due.hours, 0, 24), _values(due.minutes, 0, 60)
    time, months = f"{hours}:{minutes}:00 UTC", _values(due.months, 1, 12)
    date, weekday = f"*-{months}-{_values(due.days, 1, 31)}", _weekdays(due)
    if due.any_day:
        return [f"*-{months}-* {time}"]
    if due.is_either:
        return [f"{date} {time}", f"{weekday}*-{months}-* {time}"]
    return [f"{weekday}{date} {time}"]


def _weekdays(due: DueFields) -> str:
    if is_all(due.weekdays, 7):
        return ""
    from_monday = sorted((day - 1) % 7 for day in due.weekdays)
    spans = _spans(from_monday)
    names = [_WEEKDAYS[(day + 1) % 7] for day in range(7)]
    return ",".join(names[low] if low == high else f"{names[low]}..{names[high]}" for low, high in spans) + " "


def _values(values: Sequence[int], first: int, size: int) -> str:
    """Return the values of a field: `*`, a step, or a list of numbers and spans."""
    if is_all(values, size):
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 1
    if step > 1 and tuple(values) == tuple(range(values[0], first + size, step)):
        return f"{values[0]:02}/{step}"
    return ",".join(f"{low:02}" if low == high else f"{low:02}..{high:02}" for low, high in _spans(values))


def _spans(values: Sequence[int]) -> list[tuple[int, int]]:
    """Return values, in order, as spans of three or more that follow each other, and single ones as such."""
    spans: list[tuple[int, int]] = []
    for value in values:
        if spans and spans[-1][1] == value - 1:
            spans[-1] = (spans[-1][0], value)
        else:
            spans.append((value, value))
    found = []
    for low, high in spans:
        found += [(low, high)] if high - low > 1 else [(value, value) for value in sorted({low, high})]
    return found


def started_minutes(due: DueFields) -> tuple[int, ...]:
    """Return the minutes of a host's clock at which a schedule may be due, in any time zone."""
    return tuple(sorted({(minute + quarter) % 60 for minute in due.minutes for quarter in _QUARTERS}))


def due_pattern(due: DueFields) -> str:
    """Return what `minute hour day month weekday` matches when a schedule is due, as an expression of grep -E.

    >>> due_pattern(due_fields("0 6 13 * 5"))
    '00 06 (13 .. .|.. .. 5)'
    """
    minute, hour = _either(due.minutes, 60), _either(due.hours, 24)
    day, month, weekday = _either(due.days, 31), _either(due.months, 12), _either(due.weekdays, 7, digits=1)
    if due.any_day:
        return f"{minute} {hour} .. {month} ."
    if due.is_either:
        return f"{minute} {hour} ({day} {month} .|.. {month} {weekday})"
    return f"{minute} {hour} {day} {month} {weekday}"


def _either(values: tuple[int, ...], size: int, *, digits: int = 2) -> str:
    if is_all(values, size):
        return "." * digits
    words = [f"{value:0{digits}}" for value in values]
    return words[0] if len(words) == 1 else f"({'|'.join(words)})"
