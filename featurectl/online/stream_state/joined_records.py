"""The records behind the heads of many lists are unpacked at once, as `record.py` unpacks each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Final, NamedTuple

import msgpack
import numpy as np

from featurectl.online.stream_state.event_rows import in_order
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.packed_columns import Column, column_of
from featurectl.online.stream_state.parsed_list import counted_records
from featurectl.online.stream_state.record import RECORD
from featurectl.pit.arrays import Bools, Ints

_PREFIX: Final = np.dtype(
    [("format", "u1"), ("partition", ">u2"), ("offset", ">u8"), ("event_us", ">i8"), ("available_us", ">i8")]
)
_SIZE: Final = _PREFIX.itemsize
_ARRAY: Final = b"\xdd"  # MessagePack's, with 4 bytes of its length
_PARTITIONS: Final = 1 << 16
_ALL: Final = np.iinfo(np.int64).max


class RawRecords(NamedTuple):
    """The packed records behind the head of a list, and which count: from `frontier` on, and before `marks`."""

    elements: Sequence[bytes]
    frontier: Mapping[int, int]
    marks: Mapping[int, int] | None


class JoinedRecords(NamedTuple):
    """Records of many lists: which list each is of, its instants, and its body. Of equal times they are in order."""

    owners: Ints
    event_us: Ints
    available_us: Ints
    bodies: Sequence[Sequence[object]]

    def take(self, kept: Bools) -> JoinedRecords:
        """Return some of the records."""
        if kept.all():
            return self
        return JoinedRecords(
            self.owners[kept], self.event_us[kept], self.available_us[kept], [*compress(self.bodies, kept.tolist())]
        )

    def column(self, i: int, dtype: str, layout: ListLayout) -> Column:
        """Return an input of the layout, by its place.

        Raises:
            StoreError: a value is of another type.
        """
        place = len(layout.ties) + i
        return column_of(dtype, [body[place] for body in self.bodies])


def join_records(lists: Sequence[RawRecords], layout: ListLayout) -> JoinedRecords:
    """Return the records that count of lists without a `dedup_key`, each once.

    Raises:
        ValueError, TypeError, StoreError: an element is no record of the layout.
    """
    elements = [element for one in lists for element in one.elements]
    prefixes, packed = _split(elements)
    bodies = msgpack.unpackb(b"".join((_ARRAY, len(elements).to_bytes(4, "big"), packed)))
    width = len(layout.ties) + len(layout.inputs)
    if len(prefixes) != len(elements) or (prefixes["format"] != RECORD).any():
        raise ValueError(len(elements))
    if {*map(type, bodies)} != {list} or {*map(len, bodies)} != {width}:
        raise ValueError(width)
    owners = np.repeat(np.arange(len(lists)), [len(one.elements) for one in lists])
    event_us, available_us, offsets, partitions = (
        prefixes[name].astype(np.int64) for name in ("event_us", "available_us", "offset", "partition")
    )
    places = owners * _PARTITIONS + partitions
    kept = offsets >= _limits([one.frontier for one in lists], places, 0)
    if any(one.marks is not None for one in lists):
        kept &= offsets < _limits([one.marks for one in lists], places, _ALL)
    return _each_once(JoinedRecords(owners, event_us, available_us, bodies).take(kept), lists, layout)


def _split(elements: Sequence[bytes]) -> tuple[np.typing.NDArray[np.void], bytes]:
    """Return the prefixes of records, and the bytes behind them end to end."""
    size = len(elements[0])
    if {*map(len, elements)} == {size}:
        octets = np.frombuffer(b"".join(elements), np.uint8).reshape(len(elements), size)
        prefixes = np.frombuffer(octets[:, :_SIZE].tobytes(), _PREFIX)
        return prefixes, octets[:, _SIZE:].tobytes()
    prefixes = np.frombuffer(b"".join([element[:_SIZE] for element in elements]), _PREFIX)
    return prefixes, b"".join([element[_SIZE:] for element in elements])


def _limits(limits: Sequence[Mapping[int, int] | None], places: Ints, otherwise: int) -> Ints:
    """Return the offset of a partition that is said for each place, 0 if none is; of lists without any `otherwise`."""
    known = sorted(
        (owner * _PARTITIONS + partition, offset)
        for owner, some in enumerate(limits)
        for partition, offset in (some or {}).items()
    )
    without = np.array([some is None for some in limits], np.bool_)[places // _PARTITIONS]
    found = np.where(without, otherwise, 0)
    if known:
        keys, offsets = np.array(known, np.int64).T
        at = np.minimum(keys.searchsorted(places), len(keys) - 1)
        found = np.where(keys[at] == places, offsets[at], found)
    return found


def _each_once(found: JoinedRecords, lists: Sequence[RawRecords], layout: ListLayout) -> JoinedRecords:
    """Return records of which each is there once.

    Those of lists that have two of one event time, as have a record and its copy, are read one by one.
    """
    order = np.lexsort((found.event_us, found.owners))
    owners, event_us = found.owners[order], found.event_us[order]
    same = (owners[1:] == owners[:-1]) & (event_us[1:] == event_us[:-1])
    if not same.any():
        return found
    several: list[int] = np.unique(owners[1:][same]).tolist()
    records = [
        (owner, record)
        for owner, one in ((owner, lists[owner]) for owner in several)
        for record in in_order(counted_records(one.elements, layout, one.frontier, one.marks), layout)
    ]
    others = found.take(~np.isin(found.owners, several))
    times = np.array([(owner, record.event_us, record.available_us) for owner, record in records], np.int64).T
    owners, event_us, available_us = (np.concatenate(pair) for pair in zip(others[:3], times, strict=True))
    bodies = [*others.bodies, *([*record.ties, *record.values] for _, record in records)]
    return JoinedRecords(owners, event_us, available_us, bodies)
