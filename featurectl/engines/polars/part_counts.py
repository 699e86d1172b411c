"""The rows of a transform's sources, part by part: how many there are, and which of those known before came late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from featurectl.engines.base import EarlierRows, PartsSeen, Piece, SourceParts
from featurectl.engines.batches import read_batches
from featurectl.engines.clocks import AVAILABLE, CLOCKS, EVENT, HASH, clocked, copy_order, sort_copies
from featurectl.engines.polars.late_rows import LateEvents, LateFinder, LateRows, events_apart
from featurectl.engines.polars.part_rows import EarlierTally, PartTally, groups, tally_parts
from featurectl.engines.polars.read_rows import CLOCKED, NAMED, earlier_rows, fitted, hashed, united_schema
from featurectl.engines.shuffle import Shuffle
from featurectl.language.definitions.source import Source
from featurectl.pit.questions import AVAILABLE_AT, DEDUP, EVENT_TIME, TIE_ORDER

_BATCH_ROWS: Final = 1_000_000
_FIRST_CLOCK: Final = pl.min_horizontal(EVENT, AVAILABLE)


def count_parts(asked: SourceParts) -> PartsSeen:
    """Return what there is to know of some parts of a source; what is found late lies in memory."""
    source, parts = asked.source, tally_parts(asked.pieces, lambda _: ())
    schema = united_schema([*asked.pieces, *asked.others], source)
    apart = Shuffle(columns=(NAMED,), memory_bytes=None)
    seen = EarlierRows(table=lambda: _read_before(asked, parts, schema))
    late = {
        earlier: LateRows(
            seen=seen, apart=apart, named=bool(source.dedup_key), order=copy_order(source), clock=_FIRST_CLOCK
        )
        for earlier in groups(parts)
    }
    for part in parts:
        for rows in _known_rows(part.piece, asked, schema):
            part.add(rows)
            if part.earlier is not None:
                behind = part.earlier.look(rows.filter(pl.col(AVAILABLE) <= part.piece.after))
                taken = pl.lit(value=False) if asked.taken_after is None else pl.col(AVAILABLE) > asked.taken_after
                late[part.earlier].add(behind.filter(~taken))
    finder, found = LateFinder(reread=lambda _: iter(()), lacking=None, taken_after=asked.taken_after), LateEvents()
    for earlier, group in groups(parts).items():
        found.plus(finder.settle(group, earlier, late[earlier]))
    found.plus(events_apart(apart, copy_order(source), _FIRST_CLOCK))
    return PartsSeen(
        parts=tuple(part.rows for part in parts),
        changed=tuple(None if part.earlier is None else part.earlier.changed for part in parts),
        late=found.count,
        same=found.same,
        late_events=found.ends,
    )


def _known_rows(piece: Piece, asked: SourceParts, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """Give the rows of a piece that are known by its end, hashed; those from before it where they are looked at."""
    scan = clocked(piece.scan.read(), asked.source).filter(CLOCKED & (pl.col(AVAILABLE) <= piece.until))
    if piece.after is not None and piece.read_before is None:
        scan = scan.filter(pl.col(AVAILABLE) > piece.after)
    for batch in read_batches(scan, _BATCH_ROWS):
        yield hashed(fitted(batch, schema), asked.source)


def _read_before(asked: SourceParts, parts: Sequence[PartTally], schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """Give what a table has of rows, of those that were read before: of parts that grew the first ones."""
    for piece in asked.others:
        for rows in earlier_rows(piece, asked.source, schema, _BATCH_ROWS):
            yield _as_in_a_table(rows, asked.source)
    for earlier, group in groups(parts).items():
        for rows in _first_rows(asked, earlier, group, schema):
            yield _as_in_a_table(rows, asked.source)


def _first_rows(
    asked: SourceParts, earlier: EarlierTally, group: Sequence[PartTally], schema: pl.Schema
) -> Iterator[pl.DataFrame]:
    left = earlier.before.count
    for part in group:
        for rows in earlier_rows(part.piece, asked.source, schema, _BATCH_ROWS) if left else ():
            yield rows.head(left)
            left -= min(left, rows.height)


def _as_in_a_table(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    clocks = [pl.col(EVENT).alias(EVENT_TIME), pl.col(AVAILABLE).alias(AVAILABLE_AT), pl.col(HASH).alias(TIE_ORDER)]
    if NAMED not in rows.columns:
        return rows.select(clocks)
    order = copy_order(source)
    first = sort_copies(rows.drop_nulls(NAMED), order).unique(NAMED, keep="first", maintain_order=True)
    ties = [pl.col(name).alias(name.removeprefix("\x00")) for name in order if name not in (*CLOCKS, HASH)]
    return first.select(pl.col(NAMED).alias(DEDUP), *clocks, *ties)
