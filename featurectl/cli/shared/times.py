"""Instants and lengths of time that options take."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean_duration
from featurectl.core.units import missing_day, parse_duration, parse_instant

_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")
MOST_S: Final = 86_400.0  # a day: whatever waits for longer was mistyped


def instant(text: str | None) -> datetime | None:
    """Return the instant of an option, None when it is not given.

    Raises:
        UsageError: it is no instant.
    """
    if text is None:
        return None
    found = parse_instant(text)
    if found is None:
        raise UsageError(missing_day(text) or f"{text!r} is not an instant", hint="write it like 2013-06-01T00:00:00Z")
    return found


def seconds_of(option: str, text: str, *, least_s: float = 0.001) -> float:
    """Return a length of time in seconds: `5s 2m 1h`, or a number of seconds, as `0.25`; at most a day.

    >>> seconds_of("--every", "2m"), seconds_of("--every", "0.5")
    (120.0, 0.5)

    Raises:
        UsageError: it is none, or less than `least_s`.
    """
    length_us = parse_duration(text)
    if length_us is not None:
        length_s = length_us / 1e6
    elif _SECONDS.fullmatch(text.removesuffix("s")):
        length_s = float(text.removesuffix("s"))
    else:
        raise UsageError(
            f"{option} {text!r} is no length of time", hint=did_you_mean_duration(text) or "like 5s, 2m or 0.25"
        )
    if not least_s <= length_s <= MOST_S:
        raise UsageError(f"{option} {text!r} is not within bounds", hint=f"{least_s:g}s to 1d")
    return length_s


def microseconds_of(option: str, text: str) -> int:
    """Return a duration of the language in microseconds.

    Raises:
        UsageError: it is none.
    """
    length_us = parse_duration(text)
    if length_us is None:
        hint = did_you_mean_duration(text) or "durations are like 30s 15m 6h 7d 2w"
        raise UsageError(f"{option} {text!r} is no duration", hint=hint)
    return length_us
