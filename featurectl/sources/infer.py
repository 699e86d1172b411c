"""The types of a CSV file's columns, from all of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from featurectl.core import dtypes
from featurectl.sources.casts import CastRules, parse_text

_INTEGER: Final = r"^-?(0|[1-9]\d*)$"
_NUMBER: Final = r"^-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$|^(NaN|nan|-?inf)$"
_INFINITE: Final = r"^-?inf$"
_EXACT_END: Final = 2**53
_TYPES: Final = (dtypes.BOOL, dtypes.INT64, dtypes.FLOAT64, dtypes.DATE, dtypes.TIMESTAMP)


def infer_types(texts: pl.LazyFrame, reading: CastRules) -> dtypes.TypedColumns:
    """Return the narrowest type that every value of each text column spells, string when none does.

    Digits that a number would lose keep a column a string: leading zeros (`00501`), whole numbers beyond 64 bits, or
    beyond 53 bits among fractions, signs (`+4912`), numbers too large for a float64.
    A column without values is a string, and is listed in `valueless`. Dates and timestamps are ISO 8601, or in the
    source's `timestamp_format`. All rows are read.
    """
    names = texts.collect_schema().names()
    answers = texts.select(
        answer.alias(f"{i} {dtype}") for i, name in enumerate(names) for dtype, answer in _questions(name, reading)
    ).collect(engine="streaming")
    found = answers.row(0, named=True) if names else {}
    fitting = {name: [dtype for dtype in _TYPES if found[f"{i} {dtype}"]] for i, name in enumerate(names)}
    valueless = frozenset(name for name, types in fitting.items() if len(types) == len(_TYPES))
    return dtypes.TypedColumns({name: _first(types) for name, types in fitting.items()}, {}, valueless)


def _first(fitting: Sequence[str]) -> str:
    # A column without values fits every type.
    return fitting[0] if fitting and len(fitting) < len(_TYPES) else dtypes.STRING


def _questions(name: str, reading: CastRules) -> list[tuple[str, pl.Expr]]:
    """Return for each type the question whether all values spell it (nulls do)."""
    text = pl.col(name)
    shapes = {dtypes.INT64: text.str.contains(_INTEGER), dtypes.FLOAT64: text.str.contains(_NUMBER)}
    whole = shapes[dtypes.INT64].all()
    questions = []
    for dtype in _TYPES:
        parsed = parse_text(text, dtype, reading)
        assert parsed is not None
        fits = (text.is_null() | (parsed.is_not_null() & shapes.get(dtype, pl.lit(value=True)))).all()
        if dtype == dtypes.FLOAT64:
            # Whole numbers that are not all int64 stay texts: a float64 would lose their last digits.
            integer = parse_text(text, dtypes.INT64, reading)
            assert integer is not None
            fits &= ~whole | (text.is_null() | integer.is_not_null()).all()
            large = shapes[dtypes.INT64] & (parsed.abs() >= _EXACT_END)
            lost = large | (parsed.is_infinite() & ~text.str.contains(_INFINITE))
            fits &= whole | ~lost.fill_null(value=False).any()
        questions.append((dtype, fits))
    return questions
