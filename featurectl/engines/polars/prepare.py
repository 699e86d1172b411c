"""Source rows -> rows of a view's offline table: nan, clocks, repeats, `select`, `where`, keys, inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import within_datetime
from featurectl.engines.base import SAME_AS_READ, TOO_LATE, CheckResult, EarlierRows, Piece, Prepared
from featurectl.engines.batches import read_batches
from featurectl.engines.budget import batch_rows
from featurectl.engines.clocks import (
    AVAILABLE,
    COPY_ORDER,
    EVENT,
    HASH,
    clocked,
    drop_repeats,
    named_column,
    select_columns,
    typed_tree,
)
from featurectl.engines.polars.checks import Checker
from featurectl.engines.polars.part_rows import EarlierTally, LateEvents, PartTally, tally_parts
from featurectl.engines.shuffle import Shuffle, ShuffledRows
from featurectl.engines.spill import SpillRoom
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.pit.hashing import add_hashes, hash_ties
from featurectl.pit.questions import AVAILABLE_AT, DEDUP, EVENT_TIME, TIE, TIE_ORDER

NAMED: Final = "\x00named"  # a hash of what names an event, the `dedup_key`
_SEEN: Final = "\x00seen"
_LATE_AT_ONCE: Final = 1_000_000  # rows that came late, of which the table is looked through for the same
_CLOCKED: Final = pl.col(EVENT).is_not_null() & pl.col(AVAILABLE).is_not_null()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where rows lie that do not fit, and how much memory there is for all that is done at once."""

    spill: SpillRoom
    memory_bytes: int


