"""A text as it goes to a terminal, a file or a pipe: nothing in it steers, lines fit, states are colored."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from featurectl.render.paint import Paint, paint_signs, paint_states, wants_color
from featurectl.render.screen import fit_text, screen_width
from featurectl.render.visible import visible, visible_but_colors, without_commands

if TYPE_CHECKING:
    from featurectl.cli.shared.call import Call, TextKind


def shown_text(text: str, call: Call, stream: TextIO | None, kind: TextKind = "prose") -> str:
    """Return a text in which nothing but our own colors steers the terminal, wherever its parts come from.

    No line commands the CI that reads it, but for those of `-o github`. Lines of `-o text` fit the screen.
    """
    colored = call.output != "markdown" and wants_color(call.color, stream)
    shown = visible_but_colors(text) if colored else visible(text)
    shown = shown if call.output == "github" else without_commands(shown)
    if call.output != "text" or kind == "document":
        return shown
    fitted = fit_text(shown, screen_width(stream))
    if not colored:
        return fitted
    paint = Paint(on=True)
    return paint_states(paint_signs(fitted, paint) if kind == "plan" else fitted, paint)
