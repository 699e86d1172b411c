"""What is seen of one piece of a source: rows that are new, and those read before, which may have changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from featurectl.engines.base import PartRows, Piece
from featurectl.engines.clocks import HASH
from featurectl.pit.hashing import add_hashes


@dataclass(slots=True)
class LateEvents:
    """How many rows came late, and the least and the greatest of their event times; `same` are not among them.

    Those are rows that the table has as they are.
    """

    count: int = 0
    same: int = 0
    ends: tuple[datetime, datetime] | None = None

    def add(self, events: pl.Series) -> None:
        """Take note of the event times of some rows."""
        first, last = events.min(), events.max()
        if isinstance(first, datetime) and isinstance(last, datetime):
            self.plus(LateEvents(count=len(events), ends=(first, last)))

    def plus(self, more: LateEvents) -> None:
        """Take note of what was seen of other rows."""
        self.count += more.count
        self.same += more.same
        if more.ends is not None:
            before = self.ends or more.ends
            self.ends = min(before[0], more.ends[0]), max(before[1], more.ends[1])


@dataclass(slots=True, kw_only=True, eq=False)
class EarlierTally:
    """Tells rows that came late from those that were read before, of a piece, or of all that stand in place of others.

    A part grows at its end, so the first rows up to the watermark are those that were read.
    """

    before: PartRows
    in_place: bool = False
    late: LateEvents = field(default_factory=LateEvents, init=False)
    named: list[pl.DataFrame] = field(default_factory=list, init=False)  # late rows of which there may be copies
    unnamed: list[pl.DataFrame] = field(default_factory=list, init=False)  # such without a `dedup_key`, some at a time
    _again: int = field(default=0, init=False)  # rows up to the watermark
    _first_sums: tuple[int, int] = field(default=(0, 0), init=False)  # of as many of them as were read before

    @property
    def changed(self) -> bool:
        """True where rows that were read before are not there any more as they were.

        Parts that are gone without any in their place leave their rows in the table, as files do.
        """
        if self.before.count is None or (self.in_place and not self._again):
            return False
        return self._again < self.before.count or self.before.sums not in (None, self._first_sums)

    def look(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Take note of rows up to the watermark, and return those behind as many as were read before."""
        known = rows.height if self.before.count is None else max(0, self.before.count - self._again)
        self._again += rows.height
        self._first_sums = add_hashes(self._first_sums, rows.head(known)[HASH])
        return rows.slice(known)


@dataclass(slots=True, kw_only=True)
class PartTally:
    """Counts the rows of a piece, batch after batch; `inside` says which of them lie in its range of event times.

    `earlier` is set where rows of before the piece's beginning are looked at, too.
    """

    piece: Piece
    inside: Sequence[pl.Expr] = ()
    earlier: EarlierTally | None = None
    held_back: int = field(default=0, init=False)
    count: int = field(default=0, init=False)
    sums: tuple[int, int] | None = field(default=(0, 0), init=False)

    @property
    def rows(self) -> PartRows:
        """The rows that are known by the end of the piece."""
        return PartRows(count=self.count, sums=self.sums)

    @property
    def reads_range(self) -> bool:
        """True where rows outside of the range need not be read but for their clocks."""
        return bool(self.inside) and self.earlier is None

    def add(self, rows: pl.DataFrame) -> None:
        """Take note of rows with both clocks and a hash."""
        self.count += rows.height
        self.sums = None if self.sums is None else add_hashes(self.sums, rows[HASH])

    def add_unhashed(self, count: int, held_back: int) -> None:
        """Take note of so many rows of which nobody reads more than the clocks."""
        self.count, self.sums, self.held_back = self.count + count, None, self.held_back + held_back


def tally_parts(pieces: Sequence[Piece], inside: Callable[[Piece], Sequence[pl.Expr]]) -> list[PartTally]:
    """Return a tally for each piece; those in place of other parts share what tells late rows."""
    shared: EarlierTally | None = None
    parts = []
    for piece in pieces:
        earlier = None
        if piece.after is not None and piece.read_before is not None:
            earlier = EarlierTally(before=piece.read_before, in_place=piece.in_place)
            if piece.in_place:
                earlier = shared = shared or earlier
        parts.append(PartTally(piece=piece, inside=inside(piece), earlier=earlier))
    return parts
