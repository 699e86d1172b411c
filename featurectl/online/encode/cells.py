"""Pieces of rows as bytes, and how they are joined row after row without a step of Python per row.

A column is a piece: of each row some bytes, fixed places of which a beginning counts (`FixedCells`), or bytes of any
length that lie one row after the other already (`Ragged`). `join_pieces` puts pieces side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
WholeNumbers = npt.NDArray[np.int64]

_PADDED: Final = 32  # bytes: rows of ragged pieces that are no longer lie in fixed places for a while
_JOINED_ROWS: Final = 4_000  # at once: their bytes stay near the processor meanwhile


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


def literal(data: bytes) -> FixedCells:
    """Return the same bytes for every row."""
    return FixedCells(np.frombuffer(data, dtype=np.uint8).reshape(1, -1))


def place_cells(out: Bytes, begin: int, cells: Bytes) -> None:
    """Put the cells of each line side by side from a column on: as one value, which takes half as long as many."""
    if width := cells.shape[1]:
        out[:, begin : begin + width].view(f"V{width}")[:, 0] = _as_values(cells)


def lengths_of(pieces: Sequence[EncodedCells], count: int) -> WholeNumbers:
    """Return how many bytes all pieces of each row have together."""
    same = sum(piece.data.shape[1] for piece in pieces if piece.lengths is None)
    lengths = np.full(count, same, dtype=np.int64)
    for piece in pieces:
        if piece.lengths is not None:
            lengths += piece.lengths
    return lengths


def join_pieces(pieces: Sequence[EncodedCells], count: int) -> Ragged:
    """Return the bytes of all pieces of the first row, then of the second, and so on."""
    pieces = [_padded(piece) if isinstance(piece, Ragged) else piece for piece in pieces]
    fixed = [piece for piece in pieces if isinstance(piece, FixedCells)]
    lengths = lengths_of(fixed, count)
    data = _join_cells(fixed, lengths)
    if len(fixed) == len(pieces):
        return Ragged(data, lengths)
    ragged = [piece for piece in pieces if isinstance(piece, Ragged)]
    runs = np.zeros((count, 2 * len(ragged) + 1), dtype=np.int64)
    run = 0
    for piece in pieces:
        run += isinstance(piece, Ragged)
        runs[:, run] += _lengths(piece)
        run += isinstance(piece, Ragged)
    return Ragged(_interleave(data, [piece.data for piece in ragged], runs), runs.sum(axis=1))


def _padded(piece: Ragged) -> EncodedCells:
    """Return short bytes in fixed places, each row's with others behind them, which are joined faster."""
    width = int(piece.lengths.max(initial=0))
    if width > _PADDED:
        return piece
    if not width:
        return FixedCells(np.empty((len(piece.lengths), 0), dtype=np.uint8), piece.lengths)
    data = np.concatenate([piece.data, np.zeros(width, dtype=np.uint8)])
    cells = _values_in(data, width)[piece.ends[:-1]]
    return FixedCells(cells.view(np.uint8).reshape(-1, width), piece.lengths)


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


def _join_cells(pieces: Sequence[FixedCells], lengths: WholeNumbers) -> Bytes:
    pieces = [piece for piece in pieces if piece.data.shape[1]]
    kept = _kept_bytes(pieces)
    return _choose_cells(pieces, len(lengths)) if kept is None else _lay_cells(pieces, lengths, *kept)


def _kept_bytes(pieces: Sequence[FixedCells]) -> tuple[int, int] | None:
    """Return how many bytes of each row are overwritten when pieces are laid over one another, and by whom not.

    The cells of a piece are as wide as the longest: those of a short one reach over what follows, which is laid later,
    or over the beginning of the next row. The second number tells how many pieces may be laid before that beginning is
    kept, to be put back: by then it is there, and nothing has reached it. None: there is no such number.
    """
    least = [piece.data.shape[1] if piece.lengths is None else _least(piece.lengths) for piece in pieces]
    ends = list(accumulate(least, initial=0))
    over = [piece.data.shape[1] - (ends[-1] - begin) for piece, begin in zip(pieces, ends, strict=False)]
    most = max(over, default=0)
    if most <= 0:
        return 0, 0
    number = next((number for number, end in enumerate(ends) if end >= most), None)
    return None if number is None or max(over[:number], default=0) > 0 else (most, number)


def _least(lengths: WholeNumbers) -> int:
    return int(lengths.min()) if len(lengths) else 0


def _lay_cells(pieces: Sequence[FixedCells], lengths: WholeNumbers, over: int, before: int) -> Bytes:
    """Join cells, each written whole where it begins, the later ones over what the earlier ones have too much."""
    ends = np.cumsum(lengths)
    starts, size = ends - lengths, int(ends[-1]) if len(ends) else 0
    data = np.empty(size + max((piece.data.shape[1] for piece in pieces), default=0), dtype=np.uint8)
    cells = [_as_values(piece.data) for piece in pieces]
    for begin in range(0, len(lengths), _JOINED_ROWS):
        some = slice(begin, begin + _JOINED_ROWS)
        places, shift, beginnings = starts[some], 0, None
        for number, (piece, values) in enumerate(zip(pieces, cells, strict=True)):
            if over and number == before:
                beginnings = _values_in(data, over)[starts[some]]
            width = values.itemsize
            _values_in(data, width, shift)[places] = values[some] if len(values) > 1 else values
            if piece.lengths is None:
                shift += width
            else:
                places = places + piece.lengths[some]
        if beginnings is not None:
            _values_in(data, over)[starts[some]] = beginnings
    return data[:size]


def _choose_cells(pieces: Sequence[FixedCells], count: int) -> Bytes:
    """Join cells of which the short ones would reach too far: all side by side, then what counts of each."""
    width = sum(piece.data.shape[1] for piece in pieces)
    data = np.empty((count, width), dtype=np.uint8)
    counts = np.ones((count, width), dtype=np.bool_)
    end = 0
    for piece in pieces:
        begin, end = end, end + piece.data.shape[1]
        data[:, begin:end] = piece.data
        if piece.lengths is not None:
            np.less(np.arange(end - begin), piece.lengths[:, None], out=counts[:, begin:end])
    return data[counts]


def _as_values(cells: Bytes) -> npt.NDArray[np.void]:
    """Return the cells of each line as one value."""
    values: npt.NDArray[np.void] = cells.view(f"V{cells.shape[1]}")[:, 0]
    return values


def _values_in(data: Bytes, width: int, begin: int = 0) -> npt.NDArray[np.void]:
    """Return a view of bytes, values of so many of them: one from each place on, which overlap."""
    return np.ndarray(len(data) - begin - width + 1, f"V{width}", data, begin, (1,))


def _lengths(piece: EncodedCells) -> WholeNumbers | int:
    return piece.data.shape[1] if piece.lengths is None else piece.lengths
