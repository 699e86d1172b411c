"""Columns of text that line up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from featurectl.render.screen import cut_text, screen_width, text_width, wrap_words
from featurectl.render.visible import in_one_line

_GAP: Final = "  "  # between columns
_READABLE, _LEGIBLE = 20, 12  # columns of a cell that is cut: as it should be, and not worth less
_NARROW: Final = 6  # no column is narrower, if it was not
_BEHIND: Final = "    "  # before what stands beyond a row, on lines of its own


def render_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None, *, is_last_cut: bool = False
) -> list[str]:
    """Return the lines of a table: two spaces between columns, left-aligned, no trailing space.

    A row may be shorter than the head; a last cell beyond it is put behind the row. What would steer a terminal in a
    row stands there as an escape. Cells go over several lines where the table is wider than `width`, that of the
    terminal by default (`screen_width`); with `is_last_cut` those of the last column are cut
    instead, and left out where next to nothing of them would be seen.

    >>> render_table(["view", "rows"], [["a", "1"], ["long", "22"]])
    ['view  rows', 'a     1', 'long  22']
    >>> render_table(["view", "says"], [["a", "how late it is"]], width=12)
    ['view  says', 'a     how', '      late', '      it is']
    """
    rows = [[in_one_line(cell) for cell in row] for row in rows]
    limit = screen_width() if width is None else width
    room = _last_room(head, rows, limit) if is_last_cut and limit is not None else None
    if room is not None and room < _LEGIBLE:
        return render_table(head[:-1], [row[:-1] for row in rows], limit)
    if room is not None:
        rows = [[*row[:-1], cut_text(row[-1], room)] for row in rows]
    widths, least = _widths(head, rows), _least_widths(head, rows)
    fitted = _fitted(widths, least if room is None else [*least[:-1], room], limit)
    return [line for row in (head, *rows) for line in _lines(row, fitted, limit)]


def _last_room(head: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> int:
    """Return how wide the last column may be: others give way, down to their longest words, until it can be read."""
    (*others, last), (*least, _) = _widths(head, rows), _least_widths(head, rows)
    taken = len(_GAP) * len(others)
    left = limit - taken - sum(others)
    return min(last, left if left >= _READABLE else min(_READABLE, limit - taken - sum(least)))


def _widths(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    widths = [text_width(cell) for cell in head]
    for row in rows:
        for i, cell in enumerate(row[: len(head)]):
            if len(row) == len(head) or i < len(row) - 1:
                widths[i] = max(widths[i], text_width(cell))
    return widths


def _least_widths(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column in which no word is broken."""
    cells = [[row[i] for row in (head, *rows) if i < len(row)] for i in range(len(head))]
    return [max((text_width(word) for cell in column for word in cell.split(" ")), default=0) for column in cells]


def _fitted(widths: list[int], least: Sequence[int], limit: int | None) -> list[int]:
    """Return widths that fit into the limit: the widest column gives way first, words are broken only at last."""
    if limit is None:
        return widths
    widths = list(widths)
    for bounds in (least, [_NARROW] * len(widths)):
        while sum(widths) + len(_GAP) * (len(widths) - 1) > limit:
            widest = max(range(len(widths)), key=lambda i: (widths[i] > bounds[i], widths[i]))
            if widths[widest] <= bounds[widest]:
                break
            widths[widest] -= 1
    return widths


def _lines(row: Sequence[str], widths: Sequence[int], limit: int | None) -> list[str]:
    """Return the lines of a row; what stands beyond its columns is on lines of its own where there is no room."""
    columns = len(row) if len(row) == len(widths) else min(len(row) - 1, len(widths))
    wrapped = [wrap_words(cell, width) for cell, width in zip(row[:columns], widths, strict=False)]
    lines = [
        _GAP.join(cell + " " * (width - text_width(cell)) for cell, width in zip(cells, widths, strict=False))
        for cells in zip_longest(*wrapped, fillvalue="")
    ]
    if columns == len(row):
        return [line.rstrip() for line in lines]
    behind = row[columns]
    if limit is None or not lines or text_width(lines[0]) + len(_GAP) + text_width(behind) <= limit:
        lines = lines or [""]
        return [f"{lines[0]}{_GAP if lines[0] else ''}{behind}".rstrip(), *(line.rstrip() for line in lines[1:])]
    more = [_BEHIND + line for line in wrap_words(behind, max(limit - len(_BEHIND), _NARROW))]
    return [*(line.rstrip() for line in lines), *more]
