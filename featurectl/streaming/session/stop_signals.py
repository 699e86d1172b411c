"""Signals that end a run: the first one has it end in order, the second one at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Set when a run is to stop; `is_interrupt` where somebody has pressed Ctrl-C.

    It has no lock, as `threading.Event` has: where a signal comes while the main thread holds that, its handler would
    wait for it for ever.
    """

    is_interrupt = False

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Have the run stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether it is to stop."""
        return self._is_set

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds, and return whether it is to stop."""
        if not self._is_set:
            time.sleep(timeout)
        return self._is_set


@contextmanager
def stopped_by_signals() -> Iterator[StopRequest]:
    """Give what SIGTERM, SIGINT and SIGHUP set as long as this lasts; in another thread than the first nothing does.

    A signal that was ignored before, as `nohup` has it, goes on being ignored.
    """
    stop = StopRequest()

    def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a handler's)
        for each in heard:  # the system hears the next one, whatever this process waits for
            signal.signal(each, signal.SIG_DFL)
        stop.is_interrupt = number == signal.SIGINT
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, hear)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
