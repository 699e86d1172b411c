"""The types of PostgreSQL as ADBC gives them in Arrow, and how they become what rows of psycopg are read as."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from featurectl.sources.sql.arrow_columns import read_column, storage, times_of_day, within_years
from featurectl.sources.sql.rows import NO_DECIMAL, Types, json_text

if TYPE_CHECKING:
    import pyarrow as pa

NUMERIC: Final = 1700
_MOST_DIGITS: Final = 38
_MODIFIER_FROM: Final = 4  # PostgreSQL's VARHDRSZ: a numeric's digits and scale stand above it in its modifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowType:
    """A type of PostgreSQL: `name` is what the driver's field calls it, `read` makes the column of `storage`.

    `modifier` is the field's, where it matters; "" else.
    """

    name: str
    read: Callable[[pl.Series], pl.Series]
    modifier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedQuery:
    """A query as PostgreSQL describes it: its text for it, what rows of its columns are read as, and how Arrow is.

    `address` is the database's for libpq, with its secrets.
    """

    address: str = field(repr=False)
    text: str
    since: str
    types: Types
    arrow: Mapping[str, ArrowType]


def _as_is(column: pl.Series) -> pl.Series:
    return column


def _int64(column: pl.Series) -> pl.Series:
    return column.cast(pl.Int64)


def _float_of_four_bytes(column: pl.Series) -> pl.Series:
    """Return the doubles of the shortest texts, which PostgreSQL writes: 0.1, not 0.10000000149011612."""
    return column.cast(pl.String).cast(pl.Float64)


def _uuid(column: pl.Series) -> pl.Series:
    digits = pl.col("x").bin.encode("hex")
    parts = [digits.str.slice(begin, size) for begin, size in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return pl.DataFrame({"x": column}).select(pl.concat_str(parts, separator="-")).to_series()


def _document(column: pl.Series) -> pl.Series:
    return pl.Series([None if text is None else json_text(json.loads(text)) for text in column], dtype=pl.String)


def _text(column: pl.Series) -> pl.Series:
    return column.cast(pl.String)


# PostgreSQL's numbers of the types that are read as Arrow. Source: src/include/catalog/pg_type.dat. Not here are those
# whose Arrow does not tell all: arrays come flat, whatever their dimensions, ranges and addresses as bytes.
ARROW_TYPES: Final[Mapping[int, ArrowType]] = {
    16: ArrowType(name="bool", read=_as_is),
    17: ArrowType(name="bytea", read=_as_is),
    19: ArrowType(name="name", read=_as_is),
    20: ArrowType(name="int8", read=_as_is),
    21: ArrowType(name="int2", read=_int64),
    23: ArrowType(name="int4", read=_int64),
    25: ArrowType(name="text", read=_as_is),
    114: ArrowType(name="json", read=_document),
    700: ArrowType(name="float4", read=_float_of_four_bytes),
    701: ArrowType(name="float8", read=_as_is),
    1042: ArrowType(name="bpchar", read=_as_is),
    1043: ArrowType(name="varchar", read=_as_is),
    1082: ArrowType(name="date", read=within_years),
    1083: ArrowType(name="time", read=times_of_day),
    1114: ArrowType(name="timestamp", read=within_years),
    1184: ArrowType(name="timestamptz", read=within_years),
    2950: ArrowType(name="uuid", read=_uuid),
    3802: ArrowType(name="jsonb", read=_document),
}
_ENUM: Final = ArrowType(name="", read=_text)  # its bytes are its label's; the driver has no name for it


def arrow_type(number: int, dtype: pl.DataType | None, *, is_enum: bool) -> ArrowType | None:
    """Return how a type is read as Arrow, `dtype` being what its rows are read as; None where it can't be."""
    if number == NUMERIC:
        return _numeric(dtype)
    return _ENUM if is_enum else ARROW_TYPES.get(number)


def _numeric(dtype: pl.DataType | None) -> ArrowType | None:
    modifier = "-1"
    if isinstance(dtype, pl.Decimal):
        precision, scale = dtype.precision or 0, dtype.scale
        if not 0 <= scale <= precision <= _MOST_DIGITS:
            return None
        modifier = str((precision << 16 | scale) + _MODIFIER_FROM)

    def read(column: pl.Series) -> pl.Series:
        if isinstance(dtype, pl.Decimal) and (column == "nan").any():
            raise ValueError(NO_DECIMAL)
        return column.cast(pl.Float64() if dtype is None else dtype)

    return ArrowType(name="numeric", read=read, modifier=modifier)


def read_postgres(name: str, array: pa.Array, kind: ArrowType, dtype: pl.DataType, where: str) -> pl.Series:
    """Return a column of ADBC in the type that its rows are read as.

    Raises:
        DataError: FC504, it has a value that can't be.
    """
    column = read_column(name, lambda: kind.read(storage(array)), where)
    wanted = pl.String() if isinstance(dtype, pl.Unknown) else dtype
    assert column.dtype == wanted, (name, column.dtype, wanted)
    return column
