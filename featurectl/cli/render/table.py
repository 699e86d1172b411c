"""Columns of text that line up."""

from __future__ import annotations

from collections.abc import Sequence


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: two spaces between columns, left-aligned, no trailing space.

    A row may be shorter than the head; a last cell beyond it is put behind the row as it is.

    >>> render_table(["view", "rows"], [["a", "1"], ["long", "22"]])
    ['view  rows', 'a     1', 'long  22']
    """
    widths = [len(cell) for cell in head]
    for row in rows:
        for i, cell in enumerate(row[: len(head)]):
            if len(row) == len(head) or i < len(row) - 1:
                widths[i] = max(widths[i], len(cell))
    return [_line(row, widths) for row in (head, *rows)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(widths[i]) if i < len(widths) else cell for i, cell in enumerate(row)]
    return "  ".join(cells).rstrip()
