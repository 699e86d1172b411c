"""Columns of text that line up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from operator import le
from typing import Final, Literal

from featurectl.render.screen import cut_text, screen_width, text_width, words_of, wrap_words
from featurectl.render.visible import in_one_line

_GAP: Final = "  "  # between columns
_READABLE, _LEGIBLE = 20, 12  # columns of a cell that is cut: as it should be, and not worth less
_NARROW: Final = 6  # no column is narrower, if it was not
_BEHIND: Final = "    "  # before what stands beyond a row, on lines of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowForm:
    """What gives way in a table that is wider than the screen, before its cells go over several lines.

    Columns are left out by their names, the first one first, until no cell takes more than so many `lines`, and a line
    below the table says which. Cells of the last column are wrapped as those of others, or cut where they would take
    more than a line, or go below their rows.
    """

    left_out: Sequence[str] = ()
    lines: int = 1
    last: Literal["wrapped", "cut", "below"] = "wrapped"


WRAPPED: Final = NarrowForm()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The cells of a row, which may be fewer than there are columns, and what stands beyond them."""

    cells: Sequence[str]
    beyond: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    head: Sequence[str]
    rows: Sequence[_Row]

    def widths(self) -> list[int]:
        """Return the width of each column in which every cell has one line."""
        return [max(map(text_width, column)) for column in self._columns()]

    def least_widths(self) -> list[int]:
        """Return the width of each column in which no word is broken."""
        return [max(text_width(word) for cell in column for word in words_of(cell)) for column in self._columns()]

    def unbroken_widths(self) -> list[int]:
        """Return the width of each column in which only its head goes over several lines."""
        heads = [max(map(text_width, words_of(name))) for name in self.head]
        cells = [max(map(text_width, column[1:]), default=0) for column in self._columns()]
        return list(map(max, heads, cells))

    def without(self, place: int) -> _Table:
        """Return the table without a column."""
        rows = [replace(row, cells=[*row.cells[:place], *row.cells[place + 1 :]]) for row in self.rows]
        return _Table(head=[*self.head[:place], *self.head[place + 1 :]], rows=rows)

    def with_last_below(self) -> _Table:
        """Return the table in which the cells of the last column stand beyond the rows."""
        last = len(self.head) - 1
        rows = [_Row(cells=row.cells[:last], beyond=row.beyond or "".join(row.cells[last:])) for row in self.rows]
        return _Table(head=self.head[:last], rows=rows)

    def with_last_cut(self, room: int) -> _Table:
        """Return the table in which no cell of the last column is wider."""
        last = len(self.head) - 1
        rows = [
            replace(row, cells=[*row.cells[:last], *(cut_text(cell, room) for cell in row.cells[last:])])
            for row in self.rows
        ]
        return _Table(head=self.head, rows=rows)

    def _columns(self) -> list[list[str]]:
        rows = (self.head, *(row.cells for row in self.rows))
        return [[cells[i] for cells in rows if i < len(cells)] for i in range(len(self.head))]


def render_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    narrow: NarrowForm = WRAPPED,
) -> list[str]:
    """Return the lines of a table: two spaces between columns, left-aligned, no trailing space.

    A row may be shorter than the head; a last cell beyond it is put behind the row. What would steer a terminal in a
    row stands there as an escape. Where the table is wider than `width`, that of the terminal by default
    (`screen_width`), it takes its narrow form, and then its cells go over several lines.

    >>> render_table(["view", "rows"], [["a", "1"], ["long", "22"]])
    ['view  rows', 'a     1', 'long  22']
    >>> render_table(["view", "says"], [["a", "how late it is"]], width=12)
    ['view  says', 'a     how', '      late', '      it is']
    >>> render_table(["view", "why"], [["a", "it is late"]], width=12, narrow=NarrowForm(last="below"))
    ['view', 'a', '    it is', '    late']
    """
    table = _Table(head=head, rows=[_row([in_one_line(cell) for cell in cells], len(head)) for cells in rows])
    limit = screen_width() if width is None else width
    if limit is None or _total(table.widths()) <= limit:
        return _drawn(table, table.widths(), limit)
    return _narrowed(table, limit, narrow)


def _row(cells: list[str], columns: int) -> _Row:
    return _Row(cells=cells) if len(cells) == columns else _Row(cells=cells[:-1], beyond="".join(cells[-1:]))


