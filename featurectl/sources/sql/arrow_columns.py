"""Columns of Arrow as databases give them: what Polars would take for null or another value is looked for first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.sources.sql.rows import NO_DECIMAL, NO_DECIMAL_HINT

if TYPE_CHECKING:
    import pyarrow as pa

_DAYS: Final = tuple((day - date(1970, 1, 1)).days for day in (date.min, date.max))
_MICROSECONDS: Final = tuple(
    (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001  # of either kind
    for moment in (datetime.min, datetime.max)  # noqa: DTZ901
)
_DAY_US: Final = 86_400_000_000
MIDNIGHT: Final = "it has the time 24:00:00"
BEYOND: Final = "it has a time that is infinite, or beyond the years 1 to 9999"
TOO_PRECISE: Final = "it has numbers of more than 29 digits before the point, or nine behind it"
TOO_WIDE: Final = "it has whole numbers beyond 64 bits"
_HINTS: Final = {
    NO_DECIMAL: NO_DECIMAL_HINT,
    BEYOND: "leave such rows out in the query, or say what they mean: nullif(until, 'infinity')",
    TOO_PRECISE: "cast it in the query: to numeric, float64 or string",
    TOO_WIDE: "cast it in the query: to double",
}
_NO_COUNTERPART: Final = ("INTERVAL", "TIME WITH TIME ZONE")  # those of DuckDB whose Arrow Polars does not take
_WIDE: Final = ("HUGEINT", "UHUGEINT")  # of DuckDB: what sums of integers are


def storage(array: pa.Array) -> pl.Series:
    """Return the values of a column as Polars holds them; times of day as microseconds, for 24:00 is none."""
    plain = getattr(array, "storage", array)
    if str(plain.type) == "time64[us]":
        plain = plain.view("int64") if hasattr(plain, "view") else plain.cast("int64")  # some are in chunks
    return pl.Series("", _Values(plain) if hasattr(plain, "__arrow_c_array__") else plain)


@dataclass(frozen=True, slots=True)
class _Values:
    """An array of Arrow by its interface alone.

    Of one of pyarrow's classes Polars imports pyarrow's functions, and these NumPy's masked arrays: for nothing.
    """

    array: pa.Array

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        schema, values = self.array.__arrow_c_array__(requested_schema)
        return schema, values


def within_years(column: pl.Series) -> pl.Series:
    """Return days or instants that Python and the language have: infinity lies beyond them, too.

    Raises:
        ValueError: one does.
    """
    first, last = _DAYS if column.dtype == pl.Date else _MICROSECONDS
    numbers = column.to_physical()
    if getattr(column.dtype, "time_unit", "us") == "ms":
        first, last = first // 1000, last // 1000
    if getattr(column.dtype, "time_unit", "us") != "ns" and not numbers.is_between(first, last).all():
        raise ValueError(BEYOND)
    return column


def times_of_day(microseconds: pl.Series) -> pl.Series:
    """Return microseconds since midnight as times.

    Raises:
        ValueError: one is 24:00.
    """
    if (microseconds >= _DAY_US).any():
        raise ValueError(MIDNIGHT)
    return (microseconds * 1000).cast(pl.Time)


def read_column(name: str, read: Callable[[], pl.Series], where: str) -> pl.Series:
    """Return a column that a function makes.

    Raises:
        DataError: FC504, it has a value that can't be.
    """
    try:
        return read().alias(name)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise unreadable(name, str(error).splitlines()[0], where) from error


def unreadable(name: str, said: str, where: str) -> DataError:
    """Return the error of a column that has a value which can't be."""
    hint = next((hint for begin, hint in _HINTS.items() if said.startswith(begin)), "")
    return DataError(f"{where}: column {name!r} can't be read: {said}", code="FC504", hint=hint)


def arrow_frame(rows: pa.RecordBatch | pa.Table, kinds: Sequence[str], where: str) -> pl.DataFrame:
    """Return rows as they would come from Parquet; `kinds` are DuckDB's types of the columns.

    Raises:
        DataError: FC504, a column has a value that can't be read.
    """
    columns = zip(rows.schema.names, rows.columns, kinds, strict=True)
    return pl.DataFrame([read_column(name, partial(_column, array, kind), where) for name, array, kind in columns])


def _column(array: pa.Array, kind: str) -> pl.Series:
    if kind in _NO_COUNTERPART:
        raise ValueError(f"it is of type {kind}: cast it in the query")
    column = storage(array)
    if kind == "TIME":
        return times_of_day(column)
    if kind in _WIDE:
        return _whole(column)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        column = within_years(column)
        return column.cast(INSTANT) if getattr(column.dtype, "time_zone", None) else column
    return column


def _whole(column: pl.Series) -> pl.Series:
    whole = column.cast(pl.Int64, strict=False)
    if whole.null_count() > column.null_count():
        raise ValueError(TOO_WIDE)
    return whole
