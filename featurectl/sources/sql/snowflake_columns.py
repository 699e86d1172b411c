"""Columns of Snowflake: their names as users write them, and their values as they would come from Parquet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.language.definitions.source import Source
from featurectl.sources.sql.arrow_columns import TOO_WIDE, read_column, storage, within_years
from featurectl.sources.sql.running_query import check_named_once

if TYPE_CHECKING:
    import pyarrow as pa

_KIND: Final = b"SNOWFLAKE_TYPE"
_NAIVE: Final = "timestamp_ntz"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeColumn:
    """A column of a query: its name in the language and in Snowflake, and Snowflake's type.

    `is_whole`: its numbers without a fraction become int64.
    """

    name: str
    original: str
    kind: str
    is_whole: bool


def folded(name: str) -> str:
    """Return how a name that Snowflake keeps is written: one without quotes, which it made upper case, in lower case.

    >>> folded("AMOUNT"), folded("Amount"), folded("amount")
    ('amount', 'Amount', 'amount')
    """
    return name.lower() if name == name.upper() else name


def kept_name(name: str) -> str:
    """Return the name that Snowflake keeps for one that is written: in upper case where it has no capitals.

    >>> kept_name("amount"), kept_name("Amount"), kept_name("two words")
    ('AMOUNT', 'Amount', 'TWO WORDS')
    """
    return name.upper() if name == name.lower() else name


def quoted(name: str) -> str:
    """Return a name that Snowflake keeps, in quotes.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def described_columns(schema: pa.Schema, source: Source, where: str) -> list[SnowflakeColumn]:
    """Return the columns that Snowflake tells of.

    Raises:
        DataError: FC508, two are one column in the language.
    """
    named = {source.event_time, source.available_at, *source.tiebreak, *source.dedup_key} - {None}
    declared = dict(source.columns or {}) if source.columns_declared else {}
    names = _names(schema.names, {str(name) for name in named} | declared.keys(), where)
    found = []
    for name, column in zip(names, schema, strict=True):
        kind = (column.metadata or {}).get(_KIND, b"").decode()
        is_whole = not str(declared.get(name, "")).startswith("decimal")
        found.append(SnowflakeColumn(name=name, original=column.name, kind=kind, is_whole=is_whole))
    return found


def _names(originals: Sequence[str], written: Collection[str], where: str) -> list[str]:
    """Return the names of columns in the language: as the source writes them, else folded."""
    of_upper = {name.upper(): name for name in written}
    names = [name if name in written else of_upper.get(name) or folded(name) for name in originals]
    for name in names:
        both = sorted({original for original, each in zip(originals, names, strict=True) if each == name})
        if len(both) > 1:
            spelled = " and ".join(f'"{each}"' for each in both)
            message = f"{where} gives column {name!r} twice: {spelled} are one where names have no quotes"
            raise DataError(message, code="FC508", hint="name one of them otherwise by `as`")
    check_named_once(names, where)
    return names


def snowflake_frame(
    rows: pa.RecordBatch | pa.Table, columns: Sequence[SnowflakeColumn], where: str, before: int = 0
) -> pl.DataFrame:
    """Return rows in types of Polars; `before` rows of the query came earlier.

    Raises:
        DataError: FC504, a column has a value that can't be read.
    """
    made = [
        read_column(column.name, partial(_series, array, column, before), where)
        for array, column in zip(rows.columns, columns, strict=True)
    ]
    return pl.DataFrame(made)


def _series(array: pa.Array, column: SnowflakeColumn, before: int) -> pl.Series:
    is_time = str(array.type).startswith(("time32", "time64"))  # in the unit that the column's precision needs
    series = storage(array.cast("time64[ns]") if is_time else array)
    if isinstance(series.dtype, pl.Decimal) and series.dtype.scale == 0 and column.is_whole:
        return _whole(series, before)
    if isinstance(series.dtype, pl.Datetime):
        zoneless = column.kind == _NAIVE
        if zoneless != (series.dtype.time_zone is None):
            series = series.dt.replace_time_zone(None if zoneless else "UTC")
        return within_years(series).cast(pl.Datetime("us") if zoneless else INSTANT)
    return within_years(series) if series.dtype == pl.Date else series


def _whole(series: pl.Series, before: int) -> pl.Series:
    whole = series.cast(pl.Int64, strict=False)
    beyond = whole.is_null() & series.is_not_null()
    if beyond.any():
        place = beyond.arg_true()[0]
        raise ValueError(f"{TOO_WIDE}; first at row {before + place + 1}: {series[place]}")
    return whole
