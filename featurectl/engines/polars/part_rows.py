"""What is seen of one piece of a source: rows that are new, and those read before, which may have changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from featurectl.engines.base import PartRows, Piece
from featurectl.engines.clocks import HASH
from featurectl.pit.hashing import add_hashes


@dataclass(slots=True, kw_only=True)
class PartTally:
    """Counts the rows of a piece, batch after batch; `inside` says which of them lie in its range of event times."""

    piece: Piece
    inside: Sequence[pl.Expr] = ()
    held_back: int = field(default=0, init=False)
    count: int = field(default=0, init=False)
    sums: tuple[int, int] | None = field(default=(0, 0), init=False)
    _again: int = field(default=0, init=False)  # rows up to `after`
    _first_sums: tuple[int, int] = field(default=(0, 0), init=False)  # of as many of them as were read before

    @property
    def rows(self) -> PartRows:
        """The rows that are known by the end of the piece."""
        return PartRows(count=self.count, sums=self.sums)

    @property
    def changed(self) -> bool:
        """True where rows that were read before are not there any more as they were.

        A part grows at its end, so those are the first of it; in another order they are the same while there are no
        more.
        """
        before = self.piece.read_before
        if before is None or before.count is None:
            return False
        return self._again < before.count or before.sums not in (None, self._first_sums)

    @property
    def looks_again(self) -> bool:
        """True where rows of before the piece's beginning are looked at, too."""
        return self.piece.after is not None and self.piece.read_before is not None

    @property
    def reads_range(self) -> bool:
        """True where rows outside of the range need not be read but for their clocks."""
        return bool(self.inside) and not self.looks_again

    def add(self, rows: pl.DataFrame) -> None:
        """Take note of rows with both clocks and a hash."""
        self.count += rows.height
        self.sums = None if self.sums is None else add_hashes(self.sums, rows[HASH])

    def add_unhashed(self, count: int, held_back: int) -> None:
        """Take note of so many rows of which nobody reads more than the clocks."""
        self.count, self.sums, self.held_back = self.count + count, None, self.held_back + held_back

    def look_again(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Take note of rows up to the piece's beginning, and return those behind as many as were read before."""
        before = self.piece.read_before
        assert before is not None
        known = rows.height if before.count is None else max(0, before.count - self._again)
        self._again += rows.height
        self._first_sums = add_hashes(self._first_sums, rows.head(known)[HASH])
        self.add(rows)
        return rows.slice(known)
