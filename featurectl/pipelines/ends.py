"""When something has ended that took so long: by the clock, unless that was set back meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from featurectl.core.units import format_iso, parse_instant


def end_of(began: str, took_s: float) -> str:
    """Return when what began then has ended, which is now; it took so long by a clock that nobody sets.

    >>> end_of("2999-01-01T00:00:00Z", 1.5)
    '2999-01-01T00:00:01.500000Z'
    """
    first = parse_instant(began)
    now = datetime.now(UTC)
    return format_iso(now if first is None else max(now, first + timedelta(seconds=took_s)))
