"""Events that somebody has in a file, or on a pipe, as messages in the order of their event times."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.documents import parse_json
from featurectl.core.dtypes import DATE
from featurectl.core.errors import DataError, UsageError
from featurectl.core.frames.timestamps import midnights
from featurectl.engines.batches import read_batches
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.source import FILE_FORMATS, CommandLineFile, Source, SourceFormat
from featurectl.online.stream_state.layout import AHEAD_US
from featurectl.sources.open import open_source
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.event_encoder import EventEncoder
from featurectl.streaming.event_keys import EventKeys
from featurectl.streaming.topics.base import Record

BATCH_ROWS: Final = 20_000
_SORTED_ROWS: Final = 500_000  # of a file that is not in order: so many are sorted at a time
_SLOT_US: Final = 1_000_000
_TIME: Final = "\x00time"
_FORMATS: Final[Mapping[str, SourceFormat]] = {
    suffix: name for name, rules in FILE_FORMATS.items() if name != "delta" for suffix in rules.suffixes
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRecords:
    """Messages in the order of their events, with the event times in microseconds since 1970.

    `ahead` of them are dated so far ahead of the clock that workers reject them.
    """

    times_us: Sequence[int]
    records: Sequence[Record]
    ahead: int = 0


@dataclass(slots=True, kw_only=True)
class EventFile:
    """A file with the columns of a stream's source, before its `select`: Parquet, CSV or NDJSON, by its name.

    `untimed` is how many of its rows have been left out by now: they have no event time, and no place in an order.
    """

    source: Source
    path: Path
    sorted_rows: int = _SORTED_ROWS
    untimed: int = field(default=0, init=False)

    def read(self) -> Iterator[TimedRecords]:
        """Yield its rows in the order of their event times; those of one time in the order of the file.

        A file that is in that order is read in pieces. Of another one its times are counted first, and ranges of them
        that have at most `sorted_rows` rows are read and sorted, one after the other: it is read as often as that.

        Raises:
            UsageError: nothing tells its format.
            DataError: FC501 it is not there; FC502, FC503, FC504, it does not have the columns of the source.
        """
        rows, encoder = self._rows(), EventEncoder(self.source)
        slots, in_order = self._slots(rows)
        for part in [rows] if in_order else self._ranges(rows, slots):
            for batch in read_batches(part, BATCH_ROWS):
                timed = batch.filter(pl.col(_TIME).is_not_null())
                if timed.height:
                    times_us, ahead = timed[_TIME], int((timed[_TIME] > _latest_us()).sum())
                    yield TimedRecords(times_us=times_us.to_list(), records=encoder.encode(timed), ahead=ahead)

    def _rows(self) -> pl.LazyFrame:
        """Return the rows with their event times beside them."""
        file = CommandLineFile(
            name=self.source.name,
            format=self._format(),
            path=self.path.name,
            csv=self.source.csv,
            timezone=self.source.timezone,
            nan=self.source.nan,
            columns=self.source.columns,
            columns_declared=True,
        )
        reader = open_source(file, self.path.resolve().parent)
        return reader.scan(reader.parts()).with_columns(_event_us(self.source).alias(_TIME))

    def _format(self) -> SourceFormat:
        name = self.path.name.removesuffix(".gz")
        found = next((form for suffix, form in _FORMATS.items() if name.endswith(suffix)), None)
        if found is None:
            raise UsageError(f"nothing tells the format of {self.path}", hint="a name ends with " + ", ".join(_FORMATS))
        return found

    def _slots(self, rows: pl.LazyFrame) -> tuple[Mapping[int, int], bool]:
        """Return how many rows each second has, and whether rows lie in the order of their times."""
        slots: Counter[int] = Counter()
        in_order, last = True, None
        for batch in read_batches(rows.select(_TIME), 10 * BATCH_ROWS):
            times = batch[_TIME].drop_nulls()
            self.untimed += batch.height - times.len()
            if times.len():
                in_order = in_order and times.is_sorted() and (last is None or last <= times[0])
                last = times[-1]
                slots.update(dict((times // _SLOT_US).value_counts().rows()))
        return slots, in_order

    def _ranges(self, rows: pl.LazyFrame, slots: Mapping[int, int]) -> Iterator[pl.LazyFrame]:
        for first, end in ranges_of(slots, self.sorted_rows):
            within = (pl.col(_TIME) >= first * _SLOT_US) & (pl.col(_TIME) < end * _SLOT_US)
            yield rows.filter(within).collect(engine="streaming").sort(_TIME, maintain_order=True).lazy()


def ranges_of(slots: Mapping[int, int], most: int) -> list[tuple[int, int]]:
    """Return ranges of numbers, the ends excluded, that have at most so many rows each, or one number with more.

    >>> ranges_of({3: 5, 4: 5, 9: 1, 10: 20}, 10)
    [(3, 5), (9, 10), (10, 11)]
    """
    ranges: list[tuple[int, int]] = []
    held = 0
    for slot in sorted(slots):
        if ranges and held + slots[slot] <= most:
            ranges[-1] = (ranges[-1][0], slot + 1)
            held += slots[slot]
        else:
            ranges.append((slot, slot + 1))
            held = slots[slot]
    return ranges


def read_lines(source: Source, chunks: Iterable[bytes]) -> Iterator[TimedRecords]:
    """Yield JSON objects, one a line, as they come and in the bytes that they have; empty lines are passed.

    `chunks` are bytes as they were read: the whole lines of one are given together. Times are those of the events, or
    of a later one that came before.

    Raises:
        DataError: FC504, a line is no event of the source; it names the line and the column.
    """
    decoder, keys = EventDecoder(source), EventKeys(source)
    rest, number, latest_us = b"", 0, -(2**63)
    for chunk in itertools.chain(chunks, [b"\n"]):  # the last line may have no end
        *lines, rest = (rest + chunk).split(b"\n")
        times_us: list[int] = []
        records: list[Record] = []
        ahead, ahead_us = 0, _latest_us()
        for line in lines:
            number += 1
            if value := line.strip():
                event_us, key = _read_line(decoder, keys, value, number)
                ahead += event_us > ahead_us
                latest_us = max(latest_us, event_us)
                times_us.append(latest_us)
                records.append((key, value))
        if records:
            yield TimedRecords(times_us=times_us, records=records, ahead=ahead)


def _latest_us() -> int:
    """Return the latest time of an event that a worker takes now, in microseconds since 1970."""
    return time.time_ns() // 1_000 + AHEAD_US


def _read_line(decoder: EventDecoder, keys: EventKeys, value: bytes, number: int) -> tuple[int, bytes | None]:
    """Return the event time and the key of a line."""
    row = decoder.decode(value)
    if isinstance(row, BadEvent):
        column = f", column {row.column}" if row.column else ""
        raise DataError(f"line {number:,}{column}: {row.reason}", code="FC504")
    found = parse_json(value)
    assert isinstance(found, dict)
    return decoder.event_us(row), keys.key_of(found)


def _event_us(source: Source) -> pl.Expr:
    """Return the event time of the rows of a source, in microseconds since 1970."""
    return event_instant(source).dt.timestamp("us")


def event_instant(source: Source) -> pl.Expr:
    """Return the event time of the rows of a source, in the columns that it has before its `select`."""
    name = source.event_time
    assert name is not None, f"source {source.name} has no event_time"
    made = next((item for item in source.select if item.name == name), None)
    column, dtype = pl.col(name), (source.columns or {}).get(name)
    if made is not None:
        assert made.expression.tree is not None, f"untyped column {name}"
        column, dtype = to_polars(made.expression.tree), made.dtype
    return midnights(column, source.timezone) if dtype == DATE else column
