"""The few records behind the head of a usual list, whose values are floats alone: in fewer steps than by arrays."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from featurectl.core.dtypes import FLOAT64
from featurectl.online.stream_state.joined_records import RawRecords
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.record import RECORD

_MOST_FLOATS: Final = 128  # of more, arrays take less time
_MOST_VALUES: Final = 15  # of MessagePack's array whose first byte has their number
_ARRAY: Final = 0x90  # MessagePack's, with the number of its values
_FLOAT: Final = 0xCB


class UsualRecords(NamedTuple):
    """The event times of records, no two of which are the same, and their values, column by column, ties before."""

    event_us: Sequence[int]
    columns: Sequence[Sequence[float]]


class UsualRecordReader:
    """Reads records of a layout whose ties and inputs are floats."""

    def __init__(self, layout: ListLayout) -> None:
        self._width = len(layout.ties) + len(layout.inputs)
        self._names = int(layout.has_dedup)
        self._record = struct.Struct(f">BHQqq{'Q' * self._names}B{'Bd' * self._width}")

    @staticmethod
    def knows(layout: ListLayout) -> bool:
        """Return whether all values of a layout are floats, and so few as are read here."""
        dtypes = (*layout.ties, *layout.inputs.values())
        return 0 < len(dtypes) <= _MOST_VALUES and {*dtypes} == {FLOAT64}

    def read(self, raw: RawRecords, at_us: int) -> UsualRecords | None:
        """Return records of which all count by an instant; None where others have to read them."""
        elements, frontier, marks = raw
        count, record = len(elements), self._record
        if marks is not None or count * self._width > _MOST_FLOATS or {*map(len, elements)} != {record.size}:
            return None
        fields = [*zip(*record.iter_unpack(b"".join(elements)), strict=True)]
        formats, partitions, offsets, event_us, available_us, *behind = fields
        arrays, *cells = behind[self._names :]
        first = partitions[0]
        if formats.count(RECORD) < count or arrays.count(_ARRAY + self._width) < count:
            return None
        if any(cell.count(_FLOAT) < count for cell in cells[::2]):
            return None
        if partitions.count(first) < count or min(offsets) < frontier.get(first, 0):
            return None
        if max(available_us) > at_us or len({*event_us}) < count:
            return None
        return UsualRecords(event_us, cells[1::2])
