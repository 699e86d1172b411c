"""The records behind the heads of many lists are unpacked at once, as `record.py` unpacks each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Final, NamedTuple

import msgpack
import numpy as np

from featurectl.core.dtypes import FLOAT64
from featurectl.online.stream_state.columns import Column, column_of
from featurectl.online.stream_state.event_rows import in_order
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.parsed_list import counted_records
from featurectl.online.stream_state.record import RECORD
from featurectl.pit.arrays import Bools, Floats, Ints

_FIELDS: Final = [
    ("format", "u1"), ("partition", ">u2"), ("offset", ">u8"), ("event_us", ">i8"), ("available_us", ">i8"),
]  # fmt: skip
_PREFIX: Final = np.dtype(_FIELDS)
_NAMED_PREFIX: Final = np.dtype([*_FIELDS, ("name", ">u8")])
_ARRAY: Final = b"\xdd"  # MessagePack's, with 4 bytes of its length
_FEW, _FEW_VALUES = 16, 0x90  # its array of fewer values, with their number
_FLOAT, _FLOAT64 = 9, 0xCB  # its float: that byte, and 8 of the number
_PARTITIONS: Final = 1 << 16
_ALL: Final = np.iinfo(np.int64).max


class RawRecords(NamedTuple):
    """The packed records behind the head of a list, and which count: from `frontier` on, and before `marks`."""

    elements: Sequence[bytes]
    frontier: Mapping[int, int]
    marks: Mapping[int, int] | None


class JoinedRecords(NamedTuple):
    """Records of many lists: which list each is of, its instants, and its body. Of equal times they are in order.

    Bodies that have nothing but floats are an array, a row each.
    """

    owners: Ints
    event_us: Ints
    available_us: Ints
    bodies: Sequence[Sequence[object]] | Floats

    def take(self, kept: Bools) -> JoinedRecords:
        """Return some of the records."""
        if kept.all():
            return self
        some, bodies = (self.owners[kept], self.event_us[kept], self.available_us[kept]), self.bodies
        if isinstance(bodies, np.ndarray):
            return JoinedRecords(*some, bodies[kept])
        return JoinedRecords(*some, [*compress(bodies, kept.tolist())])

    def column(self, i: int, dtype: str, layout: ListLayout) -> Column:
        """Return an input of the layout, by its place.

        Raises:
            StoreError: a value is of another type.
            ValueError: likewise.
        """
        place = len(layout.ties) + i
        if isinstance(self.bodies, np.ndarray):
            if dtype != FLOAT64:
                raise ValueError(dtype)
            return Column(self.bodies[:, place])
        return column_of(dtype, [body[place] for body in self.bodies])


def join_records(lists: Sequence[RawRecords], layout: ListLayout) -> JoinedRecords:
    """Return the records that count of lists in which no event has a copy of another place, each once.

    Raises:
        ValueError, TypeError, StoreError: an element is no record of the layout.
    """
    elements = [element for one in lists for element in one.elements]
    prefix = _NAMED_PREFIX if layout.has_dedup else _PREFIX
    prefixes, bodies = _split(elements, prefix, len(layout.ties) + len(layout.inputs))
    if len(prefixes) != len(elements) or (prefixes["format"] != RECORD).any():
        raise ValueError(len(elements))
    event_us, available_us, offsets, partitions = (
        prefixes[name].astype(np.int64) for name in ("event_us", "available_us", "offset", "partition")
    )
    if len(lists) == 1 and lists[0].marks is None and (partitions == partitions[0]).all():
        kept = offsets >= lists[0].frontier.get(int(partitions[0]), 0)
        found = JoinedRecords(np.zeros(len(elements), np.int64), event_us, available_us, bodies).take(kept)
        return _each_once(found, lists, layout)
    owners = np.repeat(np.arange(len(lists)), [len(one.elements) for one in lists])
    places = owners * _PARTITIONS + partitions
    kept = offsets >= _limits([one.frontier for one in lists], places, 0)
    if any(one.marks is not None for one in lists):
        kept &= offsets < _limits([one.marks for one in lists], places, _ALL)
    return _each_once(JoinedRecords(owners, event_us, available_us, bodies).take(kept), lists, layout)


def _split(
    elements: Sequence[bytes], prefix: np.dtype[np.void], width: int
) -> tuple[np.typing.NDArray[np.void], Sequence[Sequence[object]] | Floats]:
    """Return the prefixes of records, and their bodies, of so many values each.

    Raises:
        ValueError: there are other bodies.
    """
    size, count, begin = len(elements[0]), len(elements), prefix.itemsize
    if {*map(len, elements)} == {size}:
        octets = np.frombuffer(b"".join(elements), np.uint8).reshape(count, size)
        prefixes = np.frombuffer(octets[:, :begin].tobytes(), prefix)
        floats = _floats(octets[:, begin:], width)
        return prefixes, _unpacked(octets[:, begin:].tobytes(), count, width) if floats is None else floats
    prefixes = np.frombuffer(b"".join([element[:begin] for element in elements]), prefix)
    return prefixes, _unpacked(b"".join([element[begin:] for element in elements]), count, width)


def _floats(octets: np.typing.NDArray[np.uint8], width: int) -> Floats | None:
    """Return bodies that have nothing but so many floats as they are; None of any others."""
    if octets.shape[1] != 1 + _FLOAT * width or not 0 < width < _FEW:
        return None
    cells = octets[:, 1:].reshape(-1, width, _FLOAT)
    if (octets[:, 0] != _FEW_VALUES + width).any() or (cells[:, :, 0] != _FLOAT64).any():
        return None
    found: Floats = np.ascontiguousarray(cells[:, :, 1:]).view(">f8")[:, :, 0].astype(np.float64)
    return found


def _unpacked(packed: bytes, count: int, width: int) -> Sequence[Sequence[object]]:
    bodies: Sequence[Sequence[object]] = msgpack.unpackb(b"".join((_ARRAY, count.to_bytes(4, "big"), packed)))
    if {*map(type, bodies)} != {list} or {*map(len, bodies)} != {width}:
        raise ValueError(width)
    return bodies


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
    if _are_apart(found, len(lists)):
        return found
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
    alone = others.bodies.tolist() if isinstance(others.bodies, np.ndarray) else others.bodies
    bodies = [*alone, *([*record.ties, *record.values] for _, record in records)]
    return JoinedRecords(owners, event_us, available_us, bodies)


def _are_apart(found: JoinedRecords, lists: int) -> bool:
    """Return whether no two records of a list have one event time, as far as that is seen by one sort of numbers."""
    if not len(found.event_us):
        return True
    least_us, most_us = int(found.event_us.min()), int(found.event_us.max())
    if (most_us - least_us + 1) * lists > _ALL:
        return False
    keys = found.event_us - least_us
    if lists > 1:
        keys += found.owners * (most_us - least_us + 1)
    keys.sort()
    return not bool((keys[1:] == keys[:-1]).any())
