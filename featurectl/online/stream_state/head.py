"""The head of a list: what compaction has made of the records that came first.

    byte 0    format: 130
    then      a MessagePack array:
               0  asof: the instant of the head, in microseconds
               1  since when it holds nothing that an answer needs, by the store's clock; 0: it does
               2  event_time and available_at of the newest event by `asof`, or nil
               3  the frontier: partition number, first offset that is not folded, and so on by partition
               4  rows: how many
               5  event_time, as `packed_times.py` says
               6  available_at, likewise
               7  a bit for each row that is a repeat, from the highest of the first byte on; empty where none is
               8  hashes of the `dedup_key`, 8 bytes each, little-endian; empty where there is none
               9  the inputs, a packed column each
              10  tiles: how many
              11  their numbers, packed as integers
              12  for each state of the layout an array of packed columns, one for each part
              13  for each state the same of all rows before the tiles and rows, for `lifetime`; or nil

Rows are in the order of (event_time, available_at, tiebreak, partition, offset). Columns are packed as
`packed_columns.py` says, integers as `packed_ints.py`. Heads of format 129 have at place 5 the first `event_time` and
packed differences, and at 6 packed delays; they are read, and compaction makes them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeGuard, cast

import msgpack
import numpy as np

from featurectl.online.stream_state.event_rows import EventRows, no_rows
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.packed_columns import Column, pack_column, unpack_column
from featurectl.online.stream_state.packed_ints import WORD, pack_ints, unpack_ints
from featurectl.online.stream_state.packed_times import (
    pack_available,
    pack_sorted,
    unpack_available,
    unpack_differences,
    unpack_sorted,
)
from featurectl.online.stream_state.record import broken_list, later_list
from featurectl.online.stream_state.tiles import Tiles, TileStates, no_tiles, part_types, states_at, tiles_of

HEAD: Final = 0x82
_BEFORE: Final = 0x81
_PARTS: Final = 14
_ARRAY: Final = b"\xdd"  # MessagePack's, with 4 bytes of its length
_MANY: Final = 10_000  # rows of a list that is not joined to others


class Head(NamedTuple):
    """What is folded of a list.

    `frontier` has the first offset that is not folded, by the partition's number; `empty_since_us` is 0 where the head
    holds something. `lifetime` are the states of the rows that left tiles and rows; None where there is no such
    aggregate, or no such row.
    """

    asof_us: int
    empty_since_us: int
    newest: tuple[int, int] | None
    frontier: Mapping[int, int]
    rows: EventRows
    tiles: Tiles
    lifetime: TileStates | None

    @property
    def is_empty(self) -> bool:
        """Whether no answer needs it."""
        return not self.rows.height and not self.tiles.height and self.lifetime is None


def no_head(layout: ListLayout) -> Head:
    """Return the head of a list that has none."""
    return Head(0, 0, None, {}, no_rows(layout), no_tiles(layout), None)


def pack_head(head: Head, layout: ListLayout) -> bytes:
    """Return the bytes of a head."""
    rows, tiles = head.rows, head.tiles
    lifetime = None
    if head.lifetime is not None:
        lifetime = _pack_states(tiles_of({0: head.lifetime}, layout).states, layout)
    body: bytes = msgpack.packb(
        [
            head.asof_us,
            head.empty_since_us,
            head.newest,
            [number for pair in sorted(head.frontier.items()) for number in pair],
            rows.height,
            pack_sorted(rows.event_us),
            pack_available(rows.available_us, rows.event_us, head.asof_us),
            np.packbits(rows.is_repeat).tobytes() if rows.is_repeat.any() else b"",
            rows.names.astype("<u8").tobytes(),
            [pack_column(c, dtype) for c, dtype in zip(rows.columns, layout.inputs.values(), strict=True)],
            tiles.height,
            pack_ints(tiles.numbers),
            _pack_states(tiles.states, layout),
            lifetime,
        ]
    )
    return bytes([HEAD]) + body


def _pack_states(states: Sequence[Sequence[Column]], layout: ListLayout) -> list[list[bytes]]:
    return [
        [pack_column(part, dtype) for part, dtype in zip(parts, part_types(kept, layout), strict=True)]
        for parts, kept in zip(states, layout.folded, strict=True)
    ]


def unpack_head(data: bytes, layout: ListLayout) -> Head:
    """Return the head of a list.

    Raises:
        StoreError: it is none of this layout.
    """
    if data[:1] not in (bytes([HEAD]), bytes([_BEFORE])):
        raise later_list(data[0] if data else 0)
    try:
        return _unpacked(_parts(data), layout, is_before=data[0] == _BEFORE)
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise broken_list("a head can't be read") from error


def _parts(data: bytes) -> list:  # type: ignore[type-arg]  # of whatever MessagePack has
    parts = msgpack.unpackb(memoryview(data)[1:])
    if not _is_head(parts):
        raise broken_list("a head has other parts than its layout")
    return parts


class PackedHead(NamedTuple):
    """A head without tiles and `lifetime` whose rows are still packed, as the parts of a head are."""

    asof_us: int
    newest: tuple[int, int] | None
    frontier: Sequence[int]
    rows: int
    event_us: bytes
    available_us: bytes
    repeats: bytes
    names: bytes
    columns: Sequence[bytes]


_packed_head = cast("Callable[[tuple[object, ...]], PackedHead]", partial(tuple.__new__, PackedHead))


def open_head(data: bytes, layout: ListLayout) -> PackedHead | None:
    """Return a head without unpacking its rows; None where it is no usual one, or one of very many rows.

    Raises:
        StoreError: it is none.
        ValueError: likewise.
    """
    if data[:1] != bytes([HEAD]):
        return None
    parts = _parts(data)
    asof_us, _, newest, frontier, rows, event_us, available_us, repeats, names, columns, tiles, _, _, lifetime = parts
    if tiles or lifetime is not None or not 0 <= rows <= _MANY or len(frontier) % 2:
        return None
    if len(columns) != len(layout.inputs) or len(names) != (WORD * rows if layout.has_dedup else 0):
        return None
    known = None if newest is None else (int(newest[0]), int(newest[1]))
    return PackedHead(asof_us, known, frontier, rows, event_us, available_us, repeats, names, columns)


def open_heads(found: Sequence[bytes], layout: ListLayout) -> list[PackedHead] | None:
    """Return heads as `open_head` does; None where each is to be opened alone, as one of them is no usual one."""
    if {*[data[0] for data in found]} != {HEAD}:
        return None
    packed: list[bytes | memoryview] = [_ARRAY, len(found).to_bytes(4, "big")]
    packed += [memoryview(data)[1:] for data in found]
    try:
        parts = [*zip(*msgpack.unpackb(b"".join(packed)), strict=True)]
        asofs, since, newest, frontiers, rows, *columns_of_rows, tiles, _, _, lifetimes = parts
        names, columns = columns_of_rows[-2:]
        known = [pair if pair is None else tuple(pair) for pair in newest]
        if {*map(type, (*asofs, *since, *rows, *tiles))} != {int} or any(tiles) or lifetimes.count(None) < len(found):
            return None
        if min(rows) < 0 or max(rows) > _MANY or {*map(len, columns)} != {len(layout.inputs)}:
            return None
        wanted = [WORD * count for count in rows] if layout.has_dedup else [0] * len(found)
        if [*map(len, names)] != wanted or any(size % 2 for size in {*map(len, frontiers)}):
            return None
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return [*map(_packed_head, zip(asofs, known, frontiers, rows, *columns_of_rows, strict=True))]


def _is_head(parts: object) -> TypeGuard[list]:  # type: ignore[type-arg]  # of whatever MessagePack has
    if not isinstance(parts, list) or len(parts) != _PARTS:
        return False
    return type(parts[0]) is type(parts[1]) is type(parts[4]) is type(parts[10]) is int


def _unpacked(parts: list, layout: ListLayout, *, is_before: bool) -> Head:  # type: ignore[type-arg]
    count, tile_count, frontier = parts[4], parts[10], parts[3]
    newest = None if parts[2] is None else (int(parts[2][0]), int(parts[2][1]))
    rows = _rows(parts, count, layout, is_before=is_before) if count else no_rows(layout)
    tiles = no_tiles(layout)
    if tile_count:
        tiles = Tiles(unpack_ints(parts[11], tile_count), _unpack_states(parts[12], tile_count, layout))
    lifetime = None
    if parts[13] is not None:
        lifetime = states_at(Tiles(np.zeros(1, np.int64), _unpack_states(parts[13], 1, layout)), 0)
    pairs = dict(zip(frontier[::2], frontier[1::2], strict=True))
    return Head(parts[0], parts[1], newest, pairs, rows, tiles, lifetime)


def _rows(parts: list, count: int, layout: ListLayout, *, is_before: bool) -> EventRows:  # type: ignore[type-arg]
    if is_before:
        event_us = unpack_differences(parts[5], count)
        available_us = event_us + unpack_ints(parts[6], count)
    else:
        event_us = unpack_sorted(parts[5], count)
        available_us = unpack_available(parts[6], event_us)
    flags, names = parts[7], np.frombuffer(parts[8], "<u8")
    is_repeat = np.zeros(count, np.bool_)
    if flags:
        is_repeat = np.unpackbits(np.frombuffer(flags, np.uint8), count=count).astype(np.bool_)
    if len(names) != (count if layout.has_dedup else 0):
        raise broken_list("a head has other names of events than its layout")
    dtypes = layout.inputs.values()
    columns = tuple(unpack_column(body, dtype, count) for body, dtype in zip(parts[9], dtypes, strict=True))
    return EventRows(event_us, available_us, is_repeat, names, np.zeros(count, np.int64), columns)


def _unpack_states(states: Sequence[Sequence[bytes]], rows: int, layout: ListLayout) -> tuple[tuple[Column, ...], ...]:
    return tuple(
        tuple(unpack_column(part, dtype, rows) for part, dtype in zip(parts, part_types(kept, layout), strict=True))
        for parts, kept in zip(states, layout.folded, strict=True)
    )
