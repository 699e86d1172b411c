"""Signals that end a run: the first one has it end in order, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from featurectl.core.stop_request import StopRequest

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
