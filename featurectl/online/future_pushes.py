"""What was pushed, or is kept online by workers, as of an instant that has not come yet.

Nobody finds a value before the instant as of which it was computed, and nothing older replaces it: such a push hides
all values of a view until the time has come, if it ever does.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from featurectl.core.units import format_age, format_instant, from_us, moved_by
from featurectl.online.base import Bound

CLOCKS_DIFFER: Final = timedelta(seconds=60)  # by so much clocks may, and nobody is warned


def latest_at(clock: datetime) -> datetime:
    """Return the latest instant as of which something can rightly have been computed at a time."""
    return moved_by(clock, CLOCKS_DIFFER)


def moving(instant: datetime) -> Bound:
    """Return what gives an instant as far on as time has gone on since."""
    begin = time.monotonic()
    return lambda: moved_by(instant, timedelta(seconds=time.monotonic() - begin))


def how_far_ahead(computed_at: datetime, latest: datetime, of: str = "the online store's clock") -> str:
    """Return how far after a clock something was computed, in words; "" where it is not later than `latest`.

    `latest` is that of the clock (`latest_at`).

    >>> noon = datetime.fromisoformat("2026-01-08T12:00:00Z")
    >>> how_far_ahead(noon + timedelta(days=2), latest_at(noon))
    "2026-01-10 12:00, 2 d after the online store's clock"
    """
    if computed_at <= latest:
        return ""
    ahead = computed_at - moved_by(latest, -CLOCKS_DIFFER)
    return f"{format_instant(computed_at)}, {format_age(ahead // timedelta(microseconds=1))} after {of}"


def is_ahead(asof_us: int, clock_us: int) -> bool:
    """Return whether the `asof` of a stream lies after a reader's clock by more than clocks may differ."""
    return asof_us - clock_us > CLOCKS_DIFFER // timedelta(microseconds=1)


def tell_ahead(asof_us: int, clock_us: int, of: str = "this clock") -> str:
    """Return how far after a reader's clock a stream is online, in words; "" where it `is_ahead` not.

    >>> tell_ahead(7_200_000_000, 0)
    'online as of 1970-01-01 02:00, 2 h after this clock: the clock of the online store is ahead, or was'
    """
    if not is_ahead(asof_us, clock_us):
        return ""
    far = how_far_ahead(from_us(asof_us), latest_at(from_us(clock_us)), of)
    return f"online as of {far}: the clock of the online store is ahead, or was"
