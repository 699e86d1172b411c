"""Events of a stream and of its history -> rows of a view's offline table, by the rules of streams.

The order of the steps is read, clocks, `select`, `where`, keys, repeats: copies are looked for among the events of
an entity that the view takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT, within_datetime
from featurectl.core.frames.types import polars_dtype
from featurectl.engines.base import EventPiece, Prepared
from featurectl.engines.batches import read_batches
from featurectl.engines.budget import batch_rows
from featurectl.engines.clocks import (
    AVAILABLE,
    EVENT,
    HASH,
    clocked,
    copy_order,
    select_columns,
    sort_copies,
    typed_tree,
)
from featurectl.engines.polars.checks import Checker
from featurectl.engines.polars.prepare import Room, new_shuffle, table_columns, without_erased
from featurectl.engines.polars.read_rows import NAMED
from featurectl.engines.row_keys import LONG_KEY, key_tests, name_row
from featurectl.engines.shuffle import ShuffledRows
from featurectl.expressions.check import expression_columns
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.view import FeatureView
from featurectl.language.stream_reach import repeat_reach_us
from featurectl.language.typing.sources import row_columns
from featurectl.pit.hashing import add_hashes, hash_rows, hash_ties
from featurectl.pit.questions import AVAILABLE_AT, TIE_ORDER
from featurectl.pit.repeats import find_repeats

_APART = "\x00apart"  # true of events that are only there for copies of them
_RANK = "\x00rank"


def prepare_events(
    pieces: Sequence[EventPiece],
    view: FeatureView,
    since: datetime | None = None,
    room: Room | None = None,
    erasures: Erasures = NOTHING_ERASED,
) -> Prepared:
    """Return the rows of a view of a stream, of events from `since` on; see `Engine.prepare_events`."""
    seen = _looking(pieces, view, since, room)
    frames = chain.from_iterable(_taken(number, piece, seen) for number, piece in enumerate(pieces))
    rows, sums = new_shuffle(room, view.keys), (0, 0)
    for frame in _without_copies(frames, seen) if view.source.dedup_key else frames:
        kept = frame.filter(~pl.col(_APART))
        seen.of_view.see(kept)
        made = without_erased(table_columns(kept, view), view, erasures, seen.dropped)
        sums = add_hashes(sums, hash_rows(made.select(AVAILABLE_AT, TIE_ORDER)))  # a stamp is of one partition
        rows.add(made)
    if rows.height == 0:
        rows.add(table_columns(_nothing(view), view))
    rows.settle()
    return Prepared(
        rows=ShuffledRows(rows, view.keys, sums),
        rows_read=seen.read,
        held_back=tuple(seen.held_back),
        watermark=seen.watermark,
        newest_event=seen.newest_event,
        dropped=dict(seen.dropped),
        long_key=seen.long_key,
        checks=(*seen.of_source.results(), *seen.of_view.results()),
        begins=seen.begins,
    )


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What was seen on the way, over all batches of all pieces."""

    view: FeatureView
    since: datetime | None
    room: Room | None
    held_back: list[int]
    of_source: Checker
    of_view: Checker
    read: int = 0
    watermark: datetime | None = None
    newest_event: datetime | None = None
    begins: tuple[datetime, datetime] | None = None
    dropped: Counter[str] = field(default_factory=Counter)
    long_key: Mapping[str, str] = field(default_factory=dict)

    def keep(self, frame: pl.DataFrame, keep: pl.Expr, reason: str) -> pl.DataFrame:
        """Return the rows to keep, counting the others."""
        kept = frame.filter(keep)
        if kept.height < frame.height:
            self.dropped[reason] += frame.height - kept.height
        return kept

    def see(self, frame: pl.DataFrame) -> None:
        """Take note of the clocks of rows that have both."""
        if frame.is_empty():
            return
        clocks = pl.col(EVENT, AVAILABLE)
        event, known = frame.select(within_datetime(clocks.min())).row(0)
        newest, watermark = frame.select(within_datetime(clocks.max())).row(0)
        before = self.begins or (event, known)
        self.begins = min(before[0], event), min(before[1], known)
        self.newest_event = max(self.newest_event or newest, newest)
        self.watermark = max(self.watermark or watermark, watermark)


def _looking(pieces: Sequence[EventPiece], view: FeatureView, since: datetime | None, room: Room | None) -> _Seen:
    folder = None if room is None else room.spill.folder
    unchecked = next((p.source for p in pieces if not p.checked and not p.earlier), replace(view.source, checks=()))
    return _Seen(
        view=view,
        since=since,
        room=room,
        held_back=[0] * len(pieces),
        of_source=Checker(kind="source", name=unchecked.name, checks=unchecked.checks, folder=folder),
        of_view=Checker(kind="feature view", name=view.name, checks=view.checks, folder=folder),
    )


