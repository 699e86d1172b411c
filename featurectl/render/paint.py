"""Styles of texts in a terminal, or none: the one table of them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TextIO

Style = Literal["strong", "error", "warning", "note", "good"]
# Fixed colors, not those that a theme changes: each has a contrast of 3 and more on white, black and the usual themes'
# own grounds. Where a terminal has 16, they become red, red, cyan and green: blue can't be read on black there.
STYLES: Final[Mapping[Style, str]] = {
    "strong": "1",
    "error": "1;38;5;196",
    "warning": "38;5;130",
    "note": "38;5;30",
    "good": "38;5;28",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """Gives texts their styles when it is on."""

    on: bool

    def __call__(self, text: str, style: Style) -> str:
        """Return the text in a style."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.on and text else text


def wants_color(choice: Literal["auto", "always", "never"], stream: TextIO | None = None) -> bool:
    """Return whether to color what goes to a stream, stdout by default.

    Unless it is asked for, only a terminal has colors, and anything with FORCE_COLOR; NO_COLOR and TERM=dumb take them
    away, NO_COLOR also from FORCE_COLOR.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    stream = sys.stdout if stream is None else stream
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"  # None: the caller closed it


# Words that are colored where they are all of a table's cell.
_STATES: Final[Mapping[str, Style]] = {
    "OK": "good", "resolved": "good", "promoted": "good",
    "WARN": "warning", "pending": "warning",
    "STALE": "error", "ERROR": "error", "FAILED": "error", "FAIL": "error", "firing": "error", "rejected": "error",
}  # fmt: skip
_CELL: Final = re.compile(rf"(?:(?<=^)|(?<=  ))({'|'.join(_STATES)})(?=  |$)", re.MULTILINE)
_SIGNS: Final[Mapping[str, Style]] = {"+": "good", "~": "warning", "-": "error", "!": "warning"}
_SIGN: Final = re.compile(r"^( {2,6})([+~!-])(?= )", re.MULTILINE)
_BLOCKED: Final = re.compile(r"\bBLOCKED\b")


def paint_states(text: str, paint: Paint) -> str:
    """Return tables with their words for states colored."""
    return _CELL.sub(lambda found: paint(found[0], _STATES[found[0]]), text)


def paint_signs(text: str, paint: Paint) -> str:
    """Return a plan with the signs before its changes colored, and what is blocked."""
    signed = _SIGN.sub(lambda found: found[1] + paint(found[2], _SIGNS[found[2]]), text)
    return _BLOCKED.sub(lambda found: paint(found[0], "error"), signed)
