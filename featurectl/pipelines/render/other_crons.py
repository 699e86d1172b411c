"""A schedule for schedulers that read five fields too, by other rules than cron.

None of them need know 7 for Sunday, nor `5/15`. That of Kubernetes and Argo takes two days as either of them wherever
none is `*`, so that `0 0 */2 * 5` would be the odd dates and the Fridays: cron takes Fridays with odd dates there.
"""

from __future__ import annotations

import re
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.pipelines.render.due import cron_field, due_fields, is_all

_PART: Final = re.compile(r"\*/\d+|\d+(-\d+(/\d+)?)?|[A-Z]{3}(-[A-Z]{3})?")


def portable_schedule(schedule: str, target: str) -> str:
    """Return a schedule that means the same to other schedulers; as it stands, where it does.

    >>> portable_schedule("0 6 * * 5-7", "argo"), portable_schedule("0 */6 13 * FRI", "argo")
    ('0 6 * * 0,5,6', '0 */6 13 * FRI')

    Raises:
        UsageError: two days have both to match, which these can't say.
    """
    due = due_fields(schedule)
    if not due.is_either and not is_all(due.days, 31) and not is_all(due.weekdays, 7):
        message = f"{target} can't say {schedule!r}: it takes either of two days, and cron both where one begins with *"
        raise UsageError(message, hint="name the dates as a list, or leave out one of both days")
    if all(_is_portable(field) for field in schedule.split()) and "7" not in schedule.split()[4]:
        return schedule
    days, weekdays = ("*", "*") if due.any_day else (_listed(due.days, 31), _listed(due.weekdays, 7))
    fields = cron_field(due.minutes, 0, 60), cron_field(due.hours, 0, 24), days, cron_field(due.months, 1, 12), weekdays
    return " ".join(fields)


def _is_portable(field: str) -> bool:
    return field == "*" or all(_PART.fullmatch(part) for part in field.upper().split(","))


def _listed(values: tuple[int, ...], size: int) -> str:
    return "*" if is_all(values, size) else ",".join(map(str, values))
