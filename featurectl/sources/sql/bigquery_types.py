"""BigQuery's types: which of Polars they are read as, and Arrow of it as frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.sources.sql.arrow_columns import TOO_PRECISE, read_column

if TYPE_CHECKING:
    import pyarrow as pa
    from google.cloud.bigquery import SchemaField

_DIGITS: Final = (38, 9)  # of NUMERIC; a BIGNUMERIC that has more is an error
# By the names of GoogleSQL, and by those of the first SQL, which the interface still says.
_TYPES: Final[Mapping[str, pl.DataType]] = {
    "INT64": pl.Int64(), "INTEGER": pl.Int64(), "FLOAT64": pl.Float64(), "FLOAT": pl.Float64(), "BOOL": pl.Boolean(),
    "BOOLEAN": pl.Boolean(),
    "NUMERIC": pl.Decimal(*_DIGITS), "BIGNUMERIC": pl.Decimal(*_DIGITS), "STRING": pl.String(),
    "BYTES": pl.Binary(), "DATE": pl.Date(), "DATETIME": pl.Datetime("us"), "TIMESTAMP": INSTANT, "TIME": pl.Time(),
    "JSON": pl.String(), "GEOGRAPHY": pl.String(),
}  # fmt: skip
_STRUCTS: Final = ("RECORD", "STRUCT")


def polars_types(fields: Sequence[SchemaField], where: str) -> dict[str, pl.DataType]:
    """Return the columns with the types that they are read as.

    Raises:
        DataError: FC504, there is no counterpart of one.
    """
    found = {}
    for each in fields:
        try:
            found[each.name] = _polars_type(each)
        except KeyError as error:
            message = (
                f"{where}: column {each.name!r} can't be read: it is of type {error.args[0]}: cast it in the query"
            )
            raise DataError(message, code="FC504") from error
    return found


def _polars_type(found: SchemaField) -> pl.DataType:
    """Return the type of a column; KeyError with the name of one that there is no counterpart of."""
    kind = found.field_type.upper()
    if kind in _STRUCTS:
        one: pl.DataType = pl.Struct({each.name: _polars_type(each) for each in found.fields})
    else:
        one = _TYPES[kind]
    return pl.List(one) if found.mode == "REPEATED" else one


def bigquery_frame(rows: pa.RecordBatch, types: Mapping[str, pl.DataType], where: str) -> pl.DataFrame:
    """Return rows in the types that BigQuery gives their columns.

    Raises:
        DataError: FC504, a BIGNUMERIC has more digits than can be read.
    """
    columns = zip(rows.columns, types.items(), strict=True)
    return pl.DataFrame([read_column(name, partial(_column, array, kind), where) for array, (name, kind) in columns])


def _column(array: pa.Array, kind: pl.DataType) -> pl.Series:
    """Return a column; ValueError where a number would lose digits."""
    if _has_decimal(kind):
        try:
            array = array.cast(_arrow_type(kind))
        except ValueError as error:  # Arrow's words are about rescaling
            raise ValueError(TOO_PRECISE) from error
    return pl.Series("", array).cast(kind)


def _has_decimal(kind: pl.DataType) -> bool:
    if isinstance(kind, pl.List):
        return _has_decimal(kind.inner)  # type: ignore[arg-type]  # made here, of instances
    if isinstance(kind, pl.Struct):
        return any(_has_decimal(each.dtype) for each in kind.fields)  # type: ignore[arg-type]  # so are these
    return isinstance(kind, pl.Decimal)


def _arrow_type(kind: Any) -> pa.DataType:
    import pyarrow as pa

    if isinstance(kind, pl.List):
        return pa.list_(_arrow_type(kind.inner))
    if isinstance(kind, pl.Struct):
        return pa.struct([(each.name, _arrow_type(each.dtype)) for each in kind.fields])
    if isinstance(kind, pl.Decimal):
        return pa.decimal128(*_DIGITS)
    of_arrow: Mapping[type[pl.DataType], Callable[[], pa.DataType]] = {
        pl.Int64: pa.int64, pl.Float64: pa.float64, pl.Boolean: pa.bool_, pl.String: pa.string, pl.Binary: pa.binary,
        pl.Date: pa.date32,
    }  # fmt: skip
    if isinstance(kind, pl.Datetime):
        return pa.timestamp("us", kind.time_zone)
    return pa.time64("us") if isinstance(kind, pl.Time) else of_arrow[type(kind)]()
