"""Colors of a terminal, or none."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final, Literal

Color = Literal["bold", "red", "yellow", "blue", "cyan", "green"]
CODES: Final = {"bold": "1", "red": "1;31", "yellow": "1;33", "blue": "1;34", "cyan": "36", "green": "32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """Colors texts when it is on."""

    on: bool

    def __call__(self, text: str, color: Color) -> str:
        """Return the text in a color."""
        return f"\x1b[{CODES[color]}m{text}\x1b[0m" if self.on and text else text


def wants_color(choice: Literal["auto", "always", "never"]) -> bool:
    """Return whether to color what goes to stderr; NO_COLOR and TERM=dumb are obeyed unless it is asked for."""
    if choice != "auto":
        return choice == "always"
    is_terminal = sys.stderr is not None and sys.stderr.isatty()  # None: the caller has closed it
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
