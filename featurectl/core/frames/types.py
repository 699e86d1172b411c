"""The language's types in Polars, and columns of any other type widened to them."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from featurectl.core import dtypes
from featurectl.core.frames.timestamps import INSTANT, to_instants

Nan = Literal["null", "keep"]

_SCALARS: Final[dict[str, pl.DataType]] = {
    dtypes.STRING: pl.String(),
    dtypes.INT64: pl.Int64(),
    dtypes.FLOAT64: pl.Float64(),
    dtypes.BOOL: pl.Boolean(),
    dtypes.TIMESTAMP: INSTANT,
    dtypes.DATE: pl.Date(),
    dtypes.DURATION: pl.Duration("us"),
    dtypes.NULL: pl.Null(),
}

_KINDS: Final[tuple[tuple[tuple[type[pl.DataType], ...], str], ...]] = (
    ((pl.String, pl.Categorical, pl.Enum, pl.Null), dtypes.STRING),
    ((pl.Boolean,), dtypes.BOOL),
    ((pl.Date,), dtypes.DATE),
    ((pl.Datetime,), dtypes.TIMESTAMP),
)


def polars_dtype(dtype: str) -> pl.DataType:
    """Return the Polars type that holds a type of the language; ValueError when there is no such type.

    >>> polars_dtype("timestamp"), polars_dtype("decimal(10,2)"), polars_dtype("list(int64)")
    (Datetime(time_unit='us', time_zone='UTC'), Decimal(precision=10, scale=2), List(Int64))
    """
    if dtype in _SCALARS:
        return _SCALARS[dtype]
    if parts := dtypes.decimal_parts(dtype):
        return pl.Decimal(*parts)
    if item := dtypes.list_item(dtype):
        return pl.List(polars_dtype(item))
    raise ValueError(f"no type {dtype}")


def language_dtype(dtype: pl.DataType) -> str | None:
    """Return the language's type of a column once it is widened, or None when the language has none for it.

    A column without a type (all null) is a string. Times of day, durations, structs, binary values, 128-bit
    integers and lists of lists have no type.

    >>> language_dtype(pl.UInt8()), language_dtype(pl.Datetime("ns")), language_dtype(pl.Time())
    ('int64', 'timestamp', None)
    """
    if isinstance(dtype, pl.List | pl.Array):
        item = language_dtype(_inner(dtype))
        return f"list({item})" if item and not item.startswith("list") else None
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision or 38},{dtype.scale})"
    return _scalar_dtype(dtype)


def _scalar_dtype(dtype: pl.DataType) -> str | None:
    if dtype.is_integer():
        return None if dtype in {pl.Int128, pl.UInt128} else dtypes.INT64
    if dtype.is_float():
        return dtypes.FLOAT64
    for kinds, name in _KINDS:
        if isinstance(dtype, kinds):
            return name
    return None


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    inner = dtype.inner
    return inner if isinstance(inner, pl.DataType) else inner()


def finite(column: pl.Expr) -> pl.Expr:
    """Return a column of floats with null for NaN and infinities."""
    return pl.when(column.is_finite()).then(column)


def widen_column(column: pl.Expr, dtype: pl.DataType, *, timezone: str = "UTC", nan: Nan = "null") -> pl.Expr:
    """Return the column in the language's type.

    Nanoseconds are floored to microseconds; a naive timestamp is read in `timezone` (see `timestamps.localize`).
    `nan` "null" makes NaN and infinities null. An unsigned value above 2**63 - 1 becomes null: the caller checks.
    """
    target = language_dtype(dtype)
    assert target is not None
    if isinstance(dtype, pl.Datetime):
        return to_instants(column, dtype, timezone)
    if isinstance(dtype, pl.Array):
        return widen_column(column.arr.to_list(), pl.List(_inner(dtype)), timezone=timezone, nan=nan)
    if isinstance(dtype, pl.List):
        return column.list.eval(widen_column(pl.element(), _inner(dtype), timezone=timezone, nan=nan))
    if dtype.is_float():
        wide = column.cast(pl.Float64)
        return finite(wide) if nan == "null" else wide
    return column if dtype == polars_dtype(target) else column.cast(polars_dtype(target), strict=False)


def widen(frame: pl.LazyFrame, *, timezone: str = "UTC", nan: Nan = "null") -> pl.LazyFrame:
    """Return the rows in the language's types, in their order; columns that have no such type are left out.

    See `widen_column` for what happens to each.
    """
    schema = frame.collect_schema()
    return frame.select(
        widen_column(pl.col(name), dtype, timezone=timezone, nan=nan)
        for name, dtype in schema.items()
        if language_dtype(dtype) is not None
    )
