"""Progress on stderr: a living line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from featurectl.progress import Progress, Silent

_BEAT_S = 10.0
_FRAME_S = 0.1


class TerminalProgress:
    """One line that shows the running unit and its seconds; finished units stay above it."""

    def __init__(self) -> None:
        self._ticker: _Ticker | None = None

    def start(self, label: str) -> None:
        """Show a unit, once it has run for a second."""
        self._stop()
        self._ticker = _Ticker(_FRAME_S, lambda s: _write(f"\r\x1b[2K  {label} ... {s:.0f} s" if s > 1 else ""))

    def done(self, text: str) -> None:
        """Replace the running line by what came of it."""
        self._stop()
        if text:
            _write(f"\r\x1b[2K{text}\n")

    def _stop(self) -> None:
        if self._ticker:
            self._ticker.stop()
            self._ticker = None
            _write("\r\x1b[2K")


class PlainProgress:
    """A line per finished unit, and one every ten seconds while a unit runs."""

    def __init__(self) -> None:
        self._ticker: _Ticker | None = None

    def start(self, label: str) -> None:
        """Begin a unit."""
        self._stop()
        self._ticker = _Ticker(_BEAT_S, lambda s: _write(f"{label} ... {s:.0f} s\n"))

    def done(self, text: str) -> None:
        """Write what came of a unit."""
        self._stop()
        if text:
            _write(f"{text}\n")

    def _stop(self) -> None:
        if self._ticker:
            self._ticker.stop()
            self._ticker = None


class _Ticker:
    """Calls a function with the seconds gone by, from a thread of its own, until it is stopped."""

    def __init__(self, every_s: float, draw: Callable[[float], None]) -> None:
        self._every_s = every_s
        self._draw = draw
        self._begin = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; nothing is drawn after this returns."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._draw(time.monotonic() - self._begin)


def open_progress(*, quiet: bool) -> Progress:
    """Return the progress that fits: none when quiet, living lines on a terminal, plain lines elsewhere."""
    if quiet or sys.stderr is None:  # None: the caller has closed it
        return Silent()
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return TerminalProgress()
    return PlainProgress()


def _write(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more: the work goes on
        sys.stderr.write(text)
        sys.stderr.flush()
