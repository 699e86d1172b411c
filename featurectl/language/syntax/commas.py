"""Expressions that a comma cut in two: `{expr: coalesce(a, 0)}` is the key `expr` and the key `0)` to YAML."""

from __future__ import annotations

from typing import Final

from featurectl.language.problems.report import Report
from featurectl.language.syntax.node import Node, ScalarNode, Span

Pairs = list[tuple[ScalarNode, Node]]
_WHOLE: Final = (0, False)


def join_cut_expressions(pairs: Pairs, report: Report) -> Pairs:
    """Return the pairs of a flow mapping with cut values made whole again, each reported as FC003.

    A value was cut when its parentheses or quotes are open and the keys after it have no value.
    """
    joined: Pairs = []
    at = 0
    while at < len(pairs):
        key, value = pairs[at]
        at += 1
        pieces = [value] if isinstance(value, ScalarNode) and value.style == "" else []
        state = _state(value.text) if isinstance(value, ScalarNode) and pieces else _WHOLE
        while state != _WHOLE and at < len(pairs) and _is_piece(pairs[at]):
            pieces.append(pairs[at][0])
            state = _state(pairs[at][0].text, state)
            at += 1
        if len(pieces) > 1:
            value = _whole(key, pieces, report)
        joined.append((key, value))
    return joined


def _is_piece(pair: tuple[ScalarNode, Node]) -> bool:
    key, value = pair
    return isinstance(value, ScalarNode) and value.empty and key.style == ""


def _state(text: str, before: tuple[int, bool] = _WHOLE) -> tuple[int, bool]:
    """Return how many parentheses are open at the end of a text that goes on after `before`, and whether a quote is.

    >>> _state("coalesce(a"), _state("x = 'a"), _state("f(a) = 'it''s ('"), _state("0)", (1, False))
    ((1, False), (0, True), (0, False), (0, False))
    """
    if before == _WHOLE and "(" not in text and "'" not in text:
        return _WHOLE
    depth, quoted = before
    for char in text:
        if char == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(char, 0)
    return max(depth, 0), quoted


def _whole(key: ScalarNode, pieces: list[ScalarNode], report: Report) -> ScalarNode:
    first, last = pieces[0].span, pieces[-1].span
    span = Span(first.file, first.start, last.end)
    text = " ".join(first.file.text[span.start : span.end].split())
    report.error(
        "FC003",
        f'the value of "{key.text}" was cut at a comma: "{pieces[0].text}" is all that is left of it',
        span.place,
        suggestion=f"did you mean {key.text}: {_quoted(text)}?",
        note="inside {...} or [...] a value that holds a comma must be quoted",
    )
    return ScalarNode(text, text, span, "")


def _quoted(text: str) -> str:
    """Return a text as YAML in quotes: single ones when it holds double quotes or backslashes.

    >>> print(_quoted("f(a, 'b')"), _quoted('f("A b", 0)'))
    "f(a, 'b')" 'f("A b", 0)'
    """
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'
