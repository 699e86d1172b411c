"""Which entities a push sends: those whose values may differ from what the store has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import instant_literal
from featurectl.core.units import instant_us
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage, OfflineTable
from featurectl.online.base import Bound, OnlineView, PushRecord
from featurectl.online.row_schema import schema_digest
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

PART_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTask:
    """A view version to push as of now, with what was found out about its table and its last push, once."""

    view: FeatureView
    online: OnlineView
    table: OfflineTable
    now: datetime
    table_version: int
    coverage: Coverage
    last: PushRecord | None
    rebuilt: bool
    runs_out: bool = False  # the store lets rows go soon that the table has
    lost: int = 0  # rows that the store had after the last push and has not any more
    none_after: Bound | None = None  # whatever is there that was computed later is replaced

    @property
    def same_rows(self) -> bool:
        """True when the table and the schema are those of the last push, and the store keeps what it sent."""
        last = self.last
        known = (self.table_version, schema_digest(self.online))
        kept = not self.rebuilt and not self.runs_out
        return last is not None and kept and (last.table_version, last.schema) == known

    @property
    def settled(self) -> bool:
        """True when no value can have changed since the last push, so that no row need be read."""
        if self.last is None or not self.same_rows:
            return False
        if self.last.computed_at == self.now:
            return True
        newest = (self.coverage.watermark, self.coverage.newest_event)
        return self.view.kind != "event" and all(t is None or t <= self.last.computed_at for t in newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRows:
    """All rows of some entities, those of the entities that are to be sent, and how many these are."""

    rows: pl.DataFrame
    entities: pl.DataFrame
    count: int


def read_parts(task: PushTask, columns: Sequence[str] | None = None) -> Iterator[ChosenRows]:
    """Yield the table's rows, or `columns` of them, about 100,000 in a part.

    In memory are some hundred thousand rows of a bucket, and all of one that lies in several files.
    """
    if task.settled:
        return
    view, now = task.view, task.now
    choice = _window_rows(task) if view.kind == "event" else _state_rows(task)
    at = instant_literal(now)
    visible = (pl.col(EVENT_TIME) <= at) & (pl.col(AVAILABLE_AT) <= at) & choice
    for bucket in range(task.table.buckets(task.table_version)):
        for rows in whole_keys(task.table.parts(bucket, task.table_version, columns), view.keys):
            for part in cut_between_keys(rows, view.keys, PART_ROWS):
                yield _part(part.rechunk(), visible, view.keys)


def _part(rows: pl.DataFrame, visible: pl.Expr, keys: Sequence[str]) -> ChosenRows:
    chosen = rows.lazy().filter(visible)
    if not keys:
        return ChosenRows(rows=rows, entities=pl.DataFrame(), count=chosen.head(1).collect().height)
    entities = chosen.select(keys).unique(maintain_order=True).collect()
    return ChosenRows(rows=rows, entities=entities, count=entities.height)


def whole_keys(blocks: Iterable[pl.DataFrame], keys: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield blocks of rows, which follow each other in order, cut anew so that each has all rows of its keys."""
    held: pl.DataFrame | None = None
    for block in blocks:
        if held is None:
            held = block
            continue
        same = [pl.col(key).eq_missing(pl.col(key).last()) for key in keys]
        start = held.select(pl.all_horizontal(same).arg_true().first()).item() if same else 0
        if start:
            yield held[:start]
        held = pl.concat([held[start:], block], rechunk=False)
    if held is not None:
        yield held


def cut_between_keys(rows: pl.DataFrame, keys: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
    """Yield rows in parts of at least `size`, each with all rows of its keys; rows that are not in order stay whole."""
    if rows.height <= size or not keys:
        yield rows
        return
    same, later = pl.lit(True), pl.lit(False)
    for key in keys:
        later |= same & (pl.col(key) > pl.col(key).shift(1))
        same &= pl.col(key) == pl.col(key).shift(1)
    found = rows.lazy().select(same.alias("same"), (same | later).alias("ordered")).slice(1).collect()
    starts = (~found["same"]).arg_true() + 1 if found["ordered"].all() else pl.Series([], dtype=pl.UInt32)
    begin = 0
    while begin + size < rows.height:
        place = starts.search_sorted(begin + size)
        end = starts[place] if place < len(starts) else rows.height
        yield rows[begin:end]
        begin = end
    if begin < rows.height:
        yield rows[begin:]


def _state_rows(task: PushTask) -> pl.Expr:
    if task.last is None or not task.same_rows:
        return pl.lit(True)
    return pl.max_horizontal(EVENT_TIME, AVAILABLE_AT) > task.last.computed_at


def _window_rows(task: PushTask) -> pl.Expr:
    """Choose the rows that lie in a window at now, or at any instant since the last push.

    The instants between count too: a push that was cut off has stored values of one of them. After a rebuild, when
    even the first push was cut off, and when the features changed, every row counts: of what is stored no row stays
    that lacks a feature.
    """
    view, now = task.view, task.now
    if task.rebuilt or (task.last is not None and task.last.schema != schema_digest(task.online)):
        return pl.lit(True)
    since_us = instant_us(task.last.computed_at if task.last else now)
    event_us = pl.col(EVENT_TIME).to_physical()
    windows = {(feature.offset_us, feature.window_us) for feature in view.features}
    choices = []
    for offset_us, window_us in sorted(windows, key=str):
        choice = event_us <= instant_us(now) - offset_us
        if window_us is not None:
            choice &= event_us >= since_us - offset_us - window_us - (view.hop_us or 0)
        choices.append(choice)
    return pl.any_horizontal(choices)
