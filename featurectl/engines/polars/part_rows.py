"""What is seen of one piece of a source: rows that are new, and those read before, which may have changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from featurectl.core.frames.timestamps import within_datetime
from featurectl.engines.base import Piece
from featurectl.engines.clocks import AVAILABLE, EVENT, HASH
from featurectl.engines.spans import MOST, NOTHING_READ, PartRows, Spans, rows_without_hashes
from featurectl.pit.hashing import add_hashes


def plus_frame(rows: PartRows, frame: pl.DataFrame) -> PartRows:
    """Return rows and those of a frame with both clocks and a hash."""
    return PartRows(
        events=rows.events.with_rows(frame[EVENT], frame[HASH]),
        known=rows.known.with_rows(frame[AVAILABLE], frame[HASH]),
        counted=rows.counted,
    )


@dataclass(slots=True, kw_only=True, eq=False)
class EarlierTally:
    """What there is of rows up to the watermark, of a piece, or of all that stand in place of others."""

    before: PartRows
    in_place: bool = False
    now: PartRows = field(default=NOTHING_READ, init=False)
    changed: tuple[datetime, datetime] | None = field(default=None, init=False)  # between which event times
    _first_total: int = field(default=0, init=False)  # of the hashes of as many of them as were read before

    @property
    def has_grown(self) -> bool:
        """True where the first rows are those that were read before, as of a part that grows at its end."""
        if not self.before.counted:
            return True
        return self.now.count >= self.before.count and self.before.events.total in (None, self._first_total)

    def look(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Take note of rows up to the watermark, and return those behind as many as were read before."""
        known = max(0, self.before.count - self.now.count) if self.before.counted else rows.height
        self.now = plus_frame(self.now, rows)
        self._first_total, _ = add_hashes((self._first_total, 0), rows.head(known)[HASH])
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
    rows: PartRows = field(default=NOTHING_READ, init=False)  # those known by the end of the piece

    @property
    def reads_range(self) -> bool:
        """True where rows outside of the range need not be read but for their clocks."""
        return bool(self.inside) and self.earlier is None

    def add(self, rows: pl.DataFrame) -> None:
        """Take note of rows with both clocks and a hash."""
        self.rows = plus_frame(self.rows, rows)

    def add_unhashed(self, rows: pl.LazyFrame | pl.DataFrame) -> None:
        """Take note of rows with both clocks, of which nothing else is read."""
        ends = [
            within_datetime(end).alias(f"{end.meta.output_name()} {number}")
            for clock in (EVENT, AVAILABLE)
            for number, end in enumerate((pl.col(clock).min(), pl.col(clock).max()))
        ]
        count, *found = rows.lazy().select(pl.len(), *ends).collect(engine="streaming").row(0)
        more = rows_without_hashes(count, (found[0], found[1]), (found[2], found[3]))
        self.rows = self.rows.plus(more).within(MOST)


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


def groups(parts: Sequence[PartTally]) -> dict[EarlierTally, list[PartTally]]:
    """Return the parts of which rows of before are looked at, by what tells of these."""
    groups: dict[EarlierTally, list[PartTally]] = {}
    for part in parts:
        if part.earlier is not None:
            groups.setdefault(part.earlier, []).append(part)
    return groups


def leave_out(parts: Sequence[PartTally], events: Spans, known: Spans) -> None:
    """Say of the rows of some parts how many of each span came late, as two spans do whose rows count as late."""
    events_left = {i: rows.late for i, rows in events.rows.items()}
    known_left = {i: rows.late for i, rows in known.rows.items()}
    for part in parts:
        part.rows = PartRows(
            events=_shared_out(part.rows.events.at_level(events.level), events_left),
            known=_shared_out(part.rows.known.at_level(known.level), known_left),
            counted=part.rows.counted,
        )


def _shared_out(spans: Spans, left: dict[int, int]) -> Spans:
    """Return spans with as many late rows as there are left for them, which are taken from these."""
    mine = {i: min(rows.count, left.get(i, 0)) for i, rows in spans.rows.items()}
    for i, count in mine.items():
        left[i] = left.get(i, 0) - count
    return spans.left_out(mine)
