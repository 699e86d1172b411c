"""Records and heads of the simulation as elements of lists."""

from __future__ import annotations

import json

from featurectl.online.stream_state.base import is_head
from tests.streaming.model.store import Element
from tests.streaming.model.views import Head, Record


def pack(element: Element) -> bytes:
    """Return an element as bytes, the same each time."""
    if isinstance(element, Record):
        return b"\x01" + json.dumps(_values(element)).encode()
    rows = [_values(row) for row in element.rows]
    whole = [element.frontier, rows, element.tiles, element.asof, element.empty_since]
    return b"\x81" + json.dumps(whole).encode()


def unpack(data: bytes) -> Element:
    """Return the element of some bytes."""
    values = json.loads(data[1:])
    if not is_head(data):
        return _record(values)
    frontier, rows, tiles, asof, empty_since = values
    return Head(
        frontier=tuple(frontier),
        rows=tuple(map(_record, rows)),
        tiles=tuple((tile, tuple(place), count) for tile, place, count in tiles),
        asof=asof,
        empty_since=empty_since,
    )


def _values(row: Record) -> list[float]:
    return [row.stamp, row.partition, row.offset, row.time, row.key, row.known_repeat]


def _record(values: list) -> Record:
    stamp, partition, offset, time, key, known_repeat = values
    return Record(stamp=stamp, partition=partition, offset=offset, time=time, key=key, known_repeat=known_repeat)
