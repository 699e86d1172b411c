"""When a schedule is due, minute by minute: a naive reading of cron's five fields, and the schedules that are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from featurectl.language.definitions.schedule import wrong_schedule

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCHEDULES = (
    "0 */6 * * *", "0 3 * * *", "*/5 * * * *", "* * * * *", "7-59/10 8-18 * * MON-FRI", "0 0 13 * 5", "30 4 13 * FRI",
    "0 0 */2 * 5", "0 0 */2 * *", "0 12 1,15 * *", "0 0 1 1 *", "0 0 1 JAN,JUL *", "5 4 * * SUN", "5 4 * * 7",
    "5 4 * * 5-7", "5 4 1-7 * 0-7", "0 0 29 2 *", "0 0 31 * *", "15/15 1,13 * * *", "0 0 1-31 * 1", "59 23 28-31 * *",
    "10 5 1-7 */3 */3", "0 0 10/10 * *", "30 0 * 2-12/2 1-5", "0 9 * * 1,3,5",
)  # fmt: skip


def due_minutes(is_due: Callable[[datetime], bool], after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the minutes behind an instant, up to another, that are due."""
    at = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while at <= until:
        if is_due(at):
            yield at
        at += timedelta(minutes=1)


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
