"""Columns of text that line up."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

from featurectl.cli.render.visible import in_one_line


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: two spaces between columns, left-aligned, no trailing space.

    A row may be shorter than the head; a last cell beyond it is put behind the row. What would steer a terminal in a
    row stands there as an escape.

    >>> render_table(["view", "rows"], [["a", "1"], ["long", "22"]])
    ['view  rows', 'a     1', 'long  22']
    """
    rows = [[in_one_line(cell) for cell in row] for row in rows]
    widths = [text_width(cell) for cell in head]
    for row in rows:
        for i, cell in enumerate(row[: len(head)]):
            if len(row) == len(head) or i < len(row) - 1:
                widths[i] = max(widths[i], text_width(cell))
    return [_line(row, widths) for row in (head, *rows)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell + " " * (widths[i] - text_width(cell)) if i < len(widths) else cell for i, cell in enumerate(row)]
    return "  ".join(cells).rstrip()


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    >>> text_width("né"), text_width("日本")
    (2, 4)
    """
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)
