"""Lengths of time that options take: durations of the language, or seconds."""

from __future__ import annotations

import re
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.core.units import parse_duration

_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")
MOST_S: Final = 86_400.0  # a day: whatever waits for longer was mistyped


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
        raise UsageError(f"{option} {text!r} is no length of time", hint="like 5s, 2m or 0.25")
    if not least_s <= length_s <= MOST_S:
        raise UsageError(f"{option} {text!r} is not within bounds", hint=f"{least_s:g}s to 1d")
    return length_s
