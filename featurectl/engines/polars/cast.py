"""Casts that lose nothing, or say what they would lose."""

from __future__ import annotations

import polars as pl

from featurectl.engines.polars.timestamps import parse_timestamps
from featurectl.engines.polars.types import language_dtype, polars_dtype
from featurectl.errors import DataError


def cast_exact(column: pl.Series, dtype: str, what: str) -> pl.Series:
    """Return the column in a type of the language, the same values in another form.

    `what` names the column in the error ("spine column carrier"); rows are counted from 1.

    Raises:
        DataError: FC504, a value would change or can't be read.
    """
    target = polars_dtype(dtype)
    if column.dtype == target:
        return column
    cast = _cast(column, target)
    lost = cast.is_null() & column.is_not_null()
    if column.dtype.is_numeric() and target.is_numeric():
        lost |= (cast.cast(column.dtype, strict=False) != column).fill_null(value=False)
    if lost.any():
        row = lost.arg_true()[0]
        raise DataError(
            f"{what} is {language_dtype(column.dtype) or column.dtype}, must be {dtype}: "
            f"{lost.sum():,} of {column.len():,} values do not fit; first at row {row + 1}: {column[int(row)]!r}",
            code="FC504",
        )
    return cast


def _cast(column: pl.Series, target: pl.DataType | type[pl.DataType]) -> pl.Series:
    if column.dtype == pl.String and isinstance(target, pl.Datetime):
        return column.to_frame("").select(parse_timestamps(pl.col(""), "UTC")).to_series()
    if column.dtype == pl.String and target == pl.Date:
        return column.str.to_date("%Y-%m-%d", strict=False)
    if column.dtype == pl.String and target == pl.Boolean:
        return column.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    if column.dtype.is_temporal() and target.is_numeric():
        return pl.Series(column.name, [None] * column.len(), dtype=target)
    return column.cast(target, strict=False)
