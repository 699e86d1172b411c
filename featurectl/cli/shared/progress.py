"""Progress on stderr: a living line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from featurectl.core.progress import Progress, Silent
from featurectl.core.units import format_count
from featurectl.render.screen import cut_text, fit_text, screen_width
from featurectl.render.visible import in_one_line

_BEAT_S = 10.0
_FRAME_S = 0.1
_WIDTH = 80  # of a terminal that says none
_CLEAR = "\r\x1b[2K"  # to the line's begin, and the line away


@dataclass(slots=True)
class _Unit:
    """A running unit of work, and how far it has come; the two are written by one thread and read by another."""

    label: str
    far: _Far | None = None

    def advance(self, done: int, total: int | None, what: str) -> None:
        """Take note of how far it is; a rate is that since `what` was first reported."""
        before = self.far
        same = before is not None and before.what == what
        begin, first = (before.begin, before.first) if before is not None and same else (time.monotonic(), done)
        self.far = _Far(done=done, total=total, what=what, begin=begin, first=first)

    def describe(self, seconds: float) -> str:
        """Return the label with the seconds gone by, and how far it is."""
        far = self.far
        return f"{in_one_line(self.label)} ... {seconds:.0f} s" + (f", {far.describe(time.monotonic())}" if far else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """How many are done of how many, and how many were when the clock began."""

    done: int
    total: int | None
    what: str
    begin: float
    first: int

    def describe(self, now: float) -> str:
        """Return the count, the rate, and the time that is left at that rate.

        >>> _Far(done=3_000_000, total=10_000_000, what="rows", begin=0.0, first=1_000_000).describe(4.0)
        '3.0 M of 10.0 M rows, 500 k rows/s, 14 s left'
        >>> _Far(done=3, total=None, what="buckets", begin=0.0, first=3).describe(4.0)
        '3 buckets'
        """
        of_all = "" if self.total is None else f" of {format_count(self.total)}"
        parts = [f"{format_count(self.done)}{of_all} {self.what}"]
        rate = (self.done - self.first) / (now - self.begin) if now > self.begin else 0.0
        if rate >= 1:
            parts.append(f"{format_count(round(rate))} {self.what}/s")
        if rate > 0 and self.total is not None:
            parts.append(f"{max(self.total - self.done, 0) / rate:.0f} s left")
        return ", ".join(parts)


@dataclass(slots=True, kw_only=True)
class ShownProgress:
    """Lines about the running unit, drawn again and again, and a line per finished unit.

    `frame` gives the text of a unit that has run for so many seconds, `clear` takes what is drawn off the terminal.
    """

    every_s: float
    frame: Callable[[_Unit, float], str]
    clear: str = ""
    _ticker: _Ticker | None = None
    _unit: _Unit = field(default_factory=lambda: _Unit(""))

    def start(self, label: str) -> None:
        """Begin a unit."""
        self._stop()
        self._unit = unit = _Unit(label)
        self._ticker = _Ticker(self.every_s, lambda seconds: _write(self.frame(unit, seconds)))

    def advance(self, done: int, total: int | None, what: str) -> None:
        """Say, when the unit is drawn next, how far it is, with its rate and the time left."""
        self._unit.advance(done, total, what)

    def done(self, text: str) -> None:
        """Write what came of a unit in the place of what was drawn of it."""
        self._stop()
        if text:
            _write(f"{self.clear}{fit_text(in_one_line(text), screen_width(sys.stderr))}\n")

    def _stop(self) -> None:
        if self._ticker:
            self._ticker.stop()
            self._ticker = None
            _write(self.clear)


def _living_line(unit: _Unit, seconds: float) -> str:
    """Return a line in place of the last one; nothing in the unit's first second."""
    if seconds <= 1:
        return ""
    width = screen_width(sys.stderr) or _WIDTH
    return f"{_CLEAR}{cut_text(f'  {unit.describe(seconds)}', width - 1)}"  # of a broken line only the end is cleared


def _plain_line(unit: _Unit, seconds: float) -> str:
    return f"{unit.describe(seconds)}\n"


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
        return ShownProgress(every_s=_FRAME_S, frame=_living_line, clear=_CLEAR)
    return ShownProgress(every_s=_BEAT_S, frame=_plain_line)


def _write(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more: the work goes on
        sys.stderr.write(text)
        sys.stderr.flush()
