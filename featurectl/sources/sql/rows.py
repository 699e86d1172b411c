"""Rows of a database driver as Polars columns, chunk by chunk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT

if TYPE_CHECKING:
    import sqlalchemy as sa

# PostgreSQL's numbers of its types. Source: src/include/catalog/pg_type.dat.
_POSTGRES: Final[Mapping[int, pl.DataType]] = {
    16: pl.Boolean(),
    17: pl.Binary(),
    20: pl.Int64(),
    21: pl.Int64(),
    23: pl.Int64(),
    18: pl.String(),
    19: pl.String(),
    25: pl.String(),
    1042: pl.String(),
    1043: pl.String(),
    2950: pl.String(),
    700: pl.Float64(),
    701: pl.Float64(),
    1082: pl.Date(),
    1083: pl.Time(),
    1114: pl.Datetime("us"),
    1184: INSTANT,
    1186: pl.Duration("us"),
    1000: pl.List(pl.Boolean()),
    1005: pl.List(pl.Int64()),
    1007: pl.List(pl.Int64()),
    1016: pl.List(pl.Int64()),
    1009: pl.List(pl.String()),
    1015: pl.List(pl.String()),
    1021: pl.List(pl.Float64()),
    1022: pl.List(pl.Float64()),
}
_NUMERIC: Final = 1700
NO_DECIMAL: Final = "it has NaN, which decimals lack"
NO_DECIMAL_HINT: Final = "cast it in the query: to double precision, or nullif(...)"
FIRST_OWN: Final = 16_384  # types that users make, enums above all: the driver gives them as texts

Types = dict[str, pl.DataType | None]


def column_types(result: sa.CursorResult[tuple[object, ...]]) -> Types:
    """Return the columns of a running query with their types where the driver tells them, else None."""
    names = list(result.keys())
    cursor = result.cursor
    if result.context.dialect.name != "postgresql":
        return dict.fromkeys(names)
    assert cursor is not None
    return postgres_types(cursor.description)


def postgres_types(description: Sequence[Sequence[Any]]) -> Types:
    """Return the columns with their types as PostgreSQL describes them to psycopg."""
    return {column[0]: _postgres(column) for column in description}


def _postgres(column: Sequence[object]) -> pl.DataType:
    """Return the type of (name, type number, display size, internal size, precision, scale, null).

    A numeric without a precision (any sum of integers) is float64. A type that has no counterpart is Unknown.
    """
    kind, precision, scale = column[1], column[4], column[5]
    if kind == _NUMERIC:
        return pl.Decimal(precision, scale) if isinstance(precision, int) and isinstance(scale, int) else pl.Float64()
    assert isinstance(kind, int)
    return _POSTGRES.get(kind, pl.String() if kind >= FIRST_OWN else pl.Unknown())


def rows_frame(rows: Sequence[Sequence[object]], types: Types, where: str) -> pl.DataFrame:
    """Return rows of a driver as columns; a column whose type is not known gets that of its values.

    A column of Unknown type has its values as texts, arrays and documents as JSON.

    Raises:
        DataError: FC504, a column mixes texts with numbers or other kinds.
    """
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return pl.DataFrame(
        [_series(name, values, dtype, where) for (name, dtype), values in zip(types.items(), columns, strict=True)]
    )


def _series(name: str, values: Sequence[object], dtype: pl.DataType | None, where: str) -> pl.Series:
    if isinstance(dtype, pl.Unknown):
        return pl.Series(name, [json_text(value) for value in values], dtype=pl.String)
    if isinstance(dtype, pl.String):
        values = [str(value) if isinstance(value, UUID) else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if dtype is None and kinds == {int, float}:
        dtype = pl.Float64()
    elif dtype is None and len(kinds) > 1:
        raise _mixed(name, {kind.__name__ for kind in kinds}, where)
    if isinstance(dtype, pl.Decimal) and any(not value.is_finite() for value in values if isinstance(value, Decimal)):
        raise DataError(f"{where}: column {name!r} can't be read: {NO_DECIMAL}", code="FC504", hint=NO_DECIMAL_HINT)
    try:
        return pl.Series(name, values, dtype=dtype)
    except (TypeError, OverflowError, RuntimeError, pl.exceptions.PolarsError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{where}: column {name!r} can't be read: {first}", code="FC504") from error


def json_text(value: object) -> str | None:
    """Return a value of a type that the language lacks as a text: arrays and documents as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)


def merge_chunks(chunks: Sequence[pl.DataFrame], types: Types, where: str) -> pl.DataFrame:
    """Return the chunks as one frame; a column that is whole in one and a fraction in another is float64.

    Raises:
        DataError: FC504, two chunks hold different kinds of values in one column.
    """
    if not chunks:
        return rows_frame([], types, where)
    schema = joint_schema([chunk.schema for chunk in chunks], types, where)
    return pl.concat([chunk.cast(schema) for chunk in chunks], rechunk=False)


def joint_schema(schemas: Sequence[pl.Schema], types: Types, where: str) -> pl.Schema:
    """Return the types that columns have which hold the values of all chunks.

    Raises:
        DataError: FC504, two chunks hold different kinds of values in one column.
    """
    return pl.Schema({name: _joint(name, [schema[name] for schema in schemas], where) for name in types})


def _joint(name: str, found: Sequence[pl.DataType], where: str) -> pl.DataType:
    kinds = {dtype for dtype in found if not isinstance(dtype, pl.Null)}
    if not kinds:
        return pl.Null()
    if kinds == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    if len(kinds) > 1:
        raise _mixed(name, {str(kind) for kind in kinds}, where)
    return kinds.pop()


def _mixed(name: str, kinds: set[str], where: str) -> DataError:
    return DataError(
        f"{where}: column {name!r} mixes {' and '.join(sorted(kinds))}", code="FC504", hint="cast it in the query"
    )
