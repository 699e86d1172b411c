"""Rows that a source gives again: those that a table has are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from featurectl.engines.base import EarlierRows, Piece
from featurectl.engines.clocks import AVAILABLE, EVENT, HASH, as_read

_ROW = [EVENT, AVAILABLE, HASH]
_TIMES, _NUMBER = "\x00times", "\x00number"


def is_known_later(piece: Piece) -> pl.Expr:
    """Return which rows of a piece were not there when its scan was read before, as far as their clocks tell."""
    if piece.events_until is not None:
        return (pl.col(EVENT) > piece.events_until).fill_null(value=True)
    return (pl.col(AVAILABLE) > piece.reread_until).fill_null(value=True)


@dataclass(slots=True, kw_only=True)
class RereadRows:
    """The rows of a piece from before its `reread_until`, some at a time, beside those that the table has of then."""

    piece: Piece
    seen: EarlierRows
    _there: pl.DataFrame | None = field(default=None, init=False)  # rows of the table, and how often each is there

    def without_those_there(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a frame, which have a hash, without those that the table has: each as often as it has it.

        What is returned is in another order.
        """
        later = is_known_later(self.piece)
        again = frame.filter(~later)
        if again.is_empty():
            return frame
        there = self._there if self._there is not None else self._of_table(frame)
        again = again.with_columns(pl.int_range(pl.len()).over(_ROW).alias(_NUMBER))
        met = again.group_by(_ROW).agg(pl.len().cast(pl.Int64).alias(_NUMBER))
        left = there.join(met, on=_ROW, how="left").select(*_ROW, pl.col(_TIMES) - pl.col(_NUMBER).fill_null(0))
        lacking = again.join(there, on=_ROW, how="left").filter(pl.col(_NUMBER) >= pl.col(_TIMES).fill_null(0))
        self._there = left.filter(pl.col(_TIMES) > 0)
        return pl.concat([frame.filter(later), lacking.select(frame.columns)])

    def _of_table(self, like: pl.DataFrame) -> pl.DataFrame:
        after = pl.lit(value=True) if self.piece.after is None else pl.col(AVAILABLE) > self.piece.after
        found = [as_read(rows).filter(after & ~is_known_later(self.piece)).select(_ROW) for rows in self._rows()]
        return pl.concat([like.clear().select(_ROW), *found]).group_by(_ROW).agg(pl.len().cast(pl.Int64).alias(_TIMES))

    def _rows(self) -> Iterator[pl.DataFrame]:
        assert self.seen.table is not None
        return self.seen.table()
