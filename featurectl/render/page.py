"""A page about one thing, as a terminal has it and as a notebook draws it: blocks of lines and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Final

from featurectl.render.screen import fit_text
from featurectl.render.table import WRAPPED, NarrowForm, render_table
from featurectl.render.visible import in_one_line, visible

_LEFT: Final = 'style="text-align: left; vertical-align: top; white-space: pre-wrap"'


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """Rows below a head; without a head their first cells are labels.

    A row may be shorter than the head, and its last cell beyond the head is said about all of the row. `narrow` is
    what gives way in a terminal without room for all.
    """

    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]]
    narrow: NarrowForm = WRAPPED


PagePart = str | PageTable
PageBlock = Sequence[PagePart]  # what stands together
Page = Sequence[PageBlock]


def page_text(page: Page, width: int | None = None) -> str:
    """Return a page as text, its tables as wide as `width`, that of the terminal by default.

    >>> print(page_text([["spend"], ["rows:", PageTable(head=("a", "b"), rows=[["1", "2"]])], []]))
    spend
    <BLANKLINE>
    rows:
    a  b
    1  2
    """
    blocks = ("\n".join(line for part in block for line in _lines(part, width)) for block in page)
    return "\n\n".join(block for block in blocks if block)


def _lines(part: PagePart, width: int | None) -> list[str]:
    if isinstance(part, str):
        return [part]
    head = part.head or ("", "")
    lines = render_table(head, part.rows, width, narrow=part.narrow)
    return lines if part.head else lines[1:]


def page_for_reading(page: Page, width: int) -> str:
    """Return a page in lines of a width, in which nothing steers a terminal."""
    return fit_text(visible(page_text(page, width)), width)


def reworded(page: Page, said: Callable[[str], str]) -> Page:
    """Return a page whose texts and cells are said in other words; heads stay.

    >>> reworded([["a"], [PageTable(head=("a",), rows=[["a"]])]], str.upper)[1][0].rows
    [['A']]
    """
    return [[_reworded(part, said) for part in block] for block in page]


def _reworded(part: PagePart, said: Callable[[str], str]) -> PagePart:
    if isinstance(part, str):
        return said(part)
    return replace(part, rows=[[said(cell) for cell in row] for row in part.rows])


def page_html(page: Page) -> str:
    """Return a page as HTML: nothing in its texts is markup.

    >>> page_html([["<b>", PageTable(head=("a",), rows=[["&"]])]]).count("&lt;b&gt;")
    1
    """
    return "\n".join(_html(block) for block in page if block)


def _html(block: PageBlock) -> str:
    parts = []
    for is_text, group in groupby(block, key=lambda part: isinstance(part, str)):
        if is_text:
            text = escape(visible("\n".join(map(str, group))))
            parts += [f"<pre>{text}</pre>"] if text else []
        else:
            parts += [_table(part) for part in group if isinstance(part, PageTable)]
    return "\n".join(parts)


def _table(table: PageTable) -> str:
    width = len(table.head) or 2
    head = f"<tr>{''.join(_cell('th', text) for text in table.head)}</tr>" if table.head else ""
    rows = "".join(f"<tr>{_cells(row, width, is_labelled=not table.head)}</tr>" for row in table.rows)
    return f"<table>{f'<thead>{head}</thead>' if head else ''}<tbody>{rows}</tbody></table>"


def _cells(row: Sequence[str], width: int, *, is_labelled: bool) -> str:
    own = len(row) if len(row) == width else min(len(row) - 1, width)
    cells = [_cell("th" if is_labelled and not place else "td", text) for place, text in enumerate(row[:own])]
    behind = [_cell("td", text, columns=max(width - own, 1)) for text in row[own:]]
    return "".join([*cells, *behind])


def _cell(tag: str, text: str, columns: int = 1) -> str:
    span = f' colspan="{columns}"' if columns > 1 else ""
    return f"<{tag}{span} {_LEFT}>{escape(in_one_line(text))}</{tag}>"
