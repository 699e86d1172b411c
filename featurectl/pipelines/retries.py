"""When a stage that failed is tried again."""

from __future__ import annotations

from random import SystemRandom
from typing import Final

_CAN_PASS: Final = (69, 75)  # a store that is away, a lock that is held
_FIRST_S, _MOST_S = 1.0, 300.0
_TIMES: Final = 2.0
_DOUBLED: Final = 20  # more is too large a number, and above the most


def can_pass(exit_code: int, *, timed_out: bool) -> bool:
    """Return whether a failure can pass by itself: a store, a lock, a timeout, a signal.

    >>> [can_pass(code, timed_out=False) for code in (69, 75, -9, 1, 64, 70)]
    [True, True, True, False, False, False]
    """
    return timed_out or exit_code in _CAN_PASS or exit_code < 0


def wait_s(attempt: int) -> float:
    """Return how long to wait after so many attempts: twice as long each time, drawn between half of it and all."""
    most = longest_wait_s(attempt)
    return SystemRandom().uniform(most / 2, most)


def longest_wait_s(attempt: int) -> float:
    """Return how long is waited after so many attempts at most.

    >>> [longest_wait_s(attempt) for attempt in (1, 2, 9, 10, 1000)]
    [1.0, 2.0, 256.0, 300.0, 300.0]
    """
    return min(_FIRST_S * _TIMES ** min(attempt - 1, _DOUBLED), _MOST_S)