def _shuffle(room: Room | None, columns: Sequence[str]) -> Shuffle:
    """Return an empty shuffle: with an eighth of the memory, for rows are sorted and written beside those that wait."""
    if room is None:
        return Shuffle(columns=tuple(columns), memory_bytes=None)
    return Shuffle(columns=tuple(columns), memory_bytes=room.memory_bytes // 8, folder=room.spill.folder)


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What was seen on the way, over all batches."""

    view: FeatureView
    parts: Sequence[PartTally]
    read: int = 0
    watermark: datetime | None = None
    newest_event: datetime | None = None
    dropped: Counter[str] = field(default_factory=Counter)
    late: LateEvents = field(default_factory=LateEvents)
    replaced: list[int] = field(default_factory=list)
    of_source: Checker
    of_view: Checker
    on_rows: Callable[[int], None]
    memory_bytes: int | None

    @property
    def source(self) -> Source:
        """The view's source."""
        return self.view.source

    def keep(self, frame: pl.DataFrame, keep: pl.Expr, reason: str) -> pl.DataFrame:
        """Return the rows to keep, counting the others."""
        kept = frame.filter(keep)
        if kept.height < frame.height:
            self.dropped[reason] += frame.height - kept.height
        return kept

    def keep_clocked(self, frame: pl.DataFrame, clock: str, reason: str) -> pl.DataFrame:
        """Return the rows that have a clock; a check of the source sees the others too."""
        kept = self.keep(frame, pl.col(clock).is_not_null(), reason)
        if self.of_source.checks and kept.height < frame.height:
            self.of_source.see(select_columns(frame.filter(pl.col(clock).is_null()), self.source))
        return kept

    def checks(self) -> tuple[CheckResult, ...]:
        """Return what came of all checks."""
        return (*self.of_source.results(), *self.of_view.results())

    def look(self, part: PartTally, scan: pl.LazyFrame) -> None:
        """Take note of the clocks of a piece's rows outside its range of event times, too.

        Rows that are left out for their event time count as read: a range that begins earlier may be asked for later,
        and the runs after it must not take them again, nor lose those that were not available yet.
        """
        event, available = pl.col(EVENT), pl.col(AVAILABLE)
        known = wanted_rows(part.piece) & _CLOCKED
        columns = [within_datetime(clock.filter(known).max()) for clock in (event, available)]
        counts = [known.sum().alias("known"), (available > part.piece.until).sum().alias("held")]
        found = scan.select(*columns, *counts).collect(engine="streaming")
        part.add_unhashed(*(int(found[name].item()) for name in ("known", "held")))
        self.see(found.select(EVENT, AVAILABLE).drop_nulls())

    def see(self, frame: pl.DataFrame) -> None:
        """Take note of the clocks of rows that have both."""
        self.watermark = _greatest(self.watermark, frame, AVAILABLE, self.source)
        self.newest_event = _greatest(self.newest_event, frame, EVENT, self.source)


def prepare_rows(
    pieces: Sequence[Piece], view: FeatureView, seen: EarlierRows | None = None, room: Room | None = None
) -> Prepared:
    """Return the rows of the pieces in the form of the view's offline table.

    The order of the steps is the language's: read, dedup, `select`, `where`, keys. Rows without event time,
    availability or key are dropped and counted. Rows are read and worked on in batches; what is kept lies in memory
    until it outgrows its share of it; without `room` it stays there.
    """
    tally = _tally(view, pieces, room)
    seen = seen or EarlierRows()
    batches = _batches(tally, _united(pieces, view.source), seen)
    if view.source.dedup_key:
        whole = _distinct(batches, view.source, room, seen, tally)
        batches = (frame.filter(_for_table(pieces[0])) for frame in whole)  # they have one range
    rows = _shuffle(room, view.keys)
    sums = (0, 0)
    for frame in batches:
        made = _table_rows(frame, view, tally)
        sums = add_hashes(sums, made[TIE_ORDER])
        rows.add(made)
    if rows.height == 0:
        rows.add(_table_rows(_empty(pieces, view.source), view, tally))
    rows.settle()  # nothing is written any more when the room is left
    return Prepared(
        rows=ShuffledRows(rows, view.keys, sums),
        rows_read=tally.read,
        held_back=tuple(part.held_back for part in tally.parts),
        watermark=tally.watermark,
        newest_event=tally.newest_event,
        dropped=dict(tally.dropped + Counter({TOO_LATE: tally.late.count, SAME_AS_READ: tally.late.same})),
        late_events=tally.late.ends,
        checks=tally.checks(),
        replaced=tuple(tally.replaced),
        parts=tuple(part.rows for part in tally.parts),
        changed=tuple(part.earlier is not None and part.earlier.changed for part in tally.parts),
    )


def _tally(view: FeatureView, pieces: Sequence[Piece], room: Room | None) -> _Tally:
    source, folder = view.source, None if room is None else room.spill.folder
    return _Tally(
        view=view,
        parts=tally_parts(pieces, lambda piece: () if source.dedup_key else _in_range(piece)),
        of_source=Checker(kind="source", name=source.name, checks=source.checks, folder=folder),
        of_view=Checker(kind="feature view", name=view.name, checks=view.checks, folder=folder),
        on_rows=(lambda _: None) if room is None else room.spill.on_rows,
        memory_bytes=None if room is None else room.memory_bytes,
    )


def _batches(tally: _Tally, schema: pl.Schema, seen: EarlierRows) -> Iterator[pl.DataFrame]:
    """Give the rows of the pieces that have both clocks, beside these and a hash of their own columns."""
    for part in tally.parts:
        scan = clocked(part.piece.scan.read(), tally.source)
        if part.piece.after is not None and part.earlier is None:
            scan = scan.filter(pl.col(AVAILABLE) > part.piece.after)  # so that whole row groups need not be read
        if part.reads_range:
            tally.look(part, scan)
            scan = scan.filter(*part.inside)
        for batch in read_batches(scan, batch_rows(tally.memory_bytes, len(schema))):
            tally.on_rows(batch.height)
            if part.earlier is not None:
                _look_again(_fitted(batch, schema), part, part.earlier, tally.view)
                if sum(late.height for late in part.earlier.unnamed) >= _LATE_AT_ONCE:
                    _tell_same(part.earlier, seen)
            yield _new_rows(batch, part, schema, tally)
    _see_late(tally, seen)


def _see_late(tally: _Tally, seen: EarlierRows) -> None:
    """Count the rows that came late, of the parts that have all that was read of them."""
    found = [e for e in dict.fromkeys(part.earlier for part in tally.parts) if e is not None and not e.changed]
    for earlier in found:
        _tell_same(earlier, seen)
        tally.late.plus(earlier.late)
    if frames := [frame for earlier in found for frame in earlier.named]:
        tally.late.add(_without_copies(pl.concat(frames), seen)[EVENT])


def _new_rows(batch: pl.DataFrame, part: PartTally, schema: pl.Schema, tally: _Tally) -> pl.DataFrame:
    """Return the rows of a batch that are of a piece, hashed, and take note of those outside of its range, too."""
    if not part.reads_range:
        part.held_back += _count(batch, pl.col(AVAILABLE) > part.piece.until)
    frame = _fitted(batch.filter(wanted_rows(part.piece)), schema)
    inside = pl.all_horizontal(pl.lit(value=True), *part.inside)
    tally.read += _count(frame, inside) if part.inside else frame.height
    for column, reason in ((EVENT, "null event_time"), (AVAILABLE, "null available_at")):
        frame = tally.keep_clocked(frame, column, reason)
    tally.see(frame)
    frame = _hashed(frame, tally.source)
    if not part.reads_range:
        part.add(frame)
    return frame.filter(inside) if part.inside else frame


def _look_again(batch: pl.DataFrame, part: PartTally, earlier: EarlierTally, view: FeatureView) -> None:
    """Take note of the rows of a batch from before a piece, and of what tells those that have come late from others.

    Only those count as late that the view's table would hold.
    """
    rows = _hashed(batch.filter(_CLOCKED & (pl.col(AVAILABLE) <= part.piece.after)), view.source)
    part.add(rows)
    late = select_columns(earlier.look(rows).filter(_for_table(part.piece)), view.source)
    if view.where is not None:
        late = late.filter(to_polars(typed_tree(view.where)))
    whole = [pl.col(view.join[key]).is_not_null() for key in view.keys]
    late = late.filter(pl.all_horizontal(pl.lit(value=True), *whole))
    if not view.source.dedup_key:
        earlier.unnamed.append(late.select(EVENT, HASH))
    elif late.height:
        earlier.named.append(late.select(*COPY_ORDER, NAMED))


def _tell_same(earlier: EarlierTally, seen: EarlierRows) -> None:
    """Count the late rows that wait without a name: those that the table has, and the others."""
    if not earlier.unnamed:
        return
    late = pl.concat(earlier.unnamed)
    earlier.unnamed.clear()
    others = late
    for rows in seen.table() if seen.table and late.height else ():
        others = others.join(rows, left_on=HASH, right_on=TIE_ORDER, how="anti")
    earlier.late.same += late.height - others.height
    earlier.late.add(others[EVENT])


def _without_copies(late: pl.DataFrame, seen: EarlierRows) -> pl.DataFrame:
    """Return the first row of each event among late ones, of those events of which the table has none before it."""
    late = late.sort(COPY_ORDER).filter(pl.col(NAMED).is_null() | pl.col(NAMED).is_first_distinct())
    for rows in seen.table() if seen.table and late[NAMED].count() else ():
        names = {DEDUP: NAMED, EVENT_TIME: EVENT, AVAILABLE_AT: AVAILABLE, TIE_ORDER: HASH}
        both = late.join(rows.rename(names), on=NAMED, how="left", suffix=_SEEN, maintain_order="left")
        late = both.filter(pl.col(f"{HASH}{_SEEN}").is_null() | _precedes()).select(late.columns)
    return late


def _united(pieces: Sequence[Piece], source: Source) -> pl.Schema:
    """Return the columns of all pieces, with the types in which they can lie in one frame."""
    empty = [clocked(piece.scan.read().limit(0), source).collect() for piece in pieces]
    return pl.concat(empty, how="diagonal_relaxed").schema


def _fitted(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    if frame.schema == schema:
        return frame
    columns = [
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    ]
    return frame.select(columns)


def _empty(pieces: Sequence[Piece], source: Source) -> pl.DataFrame:
    return _hashed(pl.DataFrame(schema=_united(pieces, source)), source)


def _hashed(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return rows with a hash of their own columns, and one of those of the `dedup_key`."""
    own = frame.select(c for c in frame.columns if not c.startswith("\x00"))
    frame = frame.with_columns(hash_ties(own).alias(HASH))
    if not source.dedup_key:
        return frame
    key = frame.select(source.dedup_key)  # a feature test names its own column in it
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in key.columns)
    return frame.with_columns(pl.when(whole).then(hash_ties(key)).alias(NAMED))


def _distinct(
    batches: Iterator[pl.DataFrame], source: Source, room: Room | None, seen: EarlierRows, tally: _Tally
) -> Iterator[pl.DataFrame]:
    """Give the rows without repeats of one event; those of one event meet, however far apart they were read."""
    apart = _shuffle(room, source.dedup_key)
    for frame in batches:
        apart.add(frame)
    if apart.height == 0:
        return
    for part in range(apart.parts):
        frame = apart.of(part, apart.parts)
        if frame.is_empty():
            continue
        kept = drop_repeats(frame, source)
        kept, replaced = _drop_seen(kept, source, seen)
        tally.replaced += replaced
        repeated = frame.height - kept.height + len(replaced)
        tally.dropped.update({"repeated": repeated} if repeated else {})
        yield kept


def _drop_seen(frame: pl.DataFrame, source: Source, seen: EarlierRows) -> tuple[pl.DataFrame, list[int]]:
    """Return the frame without repeats of rows that were seen, and the keys' hashes of seen rows that it precedes."""
    events = frame.select(pl.col(NAMED).drop_nulls())
    found = [_copies(piece, source, frame) for piece in seen.pieces]
    for rows in seen.rows() if seen.rows else ():
        names = {DEDUP: NAMED, EVENT_TIME: EVENT, AVAILABLE_AT: AVAILABLE, TIE_ORDER: HASH}
        found.append(rows.rename(names).join(events, on=NAMED, how="semi").select(NAMED, *COPY_ORDER))
    if not found:
        return frame, []
    first = pl.concat(found).sort(COPY_ORDER).unique(NAMED, keep="first")
    both = frame.join(first, on=NAMED, how="left", suffix=_SEEN, maintain_order="left")
    copy = pl.col(f"{HASH}{_SEEN}").is_not_null()
    replaced = both.filter(copy & _precedes())[NAMED].to_list()
    return both.filter(~copy | _precedes()).select(frame.columns), replaced


def _precedes() -> pl.Expr:
    """Return whether a row counts before the copy of its event that was seen."""
    precedes = pl.lit(value=False)
    for column in reversed(COPY_ORDER):
        new, old = pl.col(column), pl.col(f"{column}{_SEEN}")
        precedes = (new < old) | ((new == old) & precedes)
    return precedes


def _copies(piece: Piece, source: Source, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the clocks and hashes of the rows of a piece that are of the same events as those of a frame."""
    key = list(source.dedup_key)
    timed = pl.col(EVENT).is_not_null() & pl.col(AVAILABLE).is_not_null()  # others were dropped, and repeat nothing
    before = clocked(piece.scan.read(), source).filter(wanted_rows(piece) & timed)
    rows = before.join(frame.lazy().select(key), on=key, how="semi").collect(engine="streaming")
    return _hashed(rows, source).select(NAMED, *COPY_ORDER)


def _table_rows(frame: pl.DataFrame, view: FeatureView, tally: _Tally) -> pl.DataFrame:
    frame = select_columns(frame, view.source)
    tally.of_source.see(frame)
    if view.where is not None:
        frame = frame.filter(to_polars(typed_tree(view.where)))
    columns = [view.join[key] for key in view.keys]
    if columns:
        frame = tally.keep(frame, pl.all_horizontal(pl.col(k).is_not_null() for k in columns), "null key")
    tally.of_view.see(frame)
    keys = [pl.col(view.join[key]).alias(key) for key in view.keys]
    ties = [pl.col(column).alias(TIE.format(i)) for i, column in enumerate(view.source.tiebreak)]
    clocks = [pl.col(EVENT).alias(EVENT_TIME), pl.col(AVAILABLE).alias(AVAILABLE_AT)]
    taken = {*view.keys, EVENT_TIME, AVAILABLE_AT}
    inputs = [named_column(item) for item in view.inputs if item.name not in taken]
    event = [pl.col(NAMED).alias(DEDUP)] if view.source.dedup_key else []
    return frame.select(*keys, *clocks, *ties, pl.col(HASH).alias(TIE_ORDER), *event, *inputs)


def _in_range(piece: Piece) -> list[pl.Expr]:
    """Return what is true of rows in the piece's range of event times; rows without one are, so that they count."""
    ends = []
    if piece.since is not None:
        ends.append((pl.col(EVENT) >= piece.since).fill_null(value=True))
    if piece.before is not None:
        ends.append((pl.col(EVENT) < piece.before).fill_null(value=True))
    return ends


def _for_table(piece: Piece) -> pl.Expr:
    """Return which rows of events go into the table."""
    inside = pl.all_horizontal(pl.lit(value=True), *_in_range(piece))
    if piece.events is None:
        return inside
    return inside | pl.col(NAMED).is_in(piece.events.implode()).fill_null(value=False)


def wanted_rows(piece: Piece) -> pl.Expr:
    """Return which rows are of the piece; those without availability are, so that they can be counted."""
    available = pl.col(AVAILABLE)
    wanted = available <= piece.until
    if piece.after is not None:
        return wanted & (available > piece.after)
    return wanted.fill_null(value=True)


def _greatest(before: datetime | None, frame: pl.DataFrame, column: str, source: Source) -> datetime | None:
    if source.static or frame.is_empty():
        return before
    value = frame.select(within_datetime(pl.col(column).max())).item()
    assert isinstance(value, datetime)
    return value if before is None else max(before, value)


def _count(frame: pl.DataFrame, which: pl.Expr) -> int:
    return int(frame.select(which.sum()).item())
