"""Columns become pieces of rows (`online/encode/cells.py`), their values as MessagePack.

What comes out is what `msgpack.Packer` makes of each value: the shortest form of integers and lengths, floats always
in 8 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgpack
import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP, list_item
from featurectl.core.frames.types import polars_dtype
from featurectl.online.encode.cells import (
    Bytes,
    EncodedCells,
    FixedCells,
    Ragged,
    WholeNumbers,
    join_pieces,
    literal,
    place_cells,
)

_NIL: Final = 0xC0
_FALSE: Final = 0xC2
_FLOAT64: Final = 0xCB
# The forms of integers by value: a form holds from its bound (of the form before: below it) to the next.
_BOUNDS: Final = np.array([-(1 << 31), -(1 << 15), -(1 << 7), -32, 1 << 7, 1 << 8, 1 << 16, 1 << 32], dtype=np.int64)
_MARKERS: Final = np.array([0xD3, 0xD2, 0xD1, 0xD0, 0, 0xCC, 0xCD, 0xCE, 0xCF], dtype=np.uint8)
_SIZES: Final = np.array([8, 4, 2, 1, 0, 1, 2, 4, 8], dtype=np.uint8)
_IN_MARKER: Final = 4  # the form of small integers, which are their own marker


@dataclass(frozen=True, slots=True)
class _Forms:
    """How long values are written: the marker of lengths below `bounds[0]` holds the length itself."""

    short: int
    bounds: WholeNumbers
    markers: Bytes
    sizes: Bytes


_TEXT: Final = _Forms(
    0xA0,
    np.array([1 << 5, 1 << 8, 1 << 16], dtype=np.int64),
    np.array([0, 0xD9, 0xDA, 0xDB], dtype=np.uint8),
    np.array([0, 1, 2, 4], dtype=np.uint8),
)
_ARRAY: Final = _Forms(
    0x90,
    np.array([1 << 4, 1 << 16], dtype=np.int64),
    np.array([0, 0xDC, 0xDD], dtype=np.uint8),
    np.array([0, 2, 4], dtype=np.uint8),
)


def array_of(count: int) -> FixedCells:
    """Return the beginning of an array of so many values, the same for every row."""
    return literal(msgpack.Packer().pack_array_header(count))


def texts(column: pl.Series) -> Ragged:
    """Return strings as their bytes in UTF-8; a null has none."""
    known = column.str.len_bytes()
    lengths = (known.fill_null(0) if column.null_count() else known).to_numpy().astype(np.int64)
    joined = column.str.join("", ignore_nulls=True).cast(pl.Binary).item()
    return Ragged(np.frombuffer(joined, dtype=np.uint8), lengths)


def pack_column(column: pl.Series, dtype: str) -> list[EncodedCells]:
    """Return the values of a column as MessagePack: instants and dates as integers, decimals as text."""
    item = list_item(dtype)
    if item is not None:
        return _lists(column.cast(polars_dtype(dtype)), item)
    column = column.cast(polars_dtype(dtype))
    nulls = column.is_null().to_numpy() if column.null_count() else None
    if dtype == FLOAT64:
        return [_floats(column, nulls)]
    if dtype == BOOL:
        return [_bools(column, nulls)]
    if dtype in {INT64, TIMESTAMP, DATE}:
        return [_integers(column, nulls)]
    return _texts(column.cast(pl.String), nulls)


def _floats(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    data = np.empty((len(column), 9), dtype=np.uint8)
    data[:, 0] = _FLOAT64
    data[:, 1:].view(">f8")[:, 0] = _filled(column, nulls).to_numpy()
    if nulls is None:
        return FixedCells(data)
    data[nulls, 0] = _NIL
    return FixedCells(data, np.where(nulls, 1, 9))


def _filled(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> pl.Series:
    return column if nulls is None else column.fill_null(0)


def _bools(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    data = _filled(column.cast(pl.UInt8), nulls).to_numpy() + np.uint8(_FALSE)
    if nulls is not None:
        data[nulls] = _NIL
    return FixedCells(data.reshape(-1, 1))


def _integers(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    numbers = _filled(column.to_physical().cast(pl.Int64), nulls).to_numpy()
    form = _places(_BOUNDS, numbers)
    first = np.where(form == _IN_MARKER, numbers.astype(np.uint8), _MARKERS[form])
    return _marked(first, numbers, _SIZES[form], nulls)


def _places(bounds: WholeNumbers, numbers: WholeNumbers) -> Bytes:
    """Return how many of some bounds, which are in order, each number has reached."""
    if not len(numbers):
        return np.zeros(0, dtype=np.uint8)
    below, within = np.searchsorted(bounds, [numbers.min(), numbers.max()], side="right")
    places = np.full(len(numbers), below, dtype=np.uint8)
    for bound in bounds[below:within]:
        places += numbers >= bound
    return places


def _marked_lengths(lengths: WholeNumbers, forms: _Forms, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    form = _places(forms.bounds, lengths)
    first = np.where(form == 0, (lengths + forms.short).astype(np.uint8), forms.markers[form])
    return _marked(first, lengths, forms.sizes[form], nulls)


def _marked(first: Bytes, numbers: WholeNumbers, sizes: Bytes, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    """Return a marker each and the last `sizes` bytes of a number, the greatest first."""
    if nulls is not None:
        first, sizes = np.where(nulls, np.uint8(_NIL), first), np.where(nulls, np.uint8(0), sizes)
    width = int(sizes.max(initial=0))
    moved = numbers.view(np.uint64) << (64 - 8 * sizes.astype(np.uint64))
    data = np.empty((len(numbers), width + 1), dtype=np.uint8)
    data[:, 0] = first
    place_cells(data, 1, moved.astype(">u8").view(np.uint8).reshape(-1, 8)[:, :width])
    return FixedCells(data, sizes.astype(np.int64) + 1)


def _texts(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> list[EncodedCells]:
    text = texts(column)
    return [_marked_lengths(text.lengths, _TEXT, nulls), text]


def _lists(column: pl.Series, item: str) -> list[EncodedCells]:
    """Return the arrays of a column of lists: all items are packed as one column, then counted out to their rows."""
    nulls = column.is_null().to_numpy() if column.null_count() else None
    counts = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    items = column.explode(empty_as_null=False, keep_nulls=False)
    packed = join_pieces(pack_column(items, item), len(items))
    last_items = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    return [_marked_lengths(counts, _ARRAY, nulls), Ragged(packed.data, np.diff(packed.ends[last_items]))]
