"""What a YAML file holds, with the place of everything: scalars, sequences and mappings.

A scalar keeps its text beside its value, because a key whose type is text keeps the text whatever it looks like.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from featurectl.language.syntax.place import Place

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "": None}
_LONGEST_NUMBER = 40
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)
_ESCAPED = dict(zip("0abtnvfreN_LP\t", "\0\a\b\t\n\v\f\r\x1b\x85\xa0\u2028\u2029\t", strict=True))

Constant = bool | int | float | str | None


@dataclass(frozen=True)
class File:
    """A file's text; `path` is relative to the repository's root."""

    path: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def place(self, start: int, end: int) -> Place:
        """Return the place of the characters from start to end, cut at the end of the first line."""
        line = bisect_right(self._line_starts, start)
        begin = self._line_starts[line - 1]
        newline = self._line_starts[line] - 1 if line < len(self._line_starts) else len(self.text)
        last = max(min(end, newline), start + 1)
        return Place(self.path, line, start - begin + 1, last - begin + 1)


class Span(NamedTuple):
    """The characters of a file that something stands on."""

    file: File
    start: int
    end: int

    @property
    def place(self) -> Place:
        """Its place for people."""
        return self.file.place(self.start, self.end)


class ScalarNode(NamedTuple):
    """One scalar: its text, its value by the language's rules, and where it stands.

    `style` is YAML's indicator: "" plain, else one of ' " | >.
    """

    text: str
    value: Constant
    span: Span
    style: str

    @property
    def empty(self) -> bool:
        """True when nothing is written: `key:` alone."""
        return self.text == "" and self.style == ""

    def place_of(self, start: int, end: int) -> Place:
        """Return the place of some characters of the text, whatever the style of the scalar."""
        offsets = self._offsets()
        first = offsets[min(start, len(offsets) - 1)]
        last = offsets[min(max(end - 1, start), len(offsets) - 1)]
        written, _ = _piece(self.span.file.text, last, self.style)
        return self.span.file.place(first, last + max(len(written), 1))

    def _offsets(self) -> list[int]:
        """Return where in the file each character of the text stands, and one more for its end."""
        text, position, end = self.span.file.text, self.span.start, self.span.end
        if self.style in ("'", '"'):
            position, end = position + 1, end - 1
        elif self.style in ("|", ">"):
            position = text.find("\n", position) + 1
        found = []
        for char in self.text:
            if char not in " \n":
                position = _seek(text, position, end, char, self.style)
            found.append(min(position, end))
            if char not in " \n" or (self.style == '"' and _piece(text, position, self.style)[1] == char):
                position += len(_piece(text, position, self.style)[0])
            elif position < end and text[position] in " \n\t\r":  # a fold may be any white space of the file
                position += 1
        return [*found, min(position, end)]


def _seek(text: str, position: int, end: int, char: str, style: str) -> int:
    while position < end:
        piece, meant = _piece(text, position, style)
        if meant == char:
            break
        position += len(piece)
    return position


def _piece(text: str, position: int, style: str) -> tuple[str, str]:
    """Return what is written for one character, and the character; "" for the end of a line that is escaped.

    >>> _piece("it''s", 2, "'"), _piece("a", 0, "")
    (("''", "'"), ('a', 'a'))
    """
    if style == '"' and (escape := _ESCAPE.match(text, position)):
        code = escape[1] or escape[2] or escape[3]
        if code:
            return escape[0], chr(min(int(code, 16), sys.maxunicode))
        return escape[0], _ESCAPED.get(escape[0][1], escape[0][1].strip("\r\n"))
    if style == "'" and text.startswith("''", position):
        return "''", "'"
    return text[position : position + 1], text[position : position + 1]


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    nodes: tuple[Node, ...]
    span: Span

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping: each key with its own span and its value, in the order of the file."""

    nodes: dict[str, Node]
    keys: dict[str, Span]
    span: Span

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return self.nodes.get(key)

    def scalar(self, key: str) -> ScalarNode | None:
        """Return the scalar of a key, or None when it is missing or no scalar."""
        node = self.nodes.get(key)
        return node if isinstance(node, ScalarNode) else None

    def text(self, key: str) -> str:
        """Return the text of a key's scalar, or an empty text."""
        node = self.scalar(key)
        return node.text if node else ""

    def place(self, key: str) -> Place:
        """Return the place of a key's value; of the mapping's first line when the key is missing."""
        node = self.nodes.get(key)
        if node is None:
            return self.head
        if isinstance(node, ScalarNode) and node.empty:
            return self.keys[key].place
        return node.span.place

    @property
    def head(self) -> Place:
        """Where a person looks for the object: at its name, else at its first key."""
        name = self.scalar("name")
        if name is not None and not name.empty:
            return name.span.place
        return next(iter(self.keys.values()), self.span).place


Node = ScalarNode | Items | Fields


def scalar_value(text: str) -> Constant:
    """Return the value of a plain scalar: JSON's numbers, true, false and null; everything else is text.

    >>> [scalar_value(text) for text in ("7", "1.5", "true", "", "010", "NO", "1:30", ".5")]
    [7, 1.5, True, None, '010', 'NO', '1:30', '.5']
    """
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return text
    if match[2] is None and match[3] is None:
        return int(text)
    number = float(text)
    return text if number in (float("inf"), float("-inf")) else number
