"""A frame of rows becomes packed rows, a chunk at a time, by whole columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from featurectl.core.dtypes import BOOL, DATE
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import plural
from featurectl.online.base import OnlineView
from featurectl.online.codec import EVENT_BYTES, HEADER_BYTES, INSTANT_BYTES, INSTANT_END, INSTANT_ZERO_US, KEY_LETTERS
from featurectl.online.encode.columns import (
    Bytes,
    EncodedCells,
    FixedCells,
    Ragged,
    array_of,
    join_pieces,
    pack_column,
    texts,
)
from featurectl.online.row_schema import FORMAT

BLOCK_ROWS = 100_000  # packed column by column
CHUNK_ROWS = 20_000  # put together: its bytes, of each row some hundred, stay near the processor meanwhile
INSTANTS = ("event_time", "available_at", "computed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedChunk:
    """Packed keys of entities, and their packed rows in the same order, in pieces."""

    keys: Ragged
    pieces: Sequence[EncodedCells]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.keys.lengths)

    def rows(self) -> Ragged:
        """Return the packed rows."""
        return join_pieces(self.pieces, self.count)


def encode_chunks(view: OnlineView, rows: pl.DataFrame, schema_id: int) -> Iterator[PackedChunk]:
    """Yield the rows of a frame (keys, event_time, available_at, computed_at, features) packed, 20,000 at a time.

    Raises:
        DataError: a key is null (FC505), or an instant lies after the year 2284 (FC504).
    """
    for block in rows.iter_slices(BLOCK_ROWS):
        keys = _pack_keys(view, block)
        pieces: list[EncodedCells] = [FixedCells(_headers(view, block, schema_id)), array_of(len(view.features))]
        for name, dtype in view.features.items():
            pieces += pack_column(block[name], dtype)
        for begin in range(0, block.height, CHUNK_ROWS):
            end = min(begin + CHUNK_ROWS, block.height)
            yield PackedChunk(keys=keys.part(begin, end), pieces=[piece.part(begin, end) for piece in pieces])


def encode_keys(view: OnlineView, rows: pl.DataFrame) -> list[bytes]:
    """Return the packed key of each row.

    Raises:
        DataError: FC505, a key is null.
    """
    return _pack_keys(view, rows).parts()


def _pack_keys(view: OnlineView, rows: pl.DataFrame) -> Ragged:
    if not view.keys:
        return Ragged(np.empty(0, dtype=np.uint8), np.zeros(rows.height, dtype=np.int64))
    parts: list[pl.Expr] = []
    for name, dtype in view.keys.items():
        column = pl.col(name).cast(polars_dtype(dtype))
        number = {BOOL: pl.Int8, DATE: pl.Int32}.get(dtype)
        text = (column.cast(number) if number else column).cast(pl.String)
        length = text.str.len_bytes().cast(pl.String)
        parts += [pl.lit(KEY_LETTERS[dtype]), length, pl.lit(":"), text]
    keys = rows.select(pl.concat_str(parts).alias("key"))["key"]
    if missing := keys.null_count():
        raise DataError(
            f"{view.view}@{view.version}: {missing:,} {plural(missing, 'row')} with a null key", code="FC505"
        )
    return texts(keys)


def _headers(view: OnlineView, rows: pl.DataFrame, schema_id: int) -> Bytes:
    headers = np.empty((rows.height, HEADER_BYTES), dtype=np.uint8)
    headers[:, 0] = FORMAT
    headers[:, 1], headers[:, 2] = divmod(schema_id, 256)
    for position, name in enumerate(INSTANTS):
        start = EVENT_BYTES[0] + position * INSTANT_BYTES
        headers[:, start : start + INSTANT_BYTES] = _instants(view, rows, name)
    return headers


def _instants(view: OnlineView, rows: pl.DataFrame, name: str) -> Bytes:
    since_zero = pl.col(name).cast(INSTANT).to_physical() - INSTANT_ZERO_US
    numbers = rows.select(since_zero.fill_null(0).alias("number"))["number"].to_numpy()
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < INSTANT_END:
        raise DataError(
            f"{name} of {view.view}@{view.version} holds an instant outside the years 1 to 2284", code="FC504"
        )
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 1:]
