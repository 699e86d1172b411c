"""A list is compacted: its records become part of the head, and what no answer needs any more goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featurectl.online.stream_state.event_rows import EventRows
from featurectl.online.stream_state.head import Head, pack_head
from featurectl.online.stream_state.layout import AHEAD_US, MARGIN_US, ListLayout
from featurectl.online.stream_state.parsed_list import ParsedList, parse_list
from featurectl.online.stream_state.record import EventRecord, broken_list, pack_record
from featurectl.online.stream_state.tiles import (
    Tiles,
    TileStates,
    add_rows,
    fold_tiles,
    folded_kind,
    keep_tiles,
    merge_states,
    states_of,
    tile_numbers,
)
from featurectl.pit.arrays import Bools

PATIENCE_US = 4_500_000  # after which a reader that asked for the register gives up


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedInstants:
    """What the register said before a list was read: `applied_us` of each partition by number, and their least.

    `clock_us` is the store's; `marks` are those of the list's master, on a Cluster.
    """

    applied_us: Mapping[int, int]
    asof_us: int
    clock_us: int
    marks: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What stands in the place of the elements that were read.

    `left` are those that are not folded. `alone` is the head where no element is left or stands behind; None: the list
    is removed then. `pays` is False where it would be about the same list.
    """

    head: bytes
    left: Sequence[bytes]
    alone: bytes | None
    pays: bool


def compact(elements: Sequence[bytes], layout: ListLayout, applied: AppliedInstants) -> Compacted:
    """Return what the elements of a list become.

    Records count that are applied in their own partition; the others are put back behind the head.

    Raises:
        StoreError: an element is neither a head nor a record of this layout.
    """
    try:
        with np.errstate(all="ignore"):  # a sum of floats may be infinite
            return _compact(elements, layout, applied)
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise broken_list("a list has other values than its layout") from error


def _compact(elements: Sequence[bytes], layout: ListLayout, applied: AppliedInstants) -> Compacted:
    found = parse_list(elements, layout, applied.marks)
    taken = [r for r in found.records if r.available_us <= applied.applied_us.get(r.partition, -1)]
    places = {record[:2] for record in taken}
    left = [record for record in _raw(elements, layout, found) if record[:2] not in places]
    head = fold(found.head, taken, max(applied.asof_us, found.head.asof_us), layout)
    packed = pack_head(head, layout)
    alone: bytes | None = packed
    pays = 1 + len(left) < len(elements) or _is_less(head, found.head)
    if head.is_empty:
        since_us = found.head.empty_since_us if len(elements) == 1 else 0
        waiting = head._replace(empty_since_us=since_us or applied.clock_us)
        alone = None if 0 < since_us < applied.clock_us - PATIENCE_US else pack_head(waiting, layout)
        pays = pays or alone is None or (not since_us and not left)
    return Compacted(head=packed, left=[pack_record(record, layout) for record in left], alone=alone, pays=pays)


def _is_less(head: Head, before: Head) -> bool:
    return head.rows.height < before.rows.height or head.tiles.height < before.tiles.height


def _raw(elements: Sequence[bytes], layout: ListLayout, found: ParsedList) -> Sequence[EventRecord]:
    """Return the records that are not behind the frontier, those at or behind a mark among them."""
    return parse_list(elements, layout).records if len(found.records) < len(elements) else found.records


def fold(head: Head, records: Sequence[EventRecord], asof_us: int, layout: ListLayout) -> Head:
    """Return the head as of an instant with more records in it, without what no answer from there on needs."""
    rows = ParsedList(head, records).rows(layout)
    frontier = dict(head.frontier)
    for record in records:
        frontier[record.partition] = max(frontier.get(record.partition, 0), record.offset + 1)
    newest = _newest(head, rows, asof_us)
    head = head._replace(asof_us=asof_us, empty_since_us=0, frontier=frontier, newest=newest, rows=rows)
    if layout.kind == "state":
        return head._replace(rows=_newest_states(rows, _base_us(head, layout), layout))
    if layout.hop_us is not None:
        return _tiled(head, layout, layout.hop_us)
    return _trimmed(head, layout)


