"""A digest of rows of any types that is the same on every machine, however the rows lie in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

CHUNK_ROWS: Final = 100_000
_TOO_WIDE: Final = (pl.Int128(), pl.UInt128())  # numpy has no such integers


def digest_rows(frame: pl.DataFrame) -> str:
    """Return 64 hexadecimal digits: equal for equal names, types and values in equal order of the rows.

    The order of the columns does not matter. Every NaN is one value, -0.0 is 0.0, and a null differs from all values.

    >>> rows = pl.DataFrame({"a": [1, None], "b": [b"x", None]})
    >>> digest_rows(rows) == digest_rows(rows.select("b", "a")), digest_rows(rows) == digest_rows(rows.reverse())
    (True, False)
    """
    return digest_columns(frame.schema, frame.height, lambda name: _chunks(frame[name]))


def digest_columns(schema: pl.Schema, height: int, chunks: Callable[[str], Iterable[pl.Series]]) -> str:
    """Return the same of rows that are not one frame: `chunks` gives a column by its name, CHUNK_ROWS at a time."""
    digest = hashlib.sha256()
    for name in sorted(schema):
        digest.update(_text(f"{name}\x00{schema[name]!r}\x00{height}"))
        for chunk in chunks(name):
            for piece in _pieces(chunk):
                digest.update(piece)
    return digest.hexdigest()


def _chunks(column: pl.Series) -> Iterator[pl.Series]:
    return (column.slice(start, CHUNK_ROWS) for start in range(0, len(column), CHUNK_ROWS))


def _pieces(column: pl.Series) -> Iterator[bytes]:
    """Give which values are null, then the others; what lies beneath a null is not looked at."""
    valid = column.is_not_null()
    yield _bytes(valid.to_numpy())
    column, dtype = column if valid.all() else column.filter(valid), column.dtype
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield _text(field.name)
            yield from _pieces(column.struct.field(field.name))
    elif isinstance(dtype, pl.Array):
        yield from _lists(column.arr.to_list())
    elif isinstance(dtype, pl.List):
        yield from _lists(column)
    elif dtype.is_float():
        # Adding 0.0 turns -0.0 into 0.0; NaN has many bit patterns.
        values = column.cast(pl.Float64).to_numpy() + 0.0
        yield _bytes(np.where(np.isnan(values), np.nan, values))
    elif dtype.is_temporal() or dtype == pl.Boolean or (dtype.is_integer() and dtype not in _TOO_WIDE):
        yield _bytes(column.to_physical().to_numpy())
    elif isinstance(dtype, pl.Binary):
        yield from _texts(column.bin.encode("hex"))
    elif not isinstance(dtype, pl.Null):
        yield from _texts(column.cast(pl.String))


def _lists(column: pl.Series) -> Iterator[bytes]:
    lengths = column.list.len()
    yield _bytes(lengths.to_numpy())
    yield from _pieces(column.filter(lengths > 0).explode())


def _texts(column: pl.Series) -> Iterator[bytes]:
    yield _bytes(column.str.len_bytes().to_numpy())
    yield column.str.join("").item().encode()


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(8, "little") + text.encode()


def _bytes(values: npt.NDArray[Any]) -> bytes:
    return values.astype(values.dtype.newbyteorder("<")).tobytes()
