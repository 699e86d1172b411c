"""A frame of rows becomes packed rows, a chunk at a time, by whole columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.dtypes import BOOL, DATE
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import plural
from featurectl.online.base import OnlineView
from featurectl.online.codec import (
    COMPACT_HEADER_BYTES,
    EVENT_BYTES,
    HEADER_BYTES,
    INSTANT_BYTES,
    INSTANT_END,
    INSTANT_ZERO_US,
    KEY_LETTERS,
    PLAIN,
    SHORT_FORMATS,
    SINCE_BYTES,
)
from featurectl.online.encode.cells import (
    Bytes,
    EncodedCells,
    FixedCells,
    Ragged,
    WholeNumbers,
    join_pieces,
    place_cells,
)
from featurectl.online.encode.columns import array_of, pack_column, texts

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


def encode_chunks(view: OnlineView, rows: pl.DataFrame, schema_id: int, *, is_compact: bool) -> Iterator[PackedChunk]:
    """Yield the rows of a frame (keys, event_time, available_at, computed_at, features) packed, 20,000 at a time.

    `is_compact`: those that can be are of the short formats.

    Raises:
        DataError: a key is null (FC505), or an instant lies after the year 2284 (FC504).
    """
    for block in rows.iter_slices(BLOCK_ROWS):
        keys = _pack_keys(view, block)
        instants = [_instants(view, block, name) for name in INSTANTS]
        headers = _headers(view, instants, schema_id, is_compact=is_compact)
        pieces: list[EncodedCells] = [headers, array_of(len(view.features))]
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


def _headers(view: OnlineView, instants: Sequence[WholeNumbers], schema_id: int, *, is_compact: bool) -> FixedCells:
    """Return what stands before the features of each row: short where it can be, if it is to be."""
    event, available, computed = instants
    short = _are_short(event, available, computed) if is_compact else np.zeros(len(event), dtype=np.bool_)
    all_short = bool(short.all()) and is_compact
    headers = np.zeros((len(event), COMPACT_HEADER_BYTES if all_short else HEADER_BYTES), dtype=np.uint8)
    headers[:, 0] = np.where(short, SHORT_FORMATS[view.versioned_by], PLAIN)
    headers[:, 1], headers[:, 2] = divmod(schema_id, 256)
    first, second = EVENT_BYTES[0], EVENT_BYTES[1]
    place_cells(headers, first, _bytes_of(event if view.versioned_by == "event" else np.where(short, computed, event)))
    if not all_short:
        for position, numbers in enumerate((available, computed), 1):
            start = first + position * INSTANT_BYTES
            headers[:, start : start + INSTANT_BYTES] = _bytes_of(numbers)
    if short.any():
        since = _bytes_of(np.where(short, computed - event, 0))[:, INSTANT_BYTES - SINCE_BYTES :]
        if all_short:
            place_cells(headers, second, since)
        else:
            headers[short, second:COMPACT_HEADER_BYTES] = since[short]
    if all_short or not short.any():
        return FixedCells(headers)
    return FixedCells(headers, np.where(short, COMPACT_HEADER_BYTES, HEADER_BYTES))


def _are_short(event: WholeNumbers, available: WholeNumbers, computed: WholeNumbers) -> npt.NDArray[np.bool_]:
    """Return which rows fit the short formats: known when they were true, and computed no more than 8 years later."""
    since = computed - event
    short: npt.NDArray[np.bool_] = (event > 0) & (available == event) & (since >= 0) & (since < 1 << 8 * SINCE_BYTES)
    return short


def _instants(view: OnlineView, rows: pl.DataFrame, name: str) -> WholeNumbers:
    since_zero = pl.col(name).cast(INSTANT).to_physical() - INSTANT_ZERO_US
    numbers: WholeNumbers = rows.select(since_zero.fill_null(0).alias("number"))["number"].to_numpy()
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < INSTANT_END:
        raise DataError(
            f"{name} of {view.view}@{view.version} holds an instant outside the years 1 to 2284", code="FC504"
        )
    return numbers


def _bytes_of(numbers: WholeNumbers) -> Bytes:
    """Return the 7 bytes of each instant."""
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 1:]