def _taken(number: int, piece: EventPiece, seen: _Seen) -> Iterator[pl.DataFrame]:
    """Give the events of a piece that the view takes, in the columns that are needed of them."""
    names, types = _columns(seen.view), row_columns(seen.view.source) or {}
    scan = clocked(piece.scan.read(), piece.source)
    if piece.after is not None:
        scan = scan.filter(pl.col(AVAILABLE) > piece.after)
    memory = None if seen.room is None else seen.room.memory_bytes
    for batch in read_batches(scan, batch_rows(memory, len(scan.collect_schema()))):
        if seen.room is not None:
            seen.room.spill.on_rows(batch.height)
        frame = _of_piece(number, piece, batch, seen)
        if lacking := [name for name in names if name not in frame.columns]:
            raise DataError(f"source {piece.source.name} has no column {lacking[0]!r}", code="FC503")
        own = [pl.col(name).cast(polars_dtype(types[name])) if name in types else pl.col(name) for name in names]
        yield frame.select(*own, *_hidden(seen.view))


def _of_piece(number: int, piece: EventPiece, batch: pl.DataFrame, seen: _Seen) -> pl.DataFrame:
    """Return the events of a batch that the view takes, beside their clocks, their order and what names them."""
    known = pl.col(AVAILABLE) <= piece.until
    seen.held_back[number] += batch.height - int(batch.select(known.fill_null(value=True).sum()).item())
    frame = batch.filter(known.fill_null(value=True))
    if not piece.earlier:
        seen.read += frame.height
    for clock, reason in ((EVENT, "null event_time"), (AVAILABLE, "null available_at")):
        frame = _kept(frame, pl.col(clock).is_not_null(), reason, piece, seen)
    if not piece.earlier:
        seen.see(frame)
    frame = select_columns(_ordered(frame, piece), piece.source)
    if not (piece.checked or piece.earlier):
        seen.of_source.see(frame)
    view = seen.view
    if view.where is not None:
        frame = frame.filter(to_polars(typed_tree(view.where)))
    for reason, test in key_tests(view).items():
        kept = _kept(frame, test, reason, piece, seen)
        if reason == LONG_KEY and kept.height < frame.height and not (piece.earlier or seen.long_key):
            seen.long_key = name_row(frame.filter(~test), view)
        frame = kept
    return _named(frame, piece, seen)


def _kept(frame: pl.DataFrame, keep: pl.Expr, reason: str, piece: EventPiece, seen: _Seen) -> pl.DataFrame:
    return frame.filter(keep) if piece.earlier else seen.keep(frame, keep, reason)


def _ordered(frame: pl.DataFrame, piece: EventPiece) -> pl.DataFrame:
    """Return events with what orders ties."""
    if piece.order:
        return frame.with_columns(pl.col(piece.order).alias(HASH)).drop(piece.order)
    return frame.with_columns(hash_ties(frame.select(c for c in frame.columns if not c.startswith("\x00"))).alias(HASH))


def _named(frame: pl.DataFrame, piece: EventPiece, seen: _Seen) -> pl.DataFrame:
    """Return events with a hash of what names each, and whether it is there for its copies alone."""
    apart = pl.lit(piece.earlier)
    if seen.since is not None:
        apart = apart | (pl.col(EVENT) < seen.since)
    frame = frame.with_columns(apart.alias(_APART))
    key = seen.view.source.dedup_key
    if not key:
        return frame
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    return frame.with_columns(pl.when(whole).then(hash_ties(frame.select(key))).alias(NAMED))


def _without_copies(frames: Iterator[pl.DataFrame], seen: _Seen) -> Iterator[pl.DataFrame]:
    """Give the events that are no repeats; all copies of an event meet, wherever they were read."""
    view, order = seen.view, copy_order(seen.view.source)
    apart = new_shuffle(seen.room, [NAMED])
    for frame in frames:
        apart.add(frame)
    for part in range(apart.parts if apart.height else 0):
        frame = apart.of(part, apart.parts)
        copied = frame.select(pl.col(NAMED).is_duplicated() & pl.col(NAMED).is_not_null()).to_series()
        rows = sort_copies(frame.filter(copied), order).with_row_index(_RANK)  # few are
        by = [*dict.fromkeys(view.key_columns), NAMED]
        repeats = find_repeats(rows, by, [AVAILABLE, _RANK], repeat_reach_us(view))
        left_out = rows.filter(repeats & ~rows[_APART]).height
        seen.dropped.update({"repeated": left_out} if left_out else {})
        yield pl.concat([frame.filter(~copied), rows.filter(~repeats).drop(_RANK)])


def _columns(view: FeatureView) -> list[str]:
    """Return the columns of the view's source that are needed: those that it reads, and all where it has checks."""
    source = view.source
    if view.checks:
        return [*(row_columns(source) or {})]
    read = {name for item in view.inputs for name in expression_columns(item.expression.text)}
    return sorted({*read, *view.key_columns, *source.tiebreak, *source.dedup_key})


def _hidden(view: FeatureView) -> list[str]:
    """Return the columns of events that stand beside those of their source."""
    return [*copy_order(view.source), _APART, *([NAMED] if view.source.dedup_key else [])]


def _nothing(view: FeatureView) -> pl.DataFrame:
    """Return no events."""
    types = row_columns(view.source) or {}
    own = {name: polars_dtype(types[name]) for name in _columns(view)}
    return pl.DataFrame(schema={**own, EVENT: INSTANT, AVAILABLE: INSTANT, HASH: pl.Int64, NAMED: pl.Int64})
