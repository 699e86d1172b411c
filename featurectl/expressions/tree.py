"""The typed tree of an expression, and the one error of this layer.

The tree is the contract between the checker and the engines: all meaning is in it, engines only translate it.
Its canonical form is what fingerprints hash; its columns give lineage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = None | bool | int | float | str | tuple["Value", ...]


class ExpressionError(ValueError):
    """What is wrong with an expression, with the half-open range of characters it is about."""

    def __init__(self, message: str, start: int, end: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = max(end, start + 1)
        self.hint = hint
        self.unknown_column = ""  # set when the error is about a column that does not exist


@dataclass(frozen=True, slots=True)
class ExpressionNode:
    """One operation, its result type (`dtypes`), its operands, and a constant that belongs to it.

    `op` is "col" (value: the column), "lit" (value: the constant; timestamps in microseconds, dates in days,
    durations in microseconds) or an operation of `expressions.check`. `start` and `end` are the characters of
    the text that it came from; they take no part in equality.
    """

    op: str
    dtype: str
    args: tuple[ExpressionNode, ...] = ()
    value: Value = None
    start: int = field(default=0, compare=False)
    end: int = field(default=1, compare=False)

    def canonical(self) -> list[object]:
        """Return the form that fingerprints hash: JSON-ready, without places."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return [self.op, self.dtype, value, [arg.canonical() for arg in self.args]]

    def columns(self) -> frozenset[str]:
        """Return the names of the columns that the expression reads."""
        if self.op == "col":
            return frozenset((str(self.value),))
        return frozenset().union(*(arg.columns() for arg in self.args))


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as written, and its typed tree where the column types are known (else None)."""

    text: str
    tree: ExpressionNode | None = None


Columns = Mapping[str, str]  # column name -> type (dtypes)
