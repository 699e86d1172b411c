"""Defaults of columns, as definitions hold them."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from featurectl.core.dtypes import DATE, TIMESTAMP, decimal_parts, fixed_point
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import parse_instant


def with_default(column: pl.Expr, dtype: str, default: object) -> pl.Expr:
    """Return the column with a default in place of null; files keep that of a time as text, of a decimal as number."""
    if default is None:
        return column
    value = parse_instant(str(default)) if dtype == TIMESTAMP else default
    if parts := decimal_parts(dtype):  # the digits that were written: a float has others behind them
        value = fixed_point(Decimal(str(default)), parts[1])
    literal = pl.lit(value)
    if dtype == DATE:
        literal = literal.str.to_date("%Y-%m-%d")
    return column.fill_null(literal.cast(polars_dtype(dtype)))
