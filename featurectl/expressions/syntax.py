"""The raw tree of an expression: what was written, with its places, before names and types are looked at."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, NoReturn

from featurectl.expressions.tree import ExpressionError, ExpressionNode

MAX_CHARACTERS: Final = 4_000
MAX_NODES: Final = 500
MAX_DEPTH: Final = 40  # of brackets, calls and operands: how deep the parser goes
MAX_HEIGHT: Final = 150  # of the tree: a chain `a + b + c` is flat to read and deep to walk

NodeKind = Literal[
    "column", "number", "string", "boolean", "null", "timestamp", "date", "interval", "operator", "negative", "not",
    "is", "in", "between", "like", "case", "simple_case", "cast", "extract", "call",
]  # fmt: skip


class Raw(NamedTuple):
    """One part of an expression as written.

    `value` is the text that belongs to it: a name, an operator, a literal without its quotes, a type, a part.
    A `case` has its conditions and values by turns and the value of `else` last (a null where it was left out);
    a `simple_case` has its subject before them. `height` is the number of parts on the longest way down.
    """

    kind: NodeKind
    value: str
    args: tuple[Raw, ...]
    start: int
    end: int
    height: int


def reject(where: ExpressionNode | Raw, message: str, hint: str = "") -> NoReturn:
    """Raise the error about these characters."""
    raise ExpressionError(message, where.start, where.end, hint)
