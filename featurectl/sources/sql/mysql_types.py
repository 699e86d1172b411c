"""The types of MySQL's and MariaDB's columns, as their server describes them, and their rows as Polars columns.

The server sends texts. They are made what they are column by column: PyMySQL would make each cell an object of Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.sources.sql.rows import Types

# Numbers of types in the protocol. Source: include/mysql_com.h, enum_field_types.
_TIMESTAMP: Final = 7
_DECIMALS: Final = (0, 246)
_TEXTS: Final = (15, 247, 248, 249, 250, 251, 252, 253, 254)  # texts and bytes: their character set distinguishes them
_PLAIN: Final[Mapping[int, pl.DataType]] = {
    1: pl.Int64(), 2: pl.Int64(), 3: pl.Int64(), 8: pl.Int64(), 9: pl.Int64(), 13: pl.Int64(),
    4: pl.Float64(), 5: pl.Float64(),
    6: pl.Null(),
    _TIMESTAMP: INSTANT,  # the session's time zone is UTC
    10: pl.Date(), 14: pl.Date(), 12: pl.Datetime("us"),
    16: pl.Binary(), 245: pl.String(), 255: pl.Binary(),
}  # fmt: skip
_BINARY_SET: Final = 63
_UNSIGNED: Final = 32
_MOST_DIGITS: Final = 38
_DAY: Final = "%Y-%m-%d"
_MOMENT: Final = "%Y-%m-%d %H:%M:%S%.f"
_NO_DATE: Final = "it has a date that is none, {!r}"
_NO_DATE_HINT: Final = "leave such rows out in the query, or make them null: if(at > 0, at, null)"
_TOO_WIDE: Final = "it has whole numbers beyond 64 bits"
_TOO_LONG: Final = "it has decimals of more than 38 digits"
_CAST_HINT: Final = "cast it in the query: to double"


@dataclass(frozen=True, slots=True)
class MysqlColumn:
    """A column of a result: its name, type, length in bytes, scale, flags and character set as the server says."""

    name: str
    kind: int
    length: int
    scale: int
    flags: int
    character_set: int

    @property
    def dtype(self) -> pl.DataType:
        """The type in which Polars holds it; Unknown where it has none."""
        if self.kind in _DECIMALS:
            signs = (self.scale > 0) + (not self.flags & _UNSIGNED)
            return pl.Decimal(min(self.length - signs, _MOST_DIGITS), self.scale)
        if self.kind in _TEXTS:
            return pl.Binary() if self.character_set == _BINARY_SET else pl.String()
        return _PLAIN.get(self.kind, pl.Unknown())

    @property
    def is_instant(self) -> bool:
        """Whether it is a TIMESTAMP, which is a moment whatever the time zone of a session."""
        return self.kind == _TIMESTAMP


def described_columns(fields: Sequence[Any]) -> list[MysqlColumn]:
    """Return the columns that PyMySQL has read the descriptions of."""
    return [
        MysqlColumn(each.name, each.type_code, each.length, each.scale, each.flags, each.charsetnr) for each in fields
    ]


def column_types(columns: Sequence[MysqlColumn]) -> Types:
    """Return the columns with their types."""
    return {column.name: column.dtype for column in columns}


def mysql_frame(rows: Sequence[Sequence[Any]], types: Types, where: str) -> pl.DataFrame:
    """Return rows as columns of the types; values are the texts that the server sends, or bytes.

    Raises:
        DataError: FC504, a column has a value that can't be held: a date of zeros, a number that is too large.
    """
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return pl.DataFrame(
        [_series(name, values, dtype, where) for (name, dtype), values in zip(types.items(), columns, strict=True)]
    )


def _series(name: str, values: Sequence[Any], dtype: pl.DataType | None, where: str) -> pl.Series:
    if isinstance(dtype, pl.Binary | pl.Null):
        return pl.Series(name, values, dtype=dtype)
    texts = pl.Series(name, values, dtype=pl.String)
    if dtype is None or isinstance(dtype, pl.String | pl.Unknown):
        return texts
    if isinstance(dtype, pl.Date):
        made = texts.str.to_date(_DAY, strict=False)
    elif isinstance(dtype, pl.Datetime):
        made = texts.str.to_datetime(_MOMENT, time_unit="us", strict=False)
        made = made if dtype.time_zone is None else made.dt.replace_time_zone(dtype.time_zone)
    else:
        made = texts.cast(dtype, strict=False)
    if made.null_count() > texts.null_count():
        first = texts.filter(made.is_null() & texts.is_not_null())[0]
        what, hint = _wrong(dtype)
        message = f"{where}: column {name!r} can't be read: {what.format(first)}"
        raise DataError(message, code="FC504", hint=hint)
    return made


def _wrong(dtype: pl.DataType | None) -> tuple[str, str]:
    """Return what is wrong with a value that a type can't hold, and what to do."""
    if isinstance(dtype, pl.Date | pl.Datetime):
        return _NO_DATE, _NO_DATE_HINT
    return (_TOO_LONG if isinstance(dtype, pl.Decimal) else _TOO_WIDE), _CAST_HINT
