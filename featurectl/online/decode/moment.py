"""The moment of reading."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from featurectl.core.units import instant_us
from featurectl.online.codec import INSTANT_ZERO_US


class Moment(NamedTuple):
    """The moment of reading, and the last push of the view if it is known; make it with `moment_of`.

    Where the moment is a clock's, which may be behind that of who pushed, what is of no later than `latest` counts.
    `now_us`, `latest_us` and `pushed_us` are microseconds since the first instant of rows.
    """

    now: datetime
    pushed: datetime | None
    latest: datetime | None
    now_us: int
    latest_us: int
    pushed_us: int

    def after_push(self, pushed: datetime | None) -> Moment:
        """Return the moment for a view that was pushed last at an instant."""
        if pushed is self.pushed:
            return self
        return Moment(self.now, pushed, self.latest, self.now_us, self.latest_us, _since_zero(pushed))


def moment_of(now: datetime, pushed: datetime | None = None, latest: datetime | None = None) -> Moment:
    """Return a moment of reading."""
    now_us = _since_zero(now)
    return Moment(now, pushed, latest, now_us, max(now_us, _since_zero(latest)), _since_zero(pushed))


def _since_zero(instant: datetime | None) -> int:
    return 0 if instant is None else instant_us(instant) - INSTANT_ZERO_US
