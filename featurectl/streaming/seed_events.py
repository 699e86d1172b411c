"""What the lists of a new generation are made of: the rows of a source's history, then the events of its log.

They are read once, and laid apart by their entities: in memory, and in files where they outgrow it. Then entities are
worked on in parts, each with all of its events, so that a part fits in memory. Of an event what the view needs is kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from featurectl.core.dtypes import DATE, TIMESTAMP, decimal_parts, list_item
from featurectl.engines.shuffle import Shuffle
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, STAMP, EventLog, OpenedLog
from featurectl.offline.failures import store_failure
from featurectl.online.stream_state.base import MOST_PARTITIONS
from featurectl.streaming.erased_events import NO_STREAM_ERASURES, ErasedEvents, StreamErasures
from featurectl.streaming.event_decoder import EventDecoder, EventRow
from featurectl.streaming.view_records import StampedEvent

HistoryRows = Callable[[], Iterator[pl.DataFrame]]  # of a history: columns of the stream and its `select`, and STAMP
EntityOf = Callable[[EventRow], bytes | None]  # the packed key of an event's entity, None: the view has not the event
ROWS_AT_ONCE: Final = 500_000  # of a part, as Python's objects
MEMORY_BYTES: Final = 64 << 20  # of rows that wait to be laid apart in a file
_ENDED: Final = MOST_PARTITIONS - 1  # stands for partitions of before that the register does not know
_EARLIER: Final = MOST_PARTITIONS - 2  # and for the history
_PLACE: Final = "_place"  # the number of a row's partition
_ENTITY: Final = "_entity"  # a number that an entity's rows share, where its key stands in no columns
_OWN_TYPES: Final = {_PLACE: "int64", OFFSET: "int64", STAMP: "timestamp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededView:
    """A view version (`view@version`) that gets a new generation, its source, and what its history has, if any.

    `max_age_us` is how far back its lists are to be asked, in microseconds, where that is further than usual. `spill`
    is the folder below which events may lie that don't fit into memory, by default that of the system. Events of keys
    in `erased` are left out.
    """

    name: str
    view: FeatureView
    source: Source
    earlier: HistoryRows | None = None
    max_age_us: int = 0
    spill: Path | None = None
    erased: StreamErasures = NO_STREAM_ERASURES


class SeedEvents:
    """The events of a source before the cut of each partition: `cuts` are by the numbers that `numbers` names."""

    def __init__(
        self, seeded: SeededView, log: EventLog, opened: OpenedLog, numbers: Mapping[str, int], cuts: Mapping[int, int]
    ) -> None:
        self._seeded, self._log, self._opened = seeded, log, opened
        self._numbers, self._cuts = numbers, cuts
        source = seeded.source
        self._decoder = EventDecoder(source)
        self._own, self._made = _needed(seeded)
        keys = seeded.view.key_columns
        self._keys = None if any(name in self._made for name in keys) else keys  # None: they are computed

    @contextmanager
    def laid_apart(self, entity: EntityOf, look: Callable[[], None]) -> Iterator[LaidEvents]:
        """Give all events, laid apart by their entities; `look` is called now and then while they are read.

        Raises:
            StoreError: the log can't be read, or there is no room for what does not fit into memory.
        """
        with SpillRoom(self._seeded.spill) as room:
            columns = (_ENTITY,) if self._keys is None else tuple(self._keys)
            shuffles = [Shuffle(columns=columns, memory_bytes=MEMORY_BYTES, folder=room.folder) for _ in range(2)]
            earlier = LaidRows(shuffles[0], self._seeded, self._decoder, is_history=True)
            logged = LaidRows(shuffles[1], self._seeded, self._decoder, is_history=False)
            try:
                for rows, frames in ((earlier, self._history()), (logged, self._logged())):
                    for frame in frames:
                        look()
                        chosen = self._chosen(frame, rows, entity)
                        if chosen.height:
                            rows.add(chosen)
                yield LaidEvents([rows for rows in (earlier, logged) if rows.shuffle.height])
            finally:
                for shuffle in shuffles:
                    with suppress(PolarsError, OSError):
                        shuffle.settle()  # when nothing is written any more the room can be removed

    def _history(self) -> Iterator[pl.DataFrame]:
        """Give the rows of the history, numbered as they come."""
        number = 0
        for frame in self._seeded.earlier() if self._seeded.earlier is not None else ():
            place = pl.lit(_EARLIER, dtype=pl.Int64).alias(_PLACE)
            offset = pl.int_range(number, number + frame.height, dtype=pl.Int64).alias(OFFSET)
            yield frame.select(place, offset, STAMP, *dict.fromkeys([*self._own, *self._made]))
            number += frame.height

    def _logged(self) -> Iterator[pl.DataFrame]:
        """Give the events of the log that count, before the cuts."""
        numbers = pl.col(PARTITION).replace_strict(self._numbers or {"": 0}, default=_ENDED, return_dtype=pl.Int64)
        cuts = pl.col(_PLACE).replace_strict(self._cuts or {_ENDED: 0}, default=0, return_dtype=pl.Int64)
        for frame in self._log.read_rows(self._opened, [PARTITION, OFFSET, STAMP, *self._own, REJECTED]):
            good = frame.filter(pl.col(REJECTED).is_null()).with_columns(numbers.alias(_PLACE))
            good = good.filter((pl.col(_PLACE) == _ENDED) | (pl.col(OFFSET) < cuts))
            yield good.select(_PLACE, OFFSET, STAMP, *self._own)

    def _chosen(self, frame: pl.DataFrame, rows: LaidRows, entity: EntityOf) -> pl.DataFrame:
        """Return the rows that have an entity, with what they are laid apart by."""
        if self._keys is not None:
            return frame.drop_nulls([*self._keys]) if self._keys else frame
        found = [None if (key := entity(event.row)) is None else zlib.crc32(key) for event in rows.events(frame)]
        return frame.with_columns(pl.Series(_ENTITY, found, dtype=pl.Int64)).drop_nulls(_ENTITY)


class LaidRows:
    """Rows of the history or of the log, laid apart; columns that the view does not need are null.

    A history says itself what the columns of `select` are; of events of the log they are computed.
    """

    def __init__(self, shuffle: Shuffle, seeded: SeededView, decoder: EventDecoder, *, is_history: bool) -> None:
        self.shuffle, self._seeded, self._decoder, self._is_history = shuffle, seeded, decoder, is_history
        source = seeded.source
        own = source.columns or {}
        self._names = [*_OWN_TYPES, *own, *(item.name for item in source.select if is_history)]
        self._types = {**_OWN_TYPES, **(decoder.columns if is_history else own)}
        self._erased = ErasedEvents(seeded.erased, decoder)

    def add(self, frame: pl.DataFrame) -> None:
        """Lay some rows apart.

        Raises:
            StoreError: there is no room for what does not fit into memory.
        """
        with self._spilling():
            self.shuffle.add(frame)

    def of_part(self, part: int, parts: int) -> Iterator[StampedEvent]:
        """Give the events of a part that are not erased, in no order.

        Raises:
            StoreError: what did not fit into memory can't be read again.
        """
        with self._spilling():
            for frame in self.shuffle.pieces(part, parts):
                for event in self.events(frame):
                    if not self._erased.has(event.row, event.event_us, event.available_us):
                        yield event

    @contextmanager
    def _spilling(self) -> Iterator[None]:
        try:
            yield
        except (PolarsError, OSError) as error:
            folder = self._seeded.spill or "the system's folder of temporary files"
            message = f"events of {self._seeded.name} that do not fit into memory can't be kept in {folder}"
            raise store_failure(message, error) from error

    def events(self, frame: pl.DataFrame) -> Iterator[StampedEvent]:
        """Give the events of some rows."""
        for place, offset, stamp, *values in stored_rows(frame, self._names, self._types):
            assert isinstance(place, int)
            assert isinstance(offset, int)
            assert isinstance(stamp, int)
            row = tuple(values) if self._is_history else self._decoder.with_select(values)
            yield StampedEvent(place, offset, self._decoder.event_us(row), stamp, row)


class LaidEvents:
    """All events, in parts of whole entities."""

    def __init__(self, rows: Sequence[LaidRows]) -> None:
        self._rows = rows

    def parts(self) -> Iterator[Iterator[StampedEvent]]:
        """Give the events of one part after the other, those of the history first.

        Parts are so many that each has no more than `ROWS_AT_ONCE` rows, where entities have about as many.
        """
        full = -(-sum(rows.shuffle.height for rows in self._rows) // ROWS_AT_ONCE)
        has_keys = all(rows.shuffle.columns for rows in self._rows)
        parts = 1 << max(full - 1, 0).bit_length() if has_keys else 1
        for part in range(parts):
            yield self._of_part(part, parts)

    def _of_part(self, part: int, parts: int) -> Iterator[StampedEvent]:
        for rows in self._rows:
            yield from rows.of_part(part, parts)


def _needed(seeded: SeededView) -> tuple[list[str], list[str]]:
    """Return the columns of the source that the view needs, and those of its `select`, which may hide the former."""
    view, source = seeded.view, seeded.source
    expressions = [item.expression for item in view.inputs]
    wanted = {source.event_time, *view.key_columns, *source.tiebreak, *source.dedup_key}
    for expression in expressions if view.where is None else [*expressions, view.where]:
        wanted |= expression.tree.columns() if expression.tree is not None else set()
    made = [item for item in source.select if item.name in wanted]
    own = wanted - {item.name for item in source.select}
    for item in made:
        own |= item.expression.tree.columns() if item.expression.tree is not None else set()
    return [name for name in source.columns or {} if name in own], [item.name for item in made]


def stored_rows(frame: pl.DataFrame, names: Sequence[str], types: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    """Give some columns of rows in the form of the online store: times and dates as numbers, decimals as texts.

    A column may be named twice; one that is not there is null.
    """
    there = {*frame.columns}
    return frame.select(
        (_stored(pl.col(name), types[name]) if name in there else pl.lit(None)).alias(f"{place}")
        for place, name in enumerate(names)
    ).iter_rows()


def _stored(column: pl.Expr, dtype: str) -> pl.Expr:
    if dtype in (TIMESTAMP, DATE):
        return column.to_physical().cast(pl.Int64)
    if decimal_parts(dtype):
        return column.cast(pl.String)
    item = list_item(dtype)
    return column.list.eval(_stored(pl.element(), item)) if item else column