def _narrowed(table: _Table, limit: int, narrow: NarrowForm) -> list[str]:
    """Return the lines of a table that is too wide: its narrow form, and what that leaves out."""
    if narrow.last == "below":
        table = table.with_last_below()
    left_out: list[str] = []
    for name in narrow.left_out:
        if _total(_wanted(table, narrow)) <= limit or 1 < _tallest(table, limit, narrow) <= narrow.lines:
            break
        if name in table.head:
            table, left_out = table.without(table.head.index(name)), [*left_out, name]
    least = table.least_widths()
    if narrow.last == "cut":
        room = _last_room(table, limit)
        if room < _LEGIBLE:
            return _narrowed_lines(table.without(len(least) - 1), limit, [*left_out, table.head[-1]])
        table, least = table.with_last_cut(room), [*least[:-1], room]
    return _narrowed_lines(table, limit, left_out, least)


def _narrowed_lines(
    table: _Table, limit: int, left_out: Sequence[str], least: Sequence[int] | None = None
) -> list[str]:
    fitted = _fitted(table.widths(), table.least_widths() if least is None else least, limit)
    note = wrap_words(f"(left out to fit: {', '.join(left_out)})", limit) if left_out else []
    return [*_drawn(table, fitted, limit), *note]


def _wanted(table: _Table, narrow: NarrowForm) -> list[int]:
    """Return the widths below which columns are left out."""
    widths = table.unbroken_widths()
    return widths if narrow.last != "cut" else [*widths[:-1], min(widths[-1], _READABLE)]


def _tallest(table: _Table, limit: int, narrow: NarrowForm) -> int:
    """Return how many lines the tallest cell takes in a table that is made to fit."""
    least = table.least_widths()
    if narrow.last == "cut":
        room = max(_last_room(table, limit), _LEGIBLE)
        table, least = table.with_last_cut(room), [*least[:-1], room]
    widths = _fitted(table.widths(), least, limit)
    return max(len(wrap_words(c, width)) for row in table.rows for c, width in zip(row.cells, widths, strict=False))


def _last_room(table: _Table, limit: int) -> int:
    """Return how wide the last column may be: others give way, down to their longest words, until it can be read."""
    (*others, last), (*least, _) = table.widths(), table.least_widths()
    taken = len(_GAP) * len(others)
    left = limit - taken - sum(others)
    return min(last, left if left >= _READABLE else min(_READABLE, limit - taken - sum(least)))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fitted(widths: list[int], least: Sequence[int], limit: int) -> list[int]:
    """Return widths that fit into the limit: the widest column gives way first, words are broken only at last."""
    widths = list(widths)
    for bounds in (least, [_NARROW] * len(widths)):
        while _total(widths) > limit:
            widest = max(range(len(widths)), key=lambda i: (widths[i] > bounds[i], widths[i]))
            if widths[widest] <= bounds[widest]:
                break
            widths[widest] -= 1
    return widths


def _drawn(table: _Table, widths: Sequence[int], limit: int | None) -> list[str]:
    return [line for row in (_Row(cells=table.head), *table.rows) for line in _lines(row, widths, limit)]


def _lines(row: _Row, widths: Sequence[int], limit: int | None) -> list[str]:
    """Return the lines of a row; what stands beyond it is on lines of its own where there is no room."""
    taken = list(map(text_width, row.cells))
    if all(map(le, taken, widths)):  # each in one line, as where nothing has to give way
        lines = [_GAP.join(map(_padded, row.cells, taken, widths))] if taken else []
    else:
        wrapped = [wrap_words(cell, width) for cell, width in zip(row.cells, widths, strict=False)]
        lines = [
            _GAP.join(_padded(cell, text_width(cell), width) for cell, width in zip(cells, widths, strict=False))
            for cells in zip_longest(*wrapped, fillvalue="")
        ]
    if not row.beyond:
        return [line.rstrip() for line in lines]
    if limit is None or not lines or text_width(lines[0]) + len(_GAP) + text_width(row.beyond) <= limit:
        lines = lines or [""]
        first = f"{lines[0]}{_GAP if lines[0] else ''}{row.beyond}".rstrip()
        return [first, *(line.rstrip() for line in lines[1:])]
    more = [_BEHIND + line for line in wrap_words(row.beyond, max(limit - len(_BEHIND), _NARROW))]
    return [*(line.rstrip() for line in lines), *more]


def _padded(cell: str, taken: int, width: int) -> str:
    return cell + " " * (width - taken)
