"""The rows of sources as a transform is given them, and what is known of those that are new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.erasures import Erasures
from featurectl.core.frames.timestamps import within_datetime
from featurectl.engines.base import Piece, RowSummary, SourceRows
from featurectl.engines.batches import read_batches
from featurectl.engines.clocks import AVAILABLE, CLOCKS, EVENT, HASH, clocked, copy_order, drop_repeats, select_columns
from featurectl.engines.erased_source import ErasedSourceRows
from featurectl.engines.polars.checks import Checker
from featurectl.engines.polars.read_rows import wanted_rows
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.source import Source
from featurectl.pit.erased_rows import ErasedRows
from featurectl.pit.hashing import hash_ties
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_BATCH_ROWS: Final = 1_000_000
_REASONS: Final = ("null event_time", "null available_at")


def source_rows(given: SourceRows) -> pl.LazyFrame:
    """Return the rows that a transform is given of a source: read, without repeats, with `select`.

    Beside its own columns they have their two clocks as `event_time` and `available_at`, unless the source is static
    or has columns of these names. Rows without a clock are left out. A source with a `dedup_key` is read into memory.
    """
    source = given.source
    scan = clocked(given.scan.read(), source)
    if not source.static:
        scan = scan.filter(pl.col(EVENT).is_not_null() & (pl.col(AVAILABLE) <= given.until))
    if source.dedup_key:
        scan = _distinct(scan, source)
    if given.available_after is not None and not source.static:
        recent = pl.col(AVAILABLE) > given.available_after
        if given.happened_from is not None:
            recent |= pl.col(EVENT) >= given.happened_from
        scan = scan.filter(recent)
    scan = select_columns(scan, source)
    own = scan.collect_schema().names()
    if given.erased is not None:
        scan = _without_erased(scan, own, given.erased, static=source.static)
    clocks = [] if source.static else [(EVENT, EVENT_TIME), (AVAILABLE, AVAILABLE_AT)]
    added = [pl.col(clock).alias(name) for clock, name in clocks if name not in own]
    return scan.with_columns(added).drop(EVENT, AVAILABLE)


def _without_erased(scan: pl.LazyFrame, own: Sequence[str], erased: ErasedSourceRows, *, static: bool) -> pl.LazyFrame:
    """Return the rows of keys that are not erased, of a source with columns for them."""
    names = [(key, name) for key, other in erased.columns.items() for name in (other, key) if name in own]
    columns = dict(reversed(names))
    known = tuple(item for item in erased.erasures.of(erased.entity) if columns.keys() >= set(item.keys))
    if not known:
        return scan
    erasures = Erasures(secret=erased.erasures.secret, tombstones=known)
    found, times = (
        ErasedRows(erasures=erasures, entity=erased.entity, columns=columns),
        () if static else (EVENT, AVAILABLE),
    )
    return scan.map_batches(
        lambda frame: frame.filter(~found.are(frame, *times)), projection_pushdown=False, predicate_pushdown=False
    )


def look_at(pieces: Sequence[Piece], source: Source, room: SpillRoom | None) -> RowSummary:
    """Return what is known of the rows of some pieces of a source; without checks only the clocks are read."""
    found = pl.concat([_look(piece, source) for piece in pieces])
    checker = Checker(
        kind="source", name=source.name, checks=source.checks, folder=None if room is None else room.folder
    )
    if source.checks:
        for batch in _to_check(pieces, source):
            checker.see(batch)
    dropped = {reason: int(found[reason].sum()) for reason in _REASONS}
    return RowSummary(
        rows=int(found["rows"].sum()),
        held_back=tuple(found["held"].to_list()),
        first_available=_instant(found["first_available"].min(), source),
        first_event=_instant(found["first_event"].min(), source),
        watermark=_instant(found["watermark"].max(), source),
        dropped={reason: count for reason, count in dropped.items() if count},
        checks=checker.results(),
    )


def _look(piece: Piece, source: Source) -> pl.DataFrame:
    """Return one row: how many rows there are of a piece, how many lack a clock, and the ends of the clocks."""
    event, available, wanted = pl.col(EVENT), pl.col(AVAILABLE), wanted_rows(piece)
    no_event = wanted & event.is_null()
    no_available = wanted & event.is_not_null() & available.is_null()
    kept = wanted & event.is_not_null() & available.is_not_null()
    return (
        clocked(piece.scan.read(), source)
        .select(
            wanted.sum().alias("rows"),
            (available > piece.until).sum().alias("held"),
            no_event.sum().alias(_REASONS[0]),
            no_available.sum().alias(_REASONS[1]),
            within_datetime(available.filter(kept).min()).alias("first_available"),
            within_datetime(available.filter(kept).max()).alias("watermark"),
            within_datetime(event.filter(kept).min()).alias("first_event"),
        )
        .collect(engine="streaming")
    )


def _to_check(pieces: Sequence[Piece], source: Source) -> Iterator[pl.DataFrame]:
    """Give the rows that the checks of a source are about: without repeats, with `select`."""
    for piece in pieces:
        scan = clocked(piece.scan.read(), source).filter(wanted_rows(piece))
        scan = select_columns(_distinct(scan, source) if source.dedup_key else scan, source)
        yield from read_batches(scan, _BATCH_ROWS)


def _distinct(scan: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    frame = scan.collect(engine="streaming")
    own = frame.select(name for name in frame.columns if not name.startswith("\x00"))
    kept = drop_repeats(frame.with_columns(hash_ties(own).alias(HASH)), source)
    return kept.drop(name for name in copy_order(source) if name not in CLOCKS).lazy()


def _instant(value: object, source: Source) -> datetime | None:
    return value if isinstance(value, datetime) and not source.static else None
