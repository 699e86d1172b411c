"""Copies of events (`dedup_key`): the one that counts, and those that differ from it though only a hash chose it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from featurectl.engines.base import EarlierRows, Piece
from featurectl.engines.clocks import AVAILABLE, EVENT, HASH, as_read, clocked, copy_order, sort_copies, split_repeats
from featurectl.engines.polars.late_rows import SEEN, precedes
from featurectl.engines.polars.read_rows import NAMED, hashed, wanted_rows
from featurectl.language.definitions.source import Source
from featurectl.pit.questions import DEDUP


@dataclass(slots=True, kw_only=True)
class EventCopies:
    """The copies of events among the rows of a source that are read, some at a time.

    `differing` counts those that differ in some column of the source from the copy that counts, though neither a time
    nor a `tiebreak` tells the two apart; `event` is the least `dedup_key` of one. Of these only such as are
    `is_new` count (None: all).
    """

    source: Source
    is_new: pl.Expr | None = None
    differing: int = 0
    event: Mapping[str, object] = field(default_factory=dict)

    def without(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a frame that count; all copies of an event are in it."""
        kept, repeats = split_repeats(frame, self.source)
        if repeats.height:
            first = kept.select(NAMED, *copy_order(self.source))
            self._compare(repeats.join(first, on=NAMED, suffix=SEEN))
        return kept

    def without_seen(self, frame: pl.DataFrame, seen: EarlierRows) -> tuple[pl.DataFrame, list[int]]:
        """Return the rows that no copy precedes that was seen, and the keys' hashes of seen rows that one precedes."""
        order = copy_order(self.source)
        events = frame.select(pl.col(NAMED).drop_nulls())
        found = [self._read_copies(piece, frame) for piece in seen.pieces]
        for rows in seen.rows() if seen.rows else ():
            copies = as_read(rows.rename({DEDUP: NAMED})).join(events, on=NAMED, how="semi")
            found.append(copies.select(NAMED, *order))
        if not found:
            return frame, []
        first = sort_copies(pl.concat(found), order).unique(NAMED, keep="first", maintain_order=True)
        both = frame.join(first, on=NAMED, how="left", suffix=SEEN, maintain_order="left")
        copy = pl.col(f"{HASH}{SEEN}").is_not_null()
        self._compare(both.filter(copy))
        replaced = both.filter(copy & precedes(order))[NAMED].to_list()
        return both.filter(~copy | precedes(order)).select(frame.columns), replaced

    def _compare(self, both: pl.DataFrame) -> None:
        """Take note of rows that differ from the copies beside them, and that nothing but their hash tells apart."""
        *order, last = copy_order(self.source)
        tied = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}{SEEN}")) for name in order)
        differing = both.filter(tied & (pl.col(last) != pl.col(f"{last}{SEEN}")))
        if self.is_new is not None:
            differing = differing.filter(self.is_new)
        if differing.height:
            self.differing += differing.height
            key = list(self.source.dedup_key)
            least = differing.select(key).bottom_k(1, by=key)
            if self.event:
                least = pl.concat([least, pl.DataFrame([self.event], schema=least.schema)]).bottom_k(1, by=key)
            self.event = least.row(0, named=True)

    def _read_copies(self, piece: Piece, frame: pl.DataFrame) -> pl.DataFrame:
        """Return what tells copies of the rows of a piece that are of the same events as those of a frame."""
        key = list(self.source.dedup_key)
        timed = pl.col(EVENT).is_not_null() & pl.col(AVAILABLE).is_not_null()  # others were dropped, and repeat nothing
        before = clocked(piece.scan.read(), self.source).filter(wanted_rows(piece) & timed)
        rows = before.join(frame.lazy().select(key), on=key, how="semi").collect(engine="streaming")
        return hashed(rows, self.source).select(NAMED, *copy_order(self.source))
