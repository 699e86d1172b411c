"""The head of a list: what compaction has made of the records that came first.

    byte 0    format: 131, or 132 where what follows is one frame of Zstandard
    then      a MessagePack array:
               0  asof: the instant of the head, in microseconds
               1  since when it holds nothing that an answer needs, by the store's clock; 0: it does
               2  event_time and available_at of the newest event by `asof`, or nil
               3  the frontier: partition number, first offset that is not folded, and so on by partition
               4  rows: how many
               5  event_time of each, 8 bytes, little-endian
               6  available_at, likewise
               7  a bit for each row that is a repeat, from the highest of the first byte on; empty where none is
               8  hashes of the `dedup_key`, 8 bytes each, little-endian; empty where there is none
               9  the inputs, a column each
              10  tiles: how many
              11  their numbers, 8 bytes each, little-endian
              12  for each state of the layout an array of columns, one for each part
              13  for each state the same of all rows before the tiles and rows, for `lifetime`; or nil

Rows are in the order of (event_time, available_at, tiebreak, partition, offset); `columns.py` says what a column is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgpack
import numpy as np

from featurectl.core import zstd
from featurectl.online.stream_state.columns import (
    HASHES,
    INTS,
    Column,
    pack_column,
    pack_numbers,
    unpack_bits,
    unpack_column,
    unpack_numbers,
)
from featurectl.online.stream_state.event_rows import EventRows, no_rows
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.record import broken_list, later_list
from featurectl.online.stream_state.tiles import Tiles, TileStates, no_tiles, part_types, states_at, tiles_of

PLAIN: Final = 0x83
COMPRESSED: Final = 0x84
_PARTS: Final = 14
_FAST: Final = -1  # a level of Zstandard that is read in two thirds of the time of the usual one, of 11 % more bytes


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
        lifetime = _pack_states(tiles_of({0: head.lifetime}, layout).states)
    body: bytes = msgpack.packb(
        [
            head.asof_us,
            head.empty_since_us,
            head.newest,
            [number for pair in sorted(head.frontier.items()) for number in pair],
            rows.height,
            pack_numbers(rows.event_us),
            pack_numbers(rows.available_us),
            np.packbits(rows.is_repeat).tobytes() if rows.is_repeat.any() else b"",
            pack_numbers(rows.names),
            [*map(pack_column, rows.columns)],
            tiles.height,
            pack_numbers(tiles.numbers),
            _pack_states(tiles.states),
            lifetime,
        ]
    )
    compressed = zstd.compress(body, _FAST)
    return bytes([PLAIN]) + body if len(body) <= len(compressed) else bytes([COMPRESSED]) + compressed


def _pack_states(states: Sequence[Sequence[Column]]) -> list[list[object]]:
    return [[*map(pack_column, parts)] for parts in states]


def unpack_head(data: bytes, layout: ListLayout) -> Head:
    """Return the head of a list.

    Raises:
        StoreError: it is none of this layout.
    """
    form = data[0] if data else 0
    if form > COMPRESSED:
        raise later_list(form)
    if form < PLAIN:
        raise broken_list("a development version of featurectl wrote a head")
    try:
        body = memoryview(data)[1:]
        parts = msgpack.unpackb(zstd.decompress(body) if form == COMPRESSED else body)
        if not isinstance(parts, list) or len(parts) != _PARTS:
            raise broken_list("a head has other parts than its layout")
        return _unpacked(parts, layout)
    except (ValueError, TypeError, LookupError, OverflowError, zstd.ZstdError) as error:
        raise broken_list("a head can't be read") from error


def _unpacked(parts: list[Any], layout: ListLayout) -> Head:
    asof_us, since_us, known, frontier, count, event_us, available_us, repeats, names, columns, *folded = parts
    if {*map(type, (asof_us, since_us, count, folded[0], *frontier))} != {int}:
        raise broken_list("a head has other parts than its layout")
    newest = None if known is None else (int(known[0]), int(known[1]))
    dtypes = layout.inputs.values()
    rows = EventRows(
        unpack_numbers(event_us, INTS, count),
        unpack_numbers(available_us, INTS, count),
        unpack_bits(repeats, count) if repeats else np.zeros(count, np.bool_),
        unpack_numbers(names, HASHES, count if layout.has_dedup else 0),
        np.zeros(count, np.int64),
        tuple(unpack_column(packed, dtype, count) for packed, dtype in zip(columns, dtypes, strict=True)),
    )
    if (rows.event_us[1:] < rows.event_us[:-1]).any():
        raise broken_list("a head's rows are not in order")
    height, numbers, states, lifetime = folded
    tiles = no_tiles(layout)
    if height:
        tiles = Tiles(unpack_numbers(numbers, INTS, height), _unpack_states(states, height, layout))
    if lifetime is not None:
        lifetime = states_at(Tiles(np.zeros(1, np.int64), _unpack_states(lifetime, 1, layout)), 0)
    offsets = dict(zip(frontier[::2], frontier[1::2], strict=True))
    return Head(asof_us, since_us, newest, offsets, rows, tiles, lifetime)


def _unpack_states(states: Sequence[Sequence[object]], rows: int, layout: ListLayout) -> tuple[tuple[Column, ...], ...]:
    return tuple(
        tuple(unpack_column(part, dtype, rows) for part, dtype in zip(parts, part_types(kept, layout), strict=True))
        for parts, kept in zip(states, layout.folded, strict=True)
    )
