"""Progress in a notebook: one line that is drawn again, in place."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from featurectl.core.progress import Progress, Silent
from featurectl.core.units import format_count

_EVERY_S: Final = 0.3
_LOG: Final = logging.getLogger("featurectl")


def open_progress(
    wanted: bool | None,  # noqa: FBT001 (True, False or None, as the caller wrote it)
    said: Callable[[str], str] = str,
) -> Progress:
    """Return where work is reported: None is on in a notebook alone; True elsewhere is messages of a logger.

    `said` puts what came of a unit into Python's words.
    """
    display = _display_of_notebook()
    if wanted is False or (wanted is None and display is None):
        return Silent()
    return NotebookProgress(display, said) if display is not None else LoggedProgress(said)


def _display_of_notebook() -> Any:
    """Return what displays in the notebook that this process is the kernel of; None: it is none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


@dataclass(slots=True)
class NotebookProgress:
    """The unit that is under way, drawn in a cell's output and left there when it has ended."""

    display: Any
    said: Callable[[str], str] = str
    label: str = ""
    _handle: Any = None
    _begin: float = 0.0
    _drawn: float = 0.0
    _lines: list[str] = field(default_factory=list)

    def start(self, label: str) -> None:
        """Begin a unit."""
        self.label, self._begin, self._drawn = label, time.monotonic(), 0.0
        self._draw(f"{label} ...")

    def advance(self, done: int, total: int | None, what: str) -> None:
        """Draw how far it is, not more than three times a second."""
        now = time.monotonic()
        if now - self._drawn < _EVERY_S:
            return
        self._drawn = now
        of_all = "" if total is None else f" of {format_count(total)}"
        self._draw(f"{self.label} ... {now - self._begin:.0f} s, {format_count(done)}{of_all} {what}")

    def done(self, text: str) -> None:
        """Leave what came of the unit; where there is nothing to say, nothing of it."""
        if text:
            self._lines.append(self.said(text))
        self._draw("")

    def _draw(self, running: str) -> None:
        lines = [*self._lines, *([running] if running else [])]
        shown = {"text/html": f"<pre>{escape(chr(10).join(lines))}</pre>", "text/plain": "\n".join(lines)}
        if self._handle is None:
            self._handle = self.display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


@dataclass(frozen=True, slots=True)
class LoggedProgress:
    """A message of the logger `featurectl` for each unit that has ended."""

    said: Callable[[str], str] = str

    def start(self, label: str) -> None:
        """Say nothing yet."""

    def advance(self, done: int, total: int | None, what: str) -> None:
        """Say nothing yet."""

    def done(self, text: str) -> None:
        """Log what came of it."""
        if text:
            _LOG.info(self.said(text))
