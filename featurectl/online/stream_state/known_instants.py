"""What the head of a list still knows of an instant of before it: answers that it can't give any more are refused.

A head can be asked about what was up to `ListLayout.past_us` before it. Of what was earlier it may have forgotten rows,
or have folded rows together that are to be distinguished. Where it has not, it answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from featurectl.core.errors import DataError
from featurectl.core.units import format_iso, from_us, plural
from featurectl.online.corrupt_rows import RowPlace, shown_key
from featurectl.online.stream_state.head import Head
from featurectl.online.stream_state.layout import ListLayout


class RowInstant(NamedTuple):
    """When a row happened, and when it is asked about, in microseconds since 1970.

    Windows and ttl end at `time_us`, rows count that were available at `known_us`. Nothing that happens after an
    instant is known at it: where `known_us` is before `time_us`, it stands for that, too.
    """

    time_us: int
    known_us: int

    def before(self, asof_us: int) -> RowInstant:
        """Return the instant as far as it is known at another one, windows ending no later than rows are known."""
        known_us = min(self.known_us, asof_us)
        return RowInstant(min(self.time_us, known_us), known_us)


class UnknownInstantError(DataError):
    """Lists do not know any more what was at an instant; `messages` says so of each row that asked, if many did."""

    def __init__(self, whose: str, at: RowInstant, messages: Mapping[int, str] | None = None) -> None:
        rows = messages or {}
        more = f", nor for {len(rows) - 1:,} more {plural(len(rows) - 1, 'row')}" if len(rows) > 1 else ""
        message = (
            f"{whose}: the online store does not know any more what was at {format_iso(from_us(at.time_us))}{more}"
        )
        super().__init__(message, code="FC550")
        self.whose, self.at = whose, at
        self.messages = rows

    @staticmethod
    def of_rows(errors: Mapping[int, UnknownInstantError]) -> UnknownInstantError:
        """Return the error of several rows, by their places, that tells of the first one."""
        first = errors[min(errors)]
        return UnknownInstantError(first.whose, first.at, {row: of.message for row, of in errors.items()})


def unknown_instant(place: RowPlace, at: RowInstant) -> UnknownInstantError:
    """Return the error that says whose list it is."""
    return UnknownInstantError(f"{place.field} {shown_key(place.key, place.names)}", at)


def oldest_row_us(asof_us: int, layout: ListLayout) -> int:
    """Return the instant from which on all events are in the rows and tiles of a head as of another."""
    return asof_us - layout.past_us - layout.span_us


class HeadMemory:
    """What a head of a layout can tell. A list whose head was removed, as nothing was in it, has one as of `asof`."""

    def __init__(self, head: Head, layout: ListLayout) -> None:
        self._head, self._layout = head, layout
        self._base_us = head.asof_us - layout.past_us  # rows that happened and were known by then may be folded
        self._oldest_us = oldest_row_us(head.asof_us, layout)

    def knows_window(self, begin_us: int | None, end_us: int, known_us: int) -> bool:
        """Return whether the rows of a window that were known at an instant are known yet; None: from the beginning."""
        if self._layout.hop_us is not None:
            return self._knows_tiles(begin_us, end_us, known_us, self._layout.hop_us)
        if begin_us is not None:
            return self._has_rows_from(begin_us)
        return self._knows_lifetime(end_us, known_us)

    def _has_rows_from(self, begin_us: int) -> bool:
        return begin_us >= self._oldest_us

    def _knows_lifetime(self, end_us: int, known_us: int) -> bool:
        return self._head.lifetime is None or (self._is_settled(known_us) and end_us >= self._oldest_us)

    def _knows_tiles(self, begin_us: int | None, end_us: int, known_us: int, hop_us: int) -> bool:
        numbers, oldest = self._head.tiles.numbers, self._oldest_us // hop_us
        if begin_us is None:
            last = oldest - 1 if self._head.lifetime is not None else None
        else:
            if not self._has_tiles_from(begin_us // hop_us, oldest):
                return False
            numbers, last = numbers[numbers >= begin_us // hop_us], None
        last = int(numbers[-1]) if len(numbers) else last
        if last is None:
            return True
        return self._is_settled(known_us) and self._is_whole((last + 1) * hop_us, end_us)

    @staticmethod
    def _has_tiles_from(first: int, oldest: int) -> bool:
        return first >= oldest

    def _is_settled(self, known_us: int) -> bool:
        """Return whether all that was folded was known at an instant."""
        return known_us >= self._base_us

    def _is_whole(self, folded_until_us: int, end_us: int) -> bool:
        """Return whether all that was folded is before the end of a window, which may leave out its very end."""
        return folded_until_us < end_us if self._layout.closed == "none" else folded_until_us <= end_us

    def knows_state(self, at: RowInstant, fills: Sequence[int]) -> bool:
        """Return whether the newest row is known yet, and the newest with a value of each column by its place.

        Of rows that are settled a head keeps the newest alone: what was before it is not known any more, but neither
        does it matter where that row counts.
        """
        rows, ttl_us = self._head.rows, self._layout.ttl_us
        if at.time_us >= self._base_us:
            return True
        is_settled = (rows.event_us <= self._base_us) & (rows.available_us <= self._base_us) & ~rows.is_repeat
        if ttl_us is not None:
            is_settled &= rows.event_us >= self._base_us - ttl_us
        settled = np.flatnonzero(is_settled)
        for some in (settled, *(settled[rows.columns[place].filled()[settled]] for place in fills)):
            if not len(some):
                if self._removes_states():  # older ones may count then, which were removed by now
                    return False
            elif not self._counts(int(rows.event_us[some[-1]]), int(rows.available_us[some[-1]]), at):
                return False
        return True

    def _removes_states(self) -> bool:
        return self._layout.ttl_us is not None

    @staticmethod
    def _counts(event_us: int, available_us: int, at: RowInstant) -> bool:
        return event_us <= at.time_us and available_us <= at.known_us
