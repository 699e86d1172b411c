"""Expressions over the columns that a frame turns out to have."""

from __future__ import annotations

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.types import language_dtype
from featurectl.expressions.check import type_expression
from featurectl.expressions.polars import to_polars
from featurectl.expressions.tree import ExpressionError


def columns_of(frame: pl.DataFrame) -> dict[str, str]:
    """Return the frame's columns with their types in the language; columns of other types are left out."""
    types = {name: language_dtype(dtype) for name, dtype in frame.schema.items()}
    return {name: dtype for name, dtype in types.items() if dtype is not None}


def compile_over(text: str, frame: pl.DataFrame, what: str, want: str | None = None) -> pl.Expr:
    """Return an expression over the frame's columns; `what` names it in the error, `want` is its type.

    Raises:
        DataError: FC503 a column is missing, FC504 a type does not fit.
    """
    try:
        tree = type_expression(text, columns_of(frame), want).tree
    except ExpressionError as error:
        code = "FC503" if error.unknown_column else "FC504"
        raise DataError(f"{what}: {error.message} in {text!r}", code=code, hint=error.hint) from error
    assert tree is not None
    return to_polars(tree)
