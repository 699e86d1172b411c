"""What the lists of a new generation are made of: the rows of a source's history, then the events of its log.

Entities are worked on in parts, so that the events of one part fit in memory: each part reads all there is, and what
belongs to others is left out before Python sees it, where the entity's key stands in columns of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.dtypes import DATE, TIMESTAMP, decimal_parts, list_item
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, STAMP, EventLog, OpenedLog
from featurectl.online.stream_state.base import MOST_PARTITIONS
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.view_records import StampedEvent

HistoryRows = Callable[[], Iterator[pl.DataFrame]]  # of a history: columns of the stream and its `select`, and STAMP
ROWS_AT_ONCE: Final = 1_000_000
_ENDED: Final = MOST_PARTITIONS - 1  # stands for partitions of before that the register does not know
_EARLIER: Final = MOST_PARTITIONS - 2  # and for the history


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededView:
    """A view version (`view@version`) that gets a new generation, its source, and what its history has, if any.

    `max_age_us` is how far back its lists are to be asked, in microseconds, where that is further than usual.
    """

    name: str
    view: FeatureView
    source: Source
    earlier: HistoryRows | None = None
    max_age_us: int = 0


class SeedEvents:
    """The events of a source before the cut of each partition: `cuts` are by the numbers that `numbers` names."""

    def __init__(
        self, seeded: SeededView, log: EventLog, opened: OpenedLog, numbers: Mapping[str, int], cuts: Mapping[int, int]
    ) -> None:
        self._seeded, self._log, self._opened = seeded, log, opened
        self._numbers, self._cuts = numbers, cuts
        self._decoder = EventDecoder(seeded.source)
        source = seeded.source
        self._own = [*(source.columns or {})]
        self._types = {PARTITION: "string", OFFSET: "int64", STAMP: "timestamp", **(source.columns or {})}
        hidden = {item.name for item in source.select}
        keys = [name for name in seeded.view.key_columns if name in self._own and name not in hidden]
        self._keys = keys if len(keys) == len(seeded.view.key_columns) else []

    def parts(self, look: Callable[[], None]) -> int:
        """Return in how many parts entities are worked on; `look` is called now and then while that is found out."""
        rows = self._log.rows(self._opened)
        if self._seeded.earlier is not None:
            for frame in self._seeded.earlier():
                look()
                rows += frame.height
        return max(1, -(-rows // ROWS_AT_ONCE))

    def of_part(self, part: int, parts: int) -> Iterator[StampedEvent]:
        """Give the events of a part, those of the history first; where keys are made, those of all parts."""
        yield from self._of_history(part, parts)
        columns = [PARTITION, OFFSET, STAMP, *self._own]
        for frame in self._log.read_rows(self._opened, [*columns, REJECTED]):
            good = self._chosen(frame.filter(pl.col(REJECTED).is_null()), part, parts)
            for name, offset, stamp, *own in stored_rows(good, columns, self._types):
                assert isinstance(offset, int)
                assert isinstance(stamp, int)
                place = self._numbers.get(str(name), _ENDED)
                if place == _ENDED or offset < self._cuts.get(place, 0):
                    row = self._decoder.with_select(own)
                    yield StampedEvent(place, offset, self._decoder.event_us(row), stamp, row)

    def _of_history(self, part: int, parts: int) -> Iterator[StampedEvent]:
        if self._seeded.earlier is None:
            return
        types = {STAMP: "timestamp", **self._decoder.columns}
        columns = [STAMP, *self._own, *(item.name for item in self._seeded.source.select)]
        number = 0
        for frame in self._seeded.earlier():
            for stamp, *row in stored_rows(self._chosen(frame, part, parts), columns, types):
                assert isinstance(stamp, int)
                made = tuple(row)  # with what the history itself says of the columns of `select`
                yield StampedEvent(_EARLIER, number, self._decoder.event_us(made), stamp, made)
                number += 1

    def _chosen(self, frame: pl.DataFrame, part: int, parts: int) -> pl.DataFrame:
        if parts == 1 or not self._keys:
            return frame
        return frame.filter(pl.struct(self._keys).hash() % parts == part)

    def is_chosen(self, entity: bytes, part: int, parts: int) -> bool:
        """Return whether an entity belongs to a part, where its events were not chosen by that."""
        return bool(self._keys) or sum(entity) % parts == part


def stored_rows(frame: pl.DataFrame, names: Sequence[str], types: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    """Give some columns of rows in the form of the online store: times and dates as numbers, decimals as texts.

    A column may be named twice.
    """
    return frame.select(
        _stored(pl.col(name), types[name]).alias(f"{place}") for place, name in enumerate(names)
    ).iter_rows()


def _stored(column: pl.Expr, dtype: str) -> pl.Expr:
    if dtype in (TIMESTAMP, DATE):
        return column.to_physical().cast(pl.Int64)
    if decimal_parts(dtype):
        return column.cast(pl.String)
    item = list_item(dtype)
    return column.list.eval(_stored(pl.element(), item)) if item else column
