"""Source rows -> rows of a view's offline table: nan, clocks, repeats, `select`, `where`, keys, inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.frames.timestamps import within_datetime
from featurectl.engines.base import ERASED, SAME_AS_READ, TOO_LATE, CheckResult, EarlierRows, Piece, Prepared
from featurectl.engines.batches import read_batches
from featurectl.engines.budget import batch_rows
from featurectl.engines.clocks import (
    AVAILABLE,
    EVENT,
    HASH,
    clocked,
    copy_order,
    named_column,
    select_columns,
    typed_tree,
)
from featurectl.engines.polars.checks import Checker
from featurectl.engines.polars.copies import EventCopies
from featurectl.engines.polars.late_rows import LateEvents, LateFinder, LateRows, events_apart
from featurectl.engines.polars.part_rows import PartTally, groups, tally_parts
from featurectl.engines.polars.read_rows import (
    CLOCKED,
    NAMED,
    earlier_rows,
    fitted,
    for_table,
    hashed,
    in_range,
    of_view,
    read_scans,
    united_schema,
    wanted_rows,
)
from featurectl.engines.polars.reread import RereadRows, is_known_later
from featurectl.engines.row_keys import LONG_KEY, key_tests, name_row
from featurectl.engines.shuffle import Shuffle, ShuffledRows
from featurectl.engines.spill import SpillRoom
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.pit.erased_rows import ErasedRows
from featurectl.pit.hashing import add_hashes
from featurectl.pit.questions import AVAILABLE_AT, DEDUP, EVENT_TIME, TIE, TIE_ORDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where rows lie that do not fit, and how much memory there is for all that is done at once."""

    spill: SpillRoom
    memory_bytes: int