def _base_us(head: Head, layout: ListLayout) -> int:
    """Return the instant from which on a head can be asked."""
    return head.asof_us - MARGIN_US - layout.max_age_us


def _newest(head: Head, rows: EventRows, asof_us: int) -> tuple[int, int] | None:
    """Return the instants of the newest row that counts by an instant; rows dated after it are kept as rows."""
    newest = head.newest
    found = np.flatnonzero((rows.event_us <= asof_us) & (rows.available_us <= asof_us) & ~rows.is_repeat)
    if len(found):
        last = int(rows.event_us[found[-1]]), int(rows.available_us[found[-1]])
        newest = last if newest is None or last > newest else newest
    return newest


def _trimmed(head: Head, layout: ListLayout) -> Head:
    """Return a head of exact windows without the rows that are too old, which go to `lifetime` if there is one."""
    rows, base_us = head.rows, _base_us(head, layout)
    is_over = (rows.event_us < base_us - layout.span_us) & ~rows.is_repeat & (rows.available_us <= base_us)
    goes = is_over | rows.is_repeat
    if layout.has_dedup:
        goes &= rows.available_us < base_us - layout.reach_us
    if layout.has_lifetime:
        head = _to_lifetime(head, rows.take(goes & ~rows.is_repeat), layout)
    return head._replace(rows=rows.take(~goes))


def _to_lifetime(head: Head, rows: EventRows, layout: ListLayout) -> Head:
    if not rows.height:
        return head
    states = states_of(rows, layout, 0, rows.height)
    return head._replace(lifetime=states if head.lifetime is None else merge_states(head.lifetime, states, layout))


def _tiled(head: Head, layout: ListLayout, hop_us: int) -> Head:
    """Return a head whose rows are in tiles as far as no window can end inside of them, without the oldest tiles."""
    rows, base_us = head.rows, _base_us(head, layout)
    ends_us = (tile_numbers(rows.event_us, hop_us, layout.closed) + 1) * hop_us
    goes: Bools = (rows.available_us <= base_us) & (ends_us < base_us - layout.offset_us)
    tiles = add_rows(head.tiles, rows.take(goes), layout)
    is_old = tiles.numbers < (base_us - layout.span_us) // hop_us
    if layout.has_lifetime and is_old.any():
        head = head._replace(lifetime=_with_tiles(head, keep_tiles(tiles, is_old), layout))
    return head._replace(rows=rows.take(~goes), tiles=keep_tiles(tiles, ~is_old) if is_old.any() else tiles)


def _with_tiles(head: Head, tiles: Tiles, layout: ListLayout) -> TileStates:
    states = tuple(fold_tiles(tiles, 0, i, folded_kind(kept, layout)) for i, kept in enumerate(layout.folded))
    return states if head.lifetime is None else merge_states(head.lifetime, states, layout)


def _newest_states(rows: EventRows, base_us: int, layout: ListLayout) -> EventRows:
    """Return the rows that a state can be at `base_us` or later: the newest by then, and those after it."""
    counts = ~rows.is_repeat
    is_settled = (rows.event_us <= base_us) & (rows.available_us <= base_us)
    kept = counts & ~is_settled
    settled = np.flatnonzero(counts & is_settled)
    if layout.ttl_us is not None:
        settled = settled[rows.event_us[settled] >= base_us - layout.ttl_us]
    kept[settled[-1:]] = True
    for name in layout.fills:
        filled = rows.columns[[*layout.inputs].index(name)].filled()
        kept[settled[filled[settled]][-1:]] = True
    if layout.has_dedup:
        kept |= rows.available_us >= base_us - AHEAD_US - MARGIN_US
    return rows.take(kept)
