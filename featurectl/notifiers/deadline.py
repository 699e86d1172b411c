"""An end to what may take for ever: a server that sends a byte now and then outlasts every time limit of its socket."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

TOTAL_S: Final = 45.0  # of all that is said to a server and back, names and certificates too


def within(limit_s: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises, if it ends in time.

    One that does not is left to itself: what it was about may still be done.

    Raises:
        TimeoutError: it has not ended.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 (raised below)
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise TimeoutError(f"no end of it after {limit_s:g} s")
    if errors:
        raise errors[0]
    return results[0]
