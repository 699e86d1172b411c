"""When other schedulers are due, day by day: naive readings of their schedules, and the schedules that are tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from featurectl.language.definitions.schedule import wrong_schedule

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
ROBFIG = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCHEDULES = (
    "0 */6 * * *", "0 3 * * *", "*/5 * * * *", "* * * * *", "7-59/10 8-18 * * MON-FRI", "0 0 13 * 5", "30 4 13 * FRI",
    "0 0 */2 * 5", "0 0 */2 * *", "0 12 1,15 * *", "0 0 1 1 *", "0 0 1 JAN,JUL *", "5 4 * * SUN", "5 4 * * 7",
    "5 4 * * 5-7", "5 4 1-7 * 0-7", "0 0 29 2 *", "0 0 31 * *", "15/15 1,13 * * *", "0 0 1-31 * 1", "59 23 28-31 * *",
    "10 5 1-7 */3 0,3,6", "0 3 * * */7", "0 0 10/10 * *", "30 0 * 2-12/2 1-5", "0 9 * * 1,3,5", "5-5/10 4 * * *",
)  # fmt: skip


def _field(low: int, high: int, names: str = "") -> st.SearchStrategy[str]:
    words = names.split()
    value = st.integers(low, high).map(str)
    if words:
        value |= st.integers(0, len(words) - 1).map(words.__getitem__)
    spans = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted).map(lambda p: f"{p[0]}-{p[1]}")
    steps = st.tuples(st.just("*") | spans, st.integers(1, 12)).map(lambda p: f"{p[0]}/{p[1]}")
    parts = st.lists(value | spans | steps, min_size=1, max_size=3).map(",".join)
    return st.just("*") | steps | parts


def schedules() -> st.SearchStrategy[str]:
    """Return schedules of every form that are due some time."""
    fields = (
        _field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12, "JAN feb MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
        _field(0, 7, "SUN mon TUE WED THU FRI SAT"),
    )  # fmt: skip
    return st.tuples(*fields).map(" ".join).filter(lambda text: not wrong_schedule(text))


def _numbers(field: str, low: int, high: int) -> tuple[set[int], bool]:
    """Return the numbers of a field as the library of Kubernetes reads it, and whether it counts as `*`."""
    found: set[int] = set()
    is_star = False
    for part in field.split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        first, last = (low, high) if span == "*" else (int(begin), int(end or (high if step else begin)))
        assert low <= first <= last <= high, f"{field} is refused"
        is_star |= span == "*" and int(step or 1) == 1
        found |= set(range(first, last + 1, int(step or 1)))
    return found, is_star


def other_times(schedule: str, after: datetime, count: int, *, by_python: bool = False) -> list[datetime]:
    """Return the next times of a schedule as robfig/cron gives them, which Kubernetes and Argo have: day by day.

    `by_python`: as croniter does, which Airflow and Dagster have. To it a field of all days is `*`, however written.
    """
    names = {name: str(at + 1) for at, name in enumerate(MONTHS)}
    names |= {name: str(at) for at, name in enumerate(WEEKDAYS)}
    fields = [",".join("-".join(names.get(w, w) for w in part.split("-")) for part in field.split(","))
              for field in schedule.upper().split()]  # fmt: skip
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = (
        _numbers(field, *bounds) for field, bounds in zip(fields, ROBFIG, strict=True)
    )
    if by_python:
        any_day, any_weekday = len(days) == 31, len(weekdays) == 7
    found: list[datetime] = []
    day = after.replace(hour=0, minute=0)
    while len(found) <= count and day < after + timedelta(days=366 * 30):
        of_month, of_week = day.day in days, (day.weekday() + 1) % 7 in weekdays
        is_day = (of_month and of_week) if any_day or any_weekday else (of_month or of_week)
        if day.month in months and is_day:
            found += [day.replace(hour=h, minute=m) for h in sorted(hours) for m in sorted(minutes)]
        day += timedelta(days=1)
    return [at for at in found if at > after][:count]


def systemd_times(events: list[str], after: datetime, count: int) -> list[datetime]:
    """Return the next times at which one of some calendar events of systemd elapses: day by day, all parts of each."""
    read = [_read_event(event) for event in events]
    found: list[datetime] = []
    day = after.replace(hour=0, minute=0)
    while len(found) <= count and day < after + timedelta(days=366 * 30):
        times = set()
        for weekdays, months, days, hours, minutes in read:
            if day.weekday() in weekdays and day.month in months and day.day in days:
                times |= {day.replace(hour=h, minute=m) for h in hours for m in minutes}
        found += sorted(times)
        day += timedelta(days=1)
    return [at for at in found if at > after][:count]


def _read_event(event: str) -> tuple[set[int], set[int], set[int], set[int], set[int]]:
    *weekday, date, time, zone = event.split()
    year, months, days = date.split("-")
    hours, minutes, seconds = time.split(":")
    assert (year, seconds, zone) == ("*", "00", "UTC")
    days_of_week = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    of_week = set(range(7)) if not weekday else set()
    for part in weekday[0].split(",") if weekday else ():
        low, _, high = part.partition("..")
        of_week |= set(range(days_of_week.index(low), days_of_week.index(high or low) + 1))
    return of_week, _values(months, 1, 12), _values(days, 1, 31), _values(hours, 0, 23), _values(minutes, 0, 59)


def _values(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("..")
        first = low if begin == "*" else int(begin)
        last = int(end) if end else (high if begin == "*" or step else first)
        found |= set(range(first, last + 1, int(step or 1)))
    return found
