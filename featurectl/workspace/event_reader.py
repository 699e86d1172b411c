"""The rows of a stream: those of its history up to the cut, and from there on the events of its log.

What the log says is complete up to its `asof`: events that other partitions have later wait until all have come so far.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import polars as pl

from featurectl.core.dtypes import TIMESTAMP, UNKNOWN
from featurectl.core.errors import StoreError
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import from_us
from featurectl.engines.clocks import AVAILABLE, clocked, select_columns
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import STAMP
from featurectl.language.typing.registered import type_source
from featurectl.language.typing.sources import row_columns
from featurectl.offline.event_log import OFFSET, PARTITION, REJECTED, EventLog, OpenedLog
from featurectl.offline.event_log import STAMP as LOGGED
from featurectl.offline.stream_coverage import HISTORY
from featurectl.sources.base import NONE_REQUIRED, Changes, Increment, RequiredColumns, SourcePart, SourceReader
from featurectl.sources.enforce import KEPT
from featurectl.sources.increment import rebuild

_TICK: Final = timedelta(microseconds=1)
ORDER: Final = "\x00offset"  # the offset of an event: of one stamp there is one partition alone
PLACE: Final = "\x00partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStream:
    """A stream as it is known: its log as it was opened, and `until` when its events count.

    `cut` is the instant from which on the log counts; None: there is no log, or it has not come as far as its cut, and
    the history is all there is.
    """

    opened: OpenedLog
    cut: datetime | None
    until: datetime

    @property
    def history_until(self) -> datetime:
        """The last instant at which a row of the history counts."""
        return self.until if self.cut is None else min(self.until, self.cut - _TICK)  # a log has come to its cut

    @property
    def gaps(self) -> tuple[tuple[datetime, datetime], ...]:
        """Between which instants stamps were lost."""
        return tuple((from_us(after), from_us(until)) for after, until in self.opened.state.gaps)


@dataclass(kw_only=True)
class EventSourceReader:
    """Reads a stream's source: `log` are its events, `history` reads the batch source of before, if it has one.

    As a reader of rows it gives all of both, as of the log's `asof`: the columns of the stream, those of its `select`
    and `available_at`. What a table lacks of them `operations/materialize/streams.py` finds out.
    """

    source: Source
    log: EventLog
    history: SourceReader | None = None

    @property
    def is_snapshot(self) -> bool:
        """False: events stay."""
        return False

    @property
    def counts_rows(self) -> bool:
        """False: which events count is known when they are read."""
        return False

    @property
    def unwritten(self) -> Collection[str]:
        """The empty files of the history."""
        return () if self.history is None else self.history.unwritten

    @property
    def lacking(self) -> Mapping[str, Collection[str]]:
        """The columns that files of the history lack."""
        return {} if self.history is None else self.history.lacking

    def check_columns(self) -> int | None:
        """Check the columns of the history, and that those of the log have the types of the source.

        Raises:
            DataError, StoreError: as of a batch source.
        """
        self.log.open()
        return None if self.history is None else self.history.check_columns()

    def told_columns(self) -> Mapping[str, str] | None:
        """Return None: a stream declares its columns."""
        return None

    def look(self, now: datetime) -> OpenedStream:
        """Return the stream as it is known at an instant.

        Raises:
            StoreError: the log can't be read.
            DataError: FC504, a column has another type in the log.
        """
        opened = self.log.open()
        asof = opened.state.asof_us
        if opened.version is None or asof is None:
            return OpenedStream(opened=opened, cut=None, until=now)
        if opened.state.cut_us is None:
            raise StoreError(f"the log {self.log.shown} says not up to when the history counts", code="FC603")
        if asof < opened.state.cut_us:  # it has only begun: the history is all that is known
            return OpenedStream(opened=opened, cut=None, until=now)
        return OpenedStream(opened=opened, cut=from_us(opened.state.cut_us), until=min(now, from_us(asof)))

    def events(self, stream: OpenedStream, known_after: datetime | None = None) -> pl.LazyFrame:
        """Return the events of the log: the stream's columns, `available_at`, and the place of each.

        Those of files without one that was stamped later than `known_after` may be left out.
        """
        columns = [*(self.source.columns or {})]
        rows = self.log.scan_rows(stream.opened, [PARTITION, OFFSET, LOGGED, REJECTED, *columns], known_after)
        return rows.filter(pl.col(REJECTED).is_null()).select(
            *columns, pl.col(LOGGED).alias(STAMP), pl.col(PARTITION).alias(PLACE), pl.col(OFFSET).alias(ORDER)
        )

    def stamps(self, stream: OpenedStream, known_after: datetime | None = None) -> pl.LazyFrame:
        """Return partition, offset and stamp of what is in the log, what was rejected among it."""
        return self.log.scan_rows(stream.opened, [PARTITION, OFFSET, LOGGED], known_after)

    @cached_property
    def history_source(self) -> Source:
        """The source of the history, with the types of its columns, and what names an event of the stream."""
        assert self.history is not None
        source = self.history.source
        if source.columns is None or UNKNOWN in source.columns.values():
            source = type_source(source, self.history.columns())
        return replace(source, dedup_key=self.source.dedup_key, tiebreak=self.source.tiebreak)

    def parts(self) -> tuple[SourcePart, ...]:
        """Return one part: what counts is known of all together."""
        return (SourcePart(name="events", stamp=""),)

    def size_bytes(self, parts: Sequence[SourcePart]) -> int | None:
        """Return None: nobody has asked the log."""
        del parts
        return None

    def new_rows(self, changes: Changes) -> Increment:
        """Return that all is read: increments of streams are offsets, which tables of views keep."""
        return rebuild(changes.parts, "a stream is read whole")

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return which files of the history are gone that were read."""
        del parts
        if self.history is None:
            return []
        mine = [name.removeprefix(HISTORY) for name in read if name.startswith(HISTORY)]
        return self.history.lost_parts(self.history.parts(), mine)

    def columns(self) -> Mapping[str, str]:
        """Return the columns of the stream, with those of its `select`, and `available_at`."""
        return {**(row_columns(self.source) or {}), STAMP: TIMESTAMP}

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        """Return all rows that count as of the log's `asof`: those of the history, then events as they were stamped."""
        del parts, since, required
        stream = self.look(datetime.max.replace(tzinfo=UTC))
        events = self.events(stream).sort(STAMP, PLACE, ORDER)  # files are put together in any order
        logged = _rows(self, events, stamped_source(self.source), stream.until)
        earlier = earlier_rows(self, stream)
        return logged if earlier is None else pl.concat([earlier, logged], how="vertical")

    def stream(self, parts: Sequence[SourcePart], since: datetime | None = None) -> None:
        """Return nothing: the log is read lazily."""

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows as `scan` does, and beside them the same columns: events have no others."""
        rows = self.scan(parts)
        return rows.with_columns(pl.col(name).alias(KEPT + name) for name in self.columns())


def earlier_rows(reader: EventSourceReader, stream: OpenedStream) -> pl.LazyFrame | None:
    """Return the rows of the history that count, None without one.

    Their columns are those of the stream, those of its `select`, as the history makes them, and `available_at`. One
    that the history spells otherwise before its own `select` is null.
    """
    if reader.history is None:
        return None
    scan = reader.history.scan(reader.history.parts())
    return _rows(reader, scan, reader.history_source, stream.history_until)


def _rows(reader: EventSourceReader, scan: pl.LazyFrame, source: Source, until: datetime) -> pl.LazyFrame:
    """Return rows that were known at an instant, in the columns of the stream."""
    known = select_columns(clocked(scan, source).filter(pl.col(AVAILABLE) <= until), source)
    there = known.collect_schema().names()
    types = {name: polars_dtype(dtype) for name, dtype in reader.columns().items() if name != STAMP}
    columns = [
        (pl.col(name) if name in there else pl.lit(None)).cast(dtype).alias(name) for name, dtype in types.items()
    ]
    return known.select(*columns, pl.col(AVAILABLE).alias(STAMP))


def stamped_source(source: Source) -> Source:
    """Return a stream's source as one of rows that say when a worker took them."""
    return replace(source, available_at=STAMP, columns={**(source.columns or {}), STAMP: TIMESTAMP})


def selected_source(source: Source) -> Source:
    """Return a stream's source as `EventSourceReader` scans it: stamped, and with the columns of its `select`."""
    columns = {**(row_columns(source) or {}), STAMP: TIMESTAMP}
    return replace(source, available_at=STAMP, columns=columns, select=())
