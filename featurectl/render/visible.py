"""Texts of files, tables and people as a terminal may have them: what would steer it stands there as an escape."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Final, TypeVar, cast

from featurectl.render.paint import STYLES

JsonValue = TypeVar("JsonValue")

# Control characters but tab and newline, line separators, and what turns the direction of writing.
_STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_ANYWHERE: Final = re.compile(r"#(?=#\w*\[)")  # ##[error], ##vso[...]: CI obeys them wherever they stand in a line
_AT_BEGIN: Final = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)  # ::error::
_COLORS: Final = re.compile(rf"(\x1b\[(?:0|{'|'.join(STYLES.values())})m)")


def visible(text: str) -> str:
    r"""Return a text whose control characters, and what begins a command of CI, are escapes; tabs and newlines stay.

    >>> print(visible("\x1b[31mred, naïve\n日本\u202e"))
    \x1b[31mred, naïve
    日本\u202e
    """
    if text.isprintable() and "#" not in text:  # most texts: none of what is looked for is printable
        return text
    return _ANYWHERE.sub(r"\\x23", _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text))


def without_commands(text: str) -> str:
    r"""Return a text none of whose lines begins with a command of GitHub Actions; `visible` has taken the others out.

    >>> print(without_commands("::error::a\nb ::c"))
    \x3a:error::a
    b ::c
    """
    return _AT_BEGIN.sub(r"\1\\x3a", text)


def visible_but_colors(text: str) -> str:
    r"""Return a text whose control characters are escapes, but for the colors that `Paint` gives.

    >>> visible_but_colors("\x1b[1merror\x1b[0m \x1b[2J") == "\x1b[1merror\x1b[0m \\x1b[2J"
    True
    """
    return "".join(part if number % 2 else visible(part) for number, part in enumerate(_COLORS.split(text)))


def in_one_line(text: str) -> str:
    r"""Return a text whose control characters are escapes, tabs and newlines too.

    >>> print(in_one_line("a\tb\n\x07"))
    a\tb\n\x07
    """
    shown = visible(text)
    return shown if shown.isprintable() else shown.replace("\t", "\\t").replace("\n", "\\n")


def visible_leaves(document: JsonValue, texts: Container[str] = ()) -> JsonValue:
    r"""Return a JSON document whose values are visible, in one line but for those of the keys `texts`; keys stay.

    >>> print(visible_leaves({"a": ["\x07\n", 1]})["a"][0])
    \x07\n
    """
    return cast("JsonValue", _visible(document, texts, in_one_line))  # the same shape


def _visible(value: object, texts: Container[str], shown: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {key: _visible(item, texts, visible if key in texts else shown) for key, item in value.items()}
    if isinstance(value, list):
        return [_visible(item, texts, shown) for item in value]
    return value
