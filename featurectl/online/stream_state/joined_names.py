"""Lists in which an event may have a copy are separated from the others, which are read together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from featurectl.online.stream_state.joined_lists import OpenedList
from featurectl.online.stream_state.layout import ListLayout

_BEGIN, _END = 27, 35  # of the name of a record: behind its format, partition, offset and instants
_APART: Final = np.uint64(0x9E3779B97F4A7C15)  # an odd number, so that names of different lists are others


def without_copies(opened: Sequence[OpenedList | None], layout: ListLayout) -> list[OpenedList | None]:
    """Return lists, None for one in which two events may have one name: which is the copy is to be found anew.

    Copies among the rows of a head are known. Names of different lists may be taken for equal, which is no loss: those
    lists are read alone.
    """
    found = [*opened]
    if not layout.has_dedup:
        return found
    behind = [i for i, one in enumerate(found) if one is not None and one.raw.elements]
    if not behind:
        return found
    names, owners = [], []
    for i in behind:
        one = found[i]
        assert one is not None
        known = one.head.rows.names
        packed = b"".join([element[_BEGIN:_END] for element in one.raw.elements])
        if len(packed) % 8:
            return [
                None if j in behind else each for j, each in enumerate(found)
            ]  # who reads it alone says what is wrong
        raw = np.frombuffer(packed, ">u8").astype(np.uint64)
        names += [known, raw]
        owners += [len(known) + len(raw)]
    lists = np.repeat(np.array(behind, np.uint64), owners)
    keys = np.concatenate(names) ^ (lists * _APART)
    order = np.argsort(keys)
    same = keys[order[1:]] == keys[order[:-1]]
    for i in np.unique(lists[order[1:][same]]).tolist():
        found[int(i)] = None
    return found
