"""Columns become bytes, row after row, without a step of Python per row: MessagePack values and how they are joined.

A column is a piece: of each row some bytes, fixed places of which a beginning counts (`FixedCells`), or bytes of any
length that lie one row after the other already (`Ragged`). `join_pieces` puts pieces side by side.

What comes out is what `msgpack.Packer` makes of each value: the shortest form of integers and lengths, floats always
in 8 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Final

import msgpack
import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP, list_item
from featurectl.core.frames.types import polars_dtype

Bytes = npt.NDArray[np.uint8]
WholeNumbers = npt.NDArray[np.int64]

_NIL: Final = 0xC0
_FALSE: Final = 0xC2
_FLOAT64: Final = 0xCB
# The forms of integers by value: a form holds from its bound (of the form before: below it) to the next.
_BOUNDS: Final = np.array([-(1 << 31), -(1 << 15), -(1 << 7), -32, 1 << 7, 1 << 8, 1 << 16, 1 << 32], dtype=np.int64)
_MARKERS: Final = np.array([0xD3, 0xD2, 0xD1, 0xD0, 0, 0xCC, 0xCD, 0xCE, 0xCF], dtype=np.uint8)
_SIZES: Final = np.array([8, 4, 2, 1, 0, 1, 2, 4, 8], dtype=np.uint8)
_FEW_DIGITS: Final = 10_000
_PADDED: Final = 32  # bytes: rows of ragged pieces that are no longer lie in fixed places for a while
_IN_MARKER: Final = 4  # the form of small integers, which are their own marker


@dataclass(frozen=True, slots=True)
class FixedCells:
    """Bytes in fixed places, a line per row or one line for all; of each the first `lengths` count (None: all)."""

    data: Bytes
    lengths: WholeNumbers | None = None

    def part(self, begin: int, end: int) -> FixedCells:
        """Return some of the rows."""
        data = self.data[begin:end] if len(self.data) > 1 else self.data
        return FixedCells(data, None if self.lengths is None else self.lengths[begin:end])


@dataclass(frozen=True)
class Ragged:
    """Bytes of all rows, one after the other, and how many of them are each row's."""

    data: Bytes
    lengths: WholeNumbers

    @cached_property
    def ends(self) -> WholeNumbers:
        """Where each row's bytes end, after a 0: row i lies between the i-th and the next."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.lengths)])

    def part(self, begin: int, end: int) -> Ragged:
        """Return some of the rows."""
        return Ragged(self.data[self.ends[begin] : self.ends[end]], self.lengths[begin:end])

    def parts(self) -> list[bytes]:
        """Return the bytes of each row by themselves."""
        data, ends = self.data.tobytes(), self.ends.tolist()
        return [data[begin:end] for begin, end in pairwise(ends)]


EncodedCells = FixedCells | Ragged


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


def literal(data: bytes) -> FixedCells:
    """Return the same bytes for every row."""
    return FixedCells(np.frombuffer(data, dtype=np.uint8).reshape(1, -1))


def array_of(count: int) -> FixedCells:
    """Return the beginning of an array of so many values, the same for every row."""
    return literal(msgpack.Packer().pack_array_header(count))


def digits(numbers: WholeNumbers) -> FixedCells:
    """Return numbers, none of them negative, as decimal text.

    >>> join_pieces([digits(np.array([0, 10, 907])), literal(b";")], 3).data.tobytes()
    b'0;10;907;'
    """
    most = int(numbers.max(initial=0))
    if most >= _FEW_DIGITS:
        return _digits(numbers, len(str(most)))
    known = _small_numbers()
    assert known.lengths is not None
    return FixedCells(known.data[numbers, : len(str(most))], known.lengths[numbers])


@cache
def _small_numbers() -> FixedCells:
    return _digits(np.arange(_FEW_DIGITS), len(str(_FEW_DIGITS - 1)))


def _digits(numbers: WholeNumbers, width: int) -> FixedCells:
    powers = 10 ** np.arange(width, dtype=np.int64)
    lengths = np.maximum(np.searchsorted(powers, numbers, side="right"), 1)
    places = lengths[:, None] - 1 - np.arange(width)
    data = numbers[:, None] // powers[np.maximum(places, 0)] % 10 + ord("0")
    return FixedCells(data.astype(np.uint8), lengths)


def texts(column: pl.Series) -> Ragged:
    """Return strings as their bytes in UTF-8; a null has none."""
    lengths = column.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
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


def lengths_of(pieces: Sequence[EncodedCells], count: int) -> WholeNumbers:
    """Return how many bytes all pieces of each row have together."""
    return sum((_lengths(piece, count) for piece in pieces), start=np.zeros(count, dtype=np.int64))


def join_pieces(pieces: Sequence[EncodedCells], count: int) -> Ragged:
    """Return the bytes of all pieces of the first row, then of the second, and so on."""
    pieces = [_padded(piece) if isinstance(piece, Ragged) else piece for piece in pieces]
    fixed = _join_cells([piece for piece in pieces if isinstance(piece, FixedCells)], count)
    ragged = [piece for piece in pieces if isinstance(piece, Ragged)]
    runs = np.zeros((count, 2 * len(ragged) + 1), dtype=np.int64)
    run = 0
    for piece in pieces:
        run += isinstance(piece, Ragged)
        runs[:, run] += _lengths(piece, count)
        run += isinstance(piece, Ragged)
    data = _interleave(fixed, [piece.data for piece in ragged], runs) if ragged else fixed
    return Ragged(data, runs.sum(axis=1))


def _padded(piece: Ragged) -> EncodedCells:
    """Return short bytes in fixed places, which are joined faster."""
    width = int(piece.lengths.max(initial=0))
    if width > _PADDED:
        return piece
    data = np.empty((len(piece.lengths), width), dtype=np.uint8)
    data[np.arange(width) < piece.lengths[:, None]] = piece.data
    return FixedCells(data, piece.lengths)


def _interleave(fixed: Bytes, ragged: Sequence[Bytes], runs: WholeNumbers) -> Bytes:
    """Return one array of bytes, of which `runs` says line by line how many come from which: fixed, first, fixed..."""
    owners = np.zeros(runs.shape, dtype=np.uint8 if len(ragged) < 256 else np.uint32)
    owners[:, 1::2] = np.arange(1, len(ragged) + 1)
    owner = np.repeat(owners.ravel(), runs.ravel())
    out = np.empty(len(owner), dtype=np.uint8)
    out[owner == 0] = fixed
    for number, data in enumerate(ragged, 1):
        out[owner == number] = data
    return out


def _join_cells(pieces: Sequence[FixedCells], count: int) -> Bytes:
    width = sum(piece.data.shape[1] for piece in pieces)
    data = np.empty((count, width), dtype=np.uint8)
    counts = np.ones((count, width), dtype=np.bool_)
    end = 0
    for piece in pieces:
        begin, end = end, end + piece.data.shape[1]
        data[:, begin:end] = piece.data
        if piece.lengths is not None:
            np.less(np.arange(end - begin), piece.lengths[:, None], out=counts[:, begin:end])
    return data.ravel() if all(piece.lengths is None for piece in pieces) else data[counts]


def _lengths(piece: EncodedCells, count: int) -> WholeNumbers:
    return np.full(count, piece.data.shape[1], dtype=np.int64) if piece.lengths is None else piece.lengths


def _floats(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    data = np.empty((len(column), 9), dtype=np.uint8)
    data[:, 0] = _FLOAT64
    data[:, 1:] = column.fill_null(0).to_numpy().astype(">f8").view(np.uint8).reshape(-1, 8)
    if nulls is None:
        return FixedCells(data)
    data[nulls, 0] = _NIL
    return FixedCells(data, np.where(nulls, 1, 9))


def _bools(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    data = column.cast(pl.UInt8).fill_null(0).to_numpy() + np.uint8(_FALSE)
    if nulls is not None:
        data[nulls] = _NIL
    return FixedCells(data.reshape(-1, 1))


def _integers(column: pl.Series, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    numbers = column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()
    form = np.searchsorted(_BOUNDS, numbers, side="right")
    first = np.where(form == _IN_MARKER, numbers.astype(np.uint8), _MARKERS[form])
    return _marked(first, numbers, _SIZES[form], nulls)


def _marked_lengths(lengths: WholeNumbers, forms: _Forms, nulls: npt.NDArray[np.bool_] | None) -> FixedCells:
    form = np.searchsorted(forms.bounds, lengths, side="right")
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
    data[:, 1:] = moved.astype(">u8").view(np.uint8).reshape(-1, 8)[:, :width]
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
