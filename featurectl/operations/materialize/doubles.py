"""Doubles among the rows of a view: rows that are equal, and rows of one key and time of which a hash chooses one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from featurectl.engines.base import BucketedRows, Prepared
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage, OfflineTable
from featurectl.pit.order import row_order
from featurectl.pit.questions import DEDUP, TIE_ORDER

_AT_ONCE: Final = 1_000_000  # rows of a table that are looked through
_SAME, _DIFFERS = "\x00same", "\x00differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubles:
    """What a run found among the rows that it wrote.

    `equal` rows are of an event view and equal another of their source in every column, so that both count. `tied_keys`
    is how many keys of a state view have rows of the same times and tiebreak with other values, of which the one with
    the greatest hash counts; `tied_key` is one of them. `copies` of events differ from the one that counts and was
    chosen by its hash alone; `copied_event` is the key of one of these events.
    """

    equal: int = 0
    tied_keys: int = 0
    tied_key: Mapping[str, object] = field(default_factory=dict)
    copies: int = 0
    copied_event: Mapping[str, object] = field(default_factory=dict)


NO_DOUBLES: Final = Doubles()


@dataclass(slots=True, kw_only=True)
class DoubleFinder:
    """Looks at the sorted rows of a view as they are written; where `overlaps`, its table may have rows like them."""

    view: FeatureView
    overlaps: bool = False
    found: Doubles = field(default=NO_DOUBLES, init=False)
    _hashes: list[pl.Series] = field(default_factory=list, init=False)
    _last_tied: tuple[object, ...] | None = field(default=None, init=False)

    @property
    def counts_equal(self) -> bool:
        """True where equal rows count twice, and nothing says that they are copies."""
        return self.view.kind == "event" and not self.view.source.dedup_key

    def watch(self, prepared: Prepared, base: Coverage | None = None) -> Prepared:
        """Return prepared rows that are looked at when they are read; `base` is what the table has read before.

        Rows that were known later than others equal none of them: only without `available_at` new ones may.
        """
        copies, event = prepared.differing_copies, prepared.differing_event
        self.found = replace(self.found, copies=copies, copied_event=event)
        if self.view.kind == "event" and not self.counts_equal:
            return prepared
        if base is not None and self.view.source.available_at is None and prepared.begins is not None:
            newest = base.newest_event
            self.overlaps = self.counts_equal and newest is not None and prepared.begins[0] <= newest
        return replace(prepared, rows=_WatchedRows(prepared.rows, self))

    def look(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Give sorted frames of one bucket as they are, after a look at each."""
        last: list[pl.DataFrame] = []
        for frame in frames:
            self._look(pl.concat([*last, frame]) if last else frame)
            if self.overlaps:
                self._hashes.append(frame[TIE_ORDER])
            last = [frame.tail(1)]
            yield frame

    def compared(self, table: OfflineTable, version: int | None) -> Doubles:
        """Return what was found, with the new rows that equal one which a version of the table has."""
        if not self._hashes or version is None:
            return self.found
        new, equal = pl.concat(self._hashes).to_frame(), 0
        for rows in table.blocks(version, _AT_ONCE, [TIE_ORDER]):
            there = new.join(rows, on=TIE_ORDER, how="semi").height
            equal += there
            new = new.join(rows, on=TIE_ORDER, how="anti") if there else new
        return replace(self.found, equal=self.found.equal + equal)

    def _look(self, rows: pl.DataFrame) -> None:
        """Take note of neighbours that are equal, or the same in all but their hash."""
        if self.view.kind == "event":
            again = rows.select((pl.col(TIE_ORDER) == pl.col(TIE_ORDER).shift(1)).sum()).item()
            self.found = replace(self.found, equal=self.found.equal + again)
            return
        order = row_order(self.view.keys, rows.columns)[:-1]
        same = [pl.col(name).eq_missing(pl.col(name).shift(1)) for name in reversed(order)]
        tied = rows.select(pl.all_horizontal(*same, pl.int_range(pl.len()) > 0).alias(_SAME))[_SAME]
        if tied.any():
            self._look_closer(rows.filter(tied | tied.shift(-1, fill_value=False)), order)

    def _look_closer(self, rows: pl.DataFrame, order: Sequence[str]) -> None:
        """Take note of the keys of rows, each of which has one with the same times beside it, whose values differ."""
        values = [name for name in rows.columns if name not in (*order, TIE_ORDER, DEDUP)]
        same = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in order))
        differs = pl.any_horizontal(*(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in values))
        found = rows.filter(pl.int_range(pl.len()) > 0, same & differs) if values else rows.clear()
        if found.is_empty():
            return
        keys = found.select(self.view.keys).unique(maintain_order=True)
        first, last = (keys.row(0), keys.row(-1)) if self.view.keys else ((), ())
        more = (keys.height if self.view.keys else 1) - (first == self._last_tied)
        self._last_tied = last
        example = self.found.tied_key or dict(zip(self.view.keys, first, strict=True))
        self.found = replace(self.found, tied_keys=self.found.tied_keys + more, tied_key=example)


@dataclass(frozen=True, slots=True)
class _WatchedRows:
    """Rows of a view that are looked at when they are read."""

    rows: BucketedRows
    finder: DoubleFinder

    @property
    def height(self) -> int:
        return self.rows.height

    @property
    def schema(self) -> pl.Schema:
        return self.rows.schema

    @property
    def mark(self) -> str:
        return self.rows.mark

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        return next(self.finder.look(iter([self.rows.of(bucket, buckets)])))

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        if not among:
            return self.finder.look(self.rows.in_order(bucket, buckets))
        for _ in self.finder.look(self.rows.in_order(bucket, buckets)):
            pass  # old rows would be reported again
        return self.rows.in_order(bucket, buckets, among)
