"""A frame of rows becomes packed rows, a chunk at a time, by whole columns where that is simple."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgpack
import numpy as np
import polars as pl

from featurectl.dtypes import BOOL, DATE, TIMESTAMP, decimal_parts, list_item
from featurectl.engines.polars.timestamps import INSTANT
from featurectl.engines.polars.types import polars_dtype
from featurectl.errors import DataError
from featurectl.online.base import OnlineView
from featurectl.online.codec import HEADER_BYTES, INSTANT_BYTES, INSTANT_END, INSTANT_ZERO_US, KEY_LETTERS
from featurectl.online.schema import FORMAT
from featurectl.units import plural

CHUNK_ROWS = 50_000
INSTANTS = ("event_time", "available_at", "computed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Packed keys of entities and their packed rows, in one order."""

    keys: list[bytes]
    rows: list[bytes]


def encode_chunks(view: OnlineView, rows: pl.DataFrame, schema_id: int) -> Iterator[Chunk]:
    """Yield the rows of a frame (keys, event_time, available_at, computed_at, features) packed, 50,000 at a time.

    Raises:
        DataError: a key is null (FC505), or an instant lies after the year 2284 (FC504).
    """
    for part in rows.iter_slices(CHUNK_ROWS):
        yield Chunk(keys=encode_keys(view, part), rows=_rows(view, part, schema_id))


def encode_keys(view: OnlineView, rows: pl.DataFrame) -> list[bytes]:
    """Return the packed key of each row.

    Raises:
        DataError: FC505, a key is null.
    """
    if not view.keys:
        return [b""] * rows.height
    parts: list[pl.Expr] = []
    for name, dtype in view.keys.items():
        column = pl.col(name).cast(polars_dtype(dtype))
        number = {BOOL: pl.Int8, DATE: pl.Int32}.get(dtype)
        text = (column.cast(number) if number else column).cast(pl.String)
        length = text.str.len_bytes().cast(pl.String)
        parts += [pl.lit(KEY_LETTERS[dtype]), length, pl.lit(":"), text]
    keys = rows.select(pl.concat_str(parts).cast(pl.Binary).alias("key"))["key"]
    if missing := keys.null_count():
        raise DataError(
            f"{view.view}@{view.version}: {missing:,} {plural(missing, 'row')} with a null key", code="FC505"
        )
    return keys.to_list()


def _rows(view: OnlineView, rows: pl.DataFrame, schema_id: int) -> list[bytes]:
    values = rows.select(_physical(name, dtype) for name, dtype in view.features.items())
    pack = msgpack.Packer().pack
    headers = _headers(view, rows, schema_id).tobytes()
    packed = values.iter_rows() if view.features else iter([()] * rows.height)
    return [headers[at : at + HEADER_BYTES] + pack(row) for at, row in zip(_starts(rows.height), packed, strict=True)]


def _starts(count: int) -> range:
    return range(0, count * HEADER_BYTES, HEADER_BYTES)


def _physical(name: str, dtype: str) -> pl.Expr:
    """Return the column in the form that is packed: instants and dates as integers, decimals as text."""
    column = pl.col(name).cast(polars_dtype(dtype))
    item = list_item(dtype)
    packed = _packed_dtype(item or dtype)
    if packed is None:
        return column
    return column.cast(pl.List(packed)) if item else column.cast(packed)


def _packed_dtype(dtype: str) -> pl.DataType | None:
    if decimal_parts(dtype):
        return pl.String()
    return {TIMESTAMP: pl.Int64(), DATE: pl.Int32()}.get(dtype)


def _headers(view: OnlineView, rows: pl.DataFrame, schema_id: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    headers = np.empty((rows.height, HEADER_BYTES), dtype=np.uint8)
    headers[:, 0] = FORMAT
    headers[:, 1], headers[:, 2] = divmod(schema_id, 256)
    for position, name in enumerate(INSTANTS):
        start = 3 + position * INSTANT_BYTES
        headers[:, start : start + INSTANT_BYTES] = _instants(view, rows, name)
    return headers


def _instants(view: OnlineView, rows: pl.DataFrame, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    since_zero = pl.col(name).cast(INSTANT).to_physical() - INSTANT_ZERO_US
    numbers = rows.select(since_zero.fill_null(0).alias("number"))["number"].to_numpy()
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < INSTANT_END:
        raise DataError(
            f"{name} of {view.view}@{view.version} holds an instant outside the years 1 to 2284", code="FC504"
        )
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 1:]
