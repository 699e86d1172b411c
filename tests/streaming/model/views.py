"""What three kinds of views keep of an entity's events, what they answer of it, and what is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor
from typing import Literal, TypeAlias, assert_never

from tests.streaming.model.rules import Rules

MARGIN = 0.3  # seconds for which a head can still be asked about the past: max(2 s, max_age)
AHEAD = 0.6  # an event dated further ahead of its stamp is rejected
WINDOW = 2.0  # of the exact view
REACH = WINDOW + AHEAD + MARGIN  # a copy within it of an earlier one is a repeat
HOP, TILED_WINDOW = 0.25, 1.0
TTL = 3.0

View = Literal["exact", "tiled", "state"]
VIEWS: tuple[View, ...] = ("exact", "tiled", "state")
Answer: TypeAlias = "Counter[tuple[int, int]]"  # how often each event, by partition and offset, is counted


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Record:
    """An event of an entity in the list of a view, available at `stamp`; `known_repeat` is a repeat for good."""

    stamp: float
    partition: int
    offset: int
    time: float
    key: int
    known_repeat: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset."""
        return self.partition, self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What compaction has made of the first records of a list.

    `frontier` has the last offset of each partition that is folded; `tiles` how often each event was added to each.
    `empty_since`: by the store's clock, where nothing is left.
    """

    frontier: tuple[int, ...] = ()
    rows: tuple[Record, ...] = ()
    tiles: tuple[tuple[int, tuple[int, int], int], ...] = ()
    asof: float = 0.0
    empty_since: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether no answer needs it."""
        return not self.rows and not self.tiles

    def folded(self, partition: int) -> int:
        """Return the last offset of a partition that is in here, or -1."""
        return self.frontier[partition] if partition < len(self.frontier) else -1


def fold(view: View, head: Head, rows: Iterable[Record], asof: float, rules: Rules) -> Head:
    """Return the head as of an instant with more rows: what no answer from there on needs is gone."""
    together = sorted([*head.rows, *rows])
    base = asof - MARGIN if rules.trim_keeps_reach else asof + MARGIN
    match view:
        case "exact":
            return replace(head, rows=_trim_exact(together, asof, base, rules), asof=asof)
        case "tiled":
            return _fold_tiles(head, together, asof, base, rules)
        case "state":
            settled = [row for row in together if row.time <= base and row.stamp <= base]
            last = max(settled, key=_order, default=None)
            kept = [row for row in together if row not in settled or (row == last and row.time >= base - TTL)]
            return replace(head, rows=tuple(kept), asof=asof)
        case _:
            assert_never(view)


def _order(row: Record) -> tuple[float, float, int, int]:
    return row.time, row.stamp, row.partition, row.offset


def _trim_exact(rows: list[Record], asof: float, base: float, rules: Rules) -> tuple[Record, ...]:
    seen = [replace(row, known_repeat=row.stamp <= asof and _repeats(row, rows)) for row in rows]
    reach = REACH if rules.repeats_stay else 0.0
    return tuple(
        row
        for row in seen
        if row.stamp > asof or not ((row.time < base - WINDOW or row.known_repeat) and row.stamp < base - reach)
    )


def _repeats(row: Record, rows: Iterable[Record]) -> bool:
    return row.known_repeat or any(
        other.key == row.key and other < row and row.stamp - other.stamp <= REACH for other in rows
    )


def _fold_tiles(head: Head, rows: list[Record], asof: float, base: float, rules: Rules) -> Head:
    limit = asof - MARGIN if rules.tiles_behind_asof else asof + 10
    tiles = {(tile, place): count for tile, place, count in head.tiles}
    kept = []
    for row in rows:
        tile = floor(row.time / HOP)
        if row.stamp <= limit and ((tile + 1) * HOP <= limit or not rules.tile_ends_behind_asof):
            tiles[tile, row.place] = tiles.get((tile, row.place), 0) + 1
        else:
            kept.append(row)
    first = floor((base - TILED_WINDOW) / HOP)
    left = tuple((tile, place, count) for (tile, place), count in sorted(tiles.items()) if tile >= first)
    return replace(head, rows=tuple(kept), tiles=left, asof=asof)


def answer(view: View, head: Head, raw: Iterable[Record], at: float) -> Answer:
    """Return what a view counts at an instant: of its head, and of the records behind it."""
    rows = [row for row in (*head.rows, *raw) if row.stamp <= at]
    match view:
        case "exact":
            found = [row for row in rows if at - WINDOW <= row.time < at and not _repeats(row, rows)]
            return Counter(row.place for row in found)
        case "tiled":
            first = floor((at - TILED_WINDOW) / HOP)
            counted = Counter(row.place for row in rows if first * HOP <= row.time < at)
            for tile, place, count in head.tiles:
                if tile >= first:
                    counted[place] += count
            return counted
        case "state":
            return _latest(rows, at)
        case _:
            assert_never(view)


def _latest(rows: Iterable[Record], at: float) -> Answer:
    last = max((row for row in rows if row.time <= at), key=_order, default=None)
    return Counter([last.place] if last is not None and last.time >= at - TTL else [])


def truth(view: View, logged: Iterable[Record], at: float) -> Answer:
    """Return what a training set counts at an instant, by the log of an entity's events alone."""
    rows = sorted(row for row in logged if row.stamp <= at)
    if view == "state":
        return _latest(rows, at)
    if view == "tiled":
        first = floor((at - TILED_WINDOW) / HOP) * HOP
        return Counter(row.place for row in rows if first <= row.time < at)
    counted: Answer = Counter()
    last_copy: dict[int, float] = {}
    for row in rows:
        if row.stamp - last_copy.get(row.key, -9e9) > REACH and at - WINDOW <= row.time < at:
            counted[row.place] += 1
        last_copy[row.key] = row.stamp
    return counted
