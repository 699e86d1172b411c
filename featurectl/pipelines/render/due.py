"""The minutes, hours and days of a schedule as numbers, and the schedule in the words of other schedulers.

Two days in a schedule, as in `0 0 13 * 5`, are either of them: the 13th, and each Friday. Where one of them begins with
`*`, as in `0 0 */2 * 5`, they are both: each Friday with an odd date. So does cron; other schedulers do not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final

from featurectl.core.dataclass import dataclass

_SIZES: Final = (60, 24, 31, 12, 7)


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