def new_shuffle(room: Room | None, columns: Sequence[str]) -> Shuffle:
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
    begins: tuple[datetime, datetime] | None = None
    dropped: Counter[str] = field(default_factory=Counter)
    long_key: Mapping[str, str] = field(default_factory=dict)
    late: LateEvents = field(default_factory=LateEvents)
    replaced: list[int] = field(default_factory=list)
    copies: EventCopies
    of_source: Checker
    of_view: Checker
    on_rows: Callable[[int], None]
    room: Room | None
    is_new: pl.Expr | None  # which rows were not read before; None: all are new
    had_all_keys: bool = False  # none of the rows read before was without a key

    @property
    def memory_bytes(self) -> int | None:
        """The memory for rows; None: there is no bound."""
        return None if self.room is None else self.room.memory_bytes

    @property
    def counts_parts(self) -> bool:
        """True where parts may grow, so that their rows are counted."""
        return self.source.available_at is not None and self.source.sql is None

    @property
    def looks_at_begins(self) -> bool:
        """True where no more is to be known of parts than how many rows they have, and where these begin."""
        return self.source.event_time is not None and self.source.available_at is None and self.source.sql is None

    @property
    def source(self) -> Source:
        """The view's source."""
        return self.view.source

    def keep(self, frame: pl.DataFrame, keep: pl.Expr, reason: str) -> pl.DataFrame:
        """Return the rows to keep, counting the others."""
        kept = frame.filter(keep)
        self.count(reason, frame, kept)
        return kept

    def count(self, reason: str, frame: pl.DataFrame, kept: pl.DataFrame, more: int = 0) -> None:
        """Count the rows of a frame that were not kept, and some more; but not again those of a run before."""
        if kept.height < frame.height:
            more += self.count_new(frame) - self.count_new(kept)
        if more:
            self.dropped[reason] += more

    def count_new(self, frame: pl.DataFrame) -> int:
        """Return how many rows of a frame were not read before."""
        return frame.height if self.is_new is None else _count(frame, self.is_new)

    def keep_keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that have a key that fits; the first others are counted, though they may be given again."""
        for reason, test in key_tests(self.view).items():
            kept = frame.filter(test)
            if reason == LONG_KEY and kept.height < frame.height and not self.long_key:
                self.long_key = name_row(frame.filter(~test), self.view)
            if self.had_all_keys and kept.height < frame.height:
                self.dropped[reason] += frame.height - kept.height
            else:
                self.count(reason, frame, kept)
            frame = kept
        return frame

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
        known = wanted_rows(part.piece) & CLOCKED
        last = [within_datetime(clock.filter(known).max()) for clock in (event, available)]
        first = [
            within_datetime(clock.filter(known).min()).alias(f"first {i}") for i, clock in enumerate((event, available))
        ]
        held = (available > part.piece.until).sum().alias("held")
        found = scan.select(*last, *first, held).collect(engine="streaming")
        part.held_back += int(found["held"].item())
        if self.counts_parts or self.looks_at_begins:
            part.add_unhashed(of_view(scan.filter(known), self.view))
        for ends in (
            found.select(EVENT, AVAILABLE),
            found.select(pl.col("first 0").alias(EVENT), pl.col("first 1").alias(AVAILABLE)),
        ):
            self.see(ends.drop_nulls())

    def see(self, frame: pl.DataFrame) -> None:
        """Take note of the clocks of rows that have both."""
        self.watermark = _greatest(self.watermark, frame, AVAILABLE, self.source)
        self.newest_event = _greatest(self.newest_event, frame, EVENT, self.source)
        if not self.source.static and not frame.is_empty():
            found = frame.select(within_datetime(pl.col(EVENT, AVAILABLE).min())).row(0)
            self.begins = (
                found if self.begins is None else (min(self.begins[0], found[0]), min(self.begins[1], found[1]))
            )


def prepare_rows(
    pieces: Sequence[Piece],
    view: FeatureView,
    seen: EarlierRows | None = None,
    room: Room | None = None,
    erasures: Erasures = NOTHING_ERASED,
) -> Prepared:
    """Return the rows of the pieces in the form of the view's offline table.

    The order of the steps is the language's: read, dedup, `select`, `where`, keys. Rows without event time,
    availability or a key that fits are dropped and counted. Rows are read and worked on in batches; what is kept lies
    in memory until it outgrows its share of it; without `room` it stays there. Rows of erased keys are left out last.
    """
    seen = seen or EarlierRows()
    tally = _tally(view, pieces, seen, room)
    batches = _batches(tally, united_schema(pieces, view.source), seen)
    if view.source.dedup_key:
        whole = _distinct(batches, view.source, room, seen, tally)
        batches = (frame.filter(for_table(pieces[0])) for frame in whole)  # they have one range
    rows = new_shuffle(room, view.keys)
    sums = (0, 0)
    for frame in batches:
        made = without_erased(_table_rows(frame, view, tally), view, erasures, tally.dropped)
        sums = add_hashes(sums, made[TIE_ORDER])
        rows.add(made)
    if rows.height == 0:
        rows.add(_table_rows(_empty(pieces, view.source), view, tally))
    rows.settle()  # nothing is written any more when the room is left
    return _prepared(tally, ShuffledRows(rows, view.keys, sums))


def _prepared(tally: _Tally, rows: ShuffledRows) -> Prepared:
    """Return what came of all batches."""
    return Prepared(
        rows=rows,
        rows_read=tally.read,
        held_back=tuple(part.held_back for part in tally.parts),
        watermark=tally.watermark,
        newest_event=tally.newest_event,
        dropped=dict(tally.dropped + Counter({TOO_LATE: tally.late.count, SAME_AS_READ: tally.late.same})),
        long_key=tally.long_key if tally.dropped[LONG_KEY] else {},
        late_events=tally.late.ends,
        checks=tally.checks(),
        replaced=tuple(tally.replaced),
        differing_copies=tally.copies.differing,
        differing_event=tally.copies.event,
        parts=tuple(part.rows for part in tally.parts),
        begins=tally.begins,
        changed=tuple(None if part.earlier is None else part.earlier.changed for part in tally.parts),
    )


def _tally(view: FeatureView, pieces: Sequence[Piece], seen: EarlierRows, room: Room | None) -> _Tally:
    source, folder = view.source, None if room is None else room.spill.folder
    again = [piece for piece in pieces if piece.reread_until is not None or piece.events_until is not None]
    is_new = is_known_later(again[0]) if again else None
    return _Tally(
        view=view,
        parts=tally_parts(pieces, lambda piece: () if source.dedup_key else in_range(piece)),
        copies=EventCopies(source=source, is_new=is_new),
        of_source=Checker(kind="source", name=source.name, checks=source.checks, folder=folder),
        of_view=Checker(kind="feature view", name=view.name, checks=view.checks, folder=folder),
        on_rows=(lambda _: None) if room is None else room.spill.on_rows,
        room=room,
        is_new=is_new,
        had_all_keys=seen.has_all,
    )


def _batches(tally: _Tally, schema: pl.Schema, seen: EarlierRows) -> Iterator[pl.DataFrame]:
    """Give the rows of the pieces that have both clocks, beside these and a hash of their own columns."""
    at_once = batch_rows(tally.memory_bytes, len(schema))
    apart = new_shuffle(tally.room, [NAMED])
    lacking = partial(LateRows, seen=seen, named=bool(tally.source.dedup_key), order=copy_order(tally.source))
    behind = {earlier: lacking(apart=apart) for earlier in groups(tally.parts)}
    for part in tally.parts:
        again = RereadRows(piece=part.piece, seen=seen) if part.piece.reread_until is not None else None
        for batch in _part_batches(part, tally, at_once):
            tally.on_rows(batch.height)
            if part.earlier is not None:
                _look_again(fitted(batch, schema), part, behind[part.earlier], tally.view)
            yield _new_rows(batch, part, schema, tally, again)

    def reread(part: PartTally) -> Iterator[pl.DataFrame]:
        for rows in earlier_rows(part.piece, tally.source, schema, at_once):
            yield of_view(rows, tally.view)

    finder = LateFinder(reread=reread, lacking=lambda: lacking(apart=new_shuffle(tally.room, [NAMED])))
    for earlier, parts in groups(tally.parts).items():
        tally.late.plus(finder.settle(parts, earlier, behind[earlier]))
    tally.late.plus(events_apart(apart, copy_order(tally.source)))


def _part_batches(part: PartTally, tally: _Tally, at_once: int) -> Iterator[pl.DataFrame]:
    """Give the rows of a part beside their clocks, those that are needed of it."""
    for rows in read_scans(part.piece, tally.source):
        scan = clocked(rows, tally.source)
        if part.piece.after is not None and part.earlier is None:
            scan = scan.filter(pl.col(AVAILABLE) > part.piece.after)  # so that whole row groups need not be read
        if part.reads_range:
            tally.look(part, scan)
            scan = scan.filter(*part.inside)
        yield from read_batches(scan, at_once)


def _new_rows(
    batch: pl.DataFrame, part: PartTally, schema: pl.Schema, tally: _Tally, again: RereadRows | None
) -> pl.DataFrame:
    """Return the rows of a batch that are of a piece, hashed, and take note of those outside of its range, too.

    What was read `again` is left out where the table has it.
    """
    if not part.reads_range:
        part.held_back += _count(batch, pl.col(AVAILABLE) > part.piece.until)
    frame = fitted(batch.filter(wanted_rows(part.piece)), schema)
    inside = pl.all_horizontal(pl.lit(value=True), *part.inside)
    tally.read += _count(frame, inside) if part.inside else tally.count_new(frame)
    for column, reason in ((EVENT, "null event_time"), (AVAILABLE, "null available_at")):
        frame = tally.keep_clocked(frame, column, reason)
    tally.see(frame)
    frame = hashed(frame, tally.source)
    if again is not None:
        frame = again.without_those_there(frame)
        tally.read += frame.height - tally.count_new(frame)
    if tally.counts_parts and not part.reads_range:
        part.add(of_view(frame, tally.view))
    elif tally.looks_at_begins and not part.reads_range:
        part.add_unhashed(of_view(frame, tally.view))
    return frame.filter(inside) if part.inside else frame


def _look_again(batch: pl.DataFrame, part: PartTally, behind: LateRows, view: FeatureView) -> None:
    """Take note of the rows of a batch from before a piece; those behind as many as were read may have come late.

    Only those count as late that the view's table would hold.
    """
    assert part.earlier is not None
    rows = batch.filter(CLOCKED & (pl.col(AVAILABLE) <= part.piece.after))
    rows = of_view(hashed(rows, view.source), view)
    part.add(rows)
    behind.add(part.earlier.look(rows).filter(for_table(part.piece)))


def _empty(pieces: Sequence[Piece], source: Source) -> pl.DataFrame:
    return hashed(pl.DataFrame(schema=united_schema(pieces, source)), source)


def _distinct(
    batches: Iterator[pl.DataFrame], source: Source, room: Room | None, seen: EarlierRows, tally: _Tally
) -> Iterator[pl.DataFrame]:
    """Give the rows without repeats of one event; those of one event meet, however far apart they were read."""
    apart = new_shuffle(room, source.dedup_key)
    for frame in batches:
        apart.add(frame)
    if apart.height == 0:
        return
    for part in range(apart.parts):
        frame = apart.of(part, apart.parts)
        if frame.is_empty():
            continue
        kept = tally.copies.without(frame)
        kept, replaced = tally.copies.without_seen(kept, seen)
        tally.replaced += replaced
        tally.count("repeated", frame, kept, len(replaced))
        yield kept


def _table_rows(frame: pl.DataFrame, view: FeatureView, tally: _Tally) -> pl.DataFrame:
    frame = select_columns(frame, view.source)
    tally.of_source.see(frame)
    if view.where is not None:
        frame = frame.filter(to_polars(typed_tree(view.where)))
    frame = tally.keep_keyed(frame)
    tally.of_view.see(frame)
    return table_columns(frame, view)


def table_columns(frame: pl.DataFrame, view: FeatureView) -> pl.DataFrame:
    """Return the columns of a view's table of rows that it takes."""
    keys = [pl.col(view.join[key]).alias(key) for key in view.keys]
    ties = [pl.col(column).alias(TIE.format(i)) for i, column in enumerate(view.source.tiebreak)]
    clocks = [pl.col(EVENT).alias(EVENT_TIME), pl.col(AVAILABLE).alias(AVAILABLE_AT)]
    taken = {*view.keys, EVENT_TIME, AVAILABLE_AT}
    inputs = [named_column(item) for item in view.inputs if item.name not in taken]
    event = [pl.col(NAMED).alias(DEDUP)] if view.source.dedup_key else []
    return frame.select(*keys, *clocks, *ties, pl.col(HASH).alias(TIE_ORDER), *event, *inputs)


def without_erased(rows: pl.DataFrame, view: FeatureView, erasures: Erasures, dropped: Counter[str]) -> pl.DataFrame:
    """Return the rows of a view's table whose keys are not erased, counting the others."""
    if view.entity is None or not erasures.of(view.entity.name):
        return rows
    kept = ErasedRows(erasures=erasures, entity=view.entity.name, columns={k: k for k in view.keys}).without(rows)
    if kept.height < rows.height:
        dropped[ERASED] += rows.height - kept.height
    return kept


def _greatest(before: datetime | None, frame: pl.DataFrame, column: str, source: Source) -> datetime | None:
    if source.static or frame.is_empty():
        return before
    value = frame.select(within_datetime(pl.col(column).max())).item()
    assert isinstance(value, datetime)
    return value if before is None else max(before, value)


def _count(frame: pl.DataFrame, which: pl.Expr) -> int:
    return int(frame.select(which.sum()).item())
