"""How wide lines may be, and lines broken so that they fit."""

from __future__ import annotations

import os
import re
import sys
from typing import Final, TextIO
from unicodedata import combining, east_asian_width

_MARKS: Final = "_:/.,-@="
_DOTS: Final = "..."
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")
_FURTHER: Final = "  "  # before what a line goes on with, beyond its own beginning


def screen_width(stream: TextIO | None = None) -> int | None:
    """Return how many columns a line may have: COLUMNS, else those of the terminal; None: it goes to no terminal.

    `stream` is where it goes, stdout by default.
    """
    written = os.environ.get("COLUMNS", "")
    if written.isdecimal() and int(written) > 0:
        return int(written)
    stream = sys.stdout if stream is None else stream
    if stream is None or not stream.isatty():  # None: the caller has closed it
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:  # it says that it is a terminal, and the system knows none
        return None


def fit_text(text: str, width: int | None) -> str:
    r"""Return a text whose lines fit: broken at spaces, never within a word, and further lines begin further right.

    What has no space stays whole, since a path or an address that is broken can't be copied.

    >>> print(fit_text("  ! model churn stays on spend@1\nhttps://example.com/a/long/path", 20))
      ! model churn
        stays on spend@1
    https://example.com/a/long/path
    """
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _fitting(line, width))


def _fitting(line: str, width: int) -> list[str]:
    if text_width(line) <= width:
        return [line]
    body = line.lstrip(" ")
    lead = line[: len(line) - len(body)]
    room = max(width - len(lead), 1)
    first, *more = wrap_words(body, room, is_broken=False)
    indent = lead + _FURTHER
    rest = wrap_words(" ".join(more), max(width - len(indent), 1), is_broken=False) if more else []
    return [f"{lead}{first}".rstrip(), *(f"{indent}{part.strip(' ')}" for part in rest)]


def cut_text(text: str, width: int) -> str:
    """Return a text that takes at most so many columns; where it was longer, it ends in three dots.

    >>> cut_text("a group of features", 10), cut_text("a group", 10), cut_text("so. Then...", 7)
    ('a group...', 'a group', 'so...')
    """
    if text_width(text) <= width:
        return text
    end = len(text)
    while end and text_width(text[:end]) > width - len(_DOTS):
        end -= 1
    return text[:end].rstrip(" .") + _DOTS


def wrap_words(cell: str, width: int, *, is_broken: bool = True) -> list[str]:
    """Return a text in lines of a width, broken at spaces; a longer word is broken too, or stays whole.

    Spaces that it begins with belong to its first word.

    >>> wrap_words("a group of feature_views", 10), wrap_words("a group of feature_views", 10, is_broken=False)
    (['a group of', 'feature_', 'views'], ['a group of', 'feature_views'])
    """
    if text_width(cell) <= width:
        return [cell]
    lines, line = [], ""
    for word in words_of(cell):
        longer = f"{line} {word}" if line else word
        if text_width(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, width) if is_broken else [word]
        lines += whole
    return [*lines, line]


def words_of(text: str) -> list[str]:
    """Return what a text may be broken between.

    >>> words_of("  view spend")
    ['  view', 'spend']
    """
    begin = len(text) - len(text.lstrip(" "))
    first, *more = text[begin:].split(" ")
    return [text[:begin] + first, *more]


def _pieces(word: str, width: int) -> list[str]:
    """Return a word in pieces that fit, broken behind a mark within it where there is one."""
    pieces = []
    while text_width(word) > width:
        end = len(word)
        while end > 1 and text_width(word[:end]) > width:
            end -= 1
        mark = max((word.rfind(sign, 0, end) + 1 for sign in _MARKS), default=0)
        end = mark if mark > end // 2 else end
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes; its colors take none.

    >>> text_width("né"), text_width("日本")
    (2, 4)
    """
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in _COLORS.sub("", text))
