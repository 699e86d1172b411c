"""Sources that are queries to a database: by the driver of its kind, or by rows of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final
from weakref import finalize

import polars as pl

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.units import moved_by
from featurectl.engines.base import RowStream
from featurectl.engines.spill import SpillRoom, spill_folder
from featurectl.language.data_roots import NONE, DataRoots
from featurectl.language.definitions.source import Source
from featurectl.sources.base import NONE_REQUIRED, Changes, Increment, OnNaive, PartScan, RequiredColumns, SourcePart
from featurectl.sources.begun_again import begun_again
from featurectl.sources.casts import Cast
from featurectl.sources.enforce import (
    ExpectedColumns,
    RowPlaces,
    apply_casts,
    check_named,
    check_values,
    declared_columns,
    enforce_rows,
    found_columns,
)
from featurectl.sources.increment import covered_after, rebuild
from featurectl.sources.original_columns import beside_kept
from featurectl.sources.since import asks_since
from featurectl.sources.sql.drivers import describes, running
from featurectl.sources.sql.kept_rows import KeptRows, gathered
from featurectl.sources.sql.query_run import SqlQueryRun
from featurectl.sources.sql.rows import Types
from featurectl.sources.sql.running_query import RunningQuery

_LEAST: Final = timedelta(microseconds=1)  # between two instants
STREAM_BYTES: Final = 16 * 2**20  # of rows that are given at once while others come


def read_whole(
    query: SqlQueryRun, since: datetime | None, folder: Callable[[], Path]
) -> tuple[pl.LazyFrame, pl.Schema]:
    """Return the rows of a query that is run once, and the types of their columns; `folder` makes one for many rows.

    Raises:
        StoreError, DataError: as `drivers.running` and `KeptRows` do.
    """
    with running(query, since) as run:
        return _kept(run, query.where, folder)


def _kept(run: RunningQuery, where: str, folder: Callable[[], Path]) -> tuple[pl.LazyFrame, pl.Schema]:
    kept = KeptRows(types=run.types, where=where, folder=folder)
    for frame in run.frames:
        kept.add(frame)
    rows, schema = kept.rows()
    return rows, pl.Schema({name: run.types[name] or dtype for name, dtype in schema.items()})


def _known_since(source: Source, changes: Changes) -> PartScan:
    """Return what is asked for of a source with `available_at`: what is known since the watermark.

    Where a `dedup_key` tells rows apart, those of the watermark's own instant are asked for again, and those of the
    source's `lateness` before it: some of them may not have been there at the last run.
    """
    watermark = changes.before.watermark
    if watermark is None or not source.dedup_key:
        return PartScan(parts=changes.parts, after=watermark, since=watermark)
    since = moved_by(watermark, -timedelta(microseconds=source.lateness_us or 0))
    return PartScan(parts=changes.parts, after=moved_by(since, -_LEAST), since=since, reread_until=watermark)


@dataclass(frozen=True, kw_only=True)
class SqlReader:
    """The rows of one query; it is run anew by each `scan`, and its rows are held here: many of them in files.

    A query is one part whose stamp is not known.
    """

    source: Source
    root: Path
    url: str
    on_naive: OnNaive | None = None
    data_roots: DataRoots = NONE
    is_snapshot: ClassVar[bool] = False
    counts_rows: ClassVar[bool] = False
    lacking: ClassVar[Mapping[str, Collection[str]]] = {}
    unwritten: ClassVar[Collection[str]] = ()

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the query as the only part."""
        return (SourcePart(name="query", stamp=""),)

    def size_bytes(self, parts: Sequence[SourcePart]) -> int | None:
        """Return None: only the database knows."""
        _ = parts
        return None

    def new_rows(self, changes: Changes) -> Increment:
        """Return the query as it is to be asked again: above the watermark, or from where late events may begin."""
        source, before = self.source, changes.before
        assert source.sql is not None
        if not asks_since(source.sql.query):
            return rebuild(changes.parts, "the query has no :since")
        if source.available_at is not None:
            return Increment(scans=(_known_since(source, changes),), covered=covered_after(changes))
        if not source.dedup_key:
            return rebuild(changes.parts, ":since by event time needs a dedup_key")
        if before.newest_event is None:
            return rebuild(changes.parts, "no rows so far")
        lateness = timedelta(microseconds=source.lateness_us or 0)
        since, newest = moved_by(before.newest_event, -lateness), before.newest_event
        scan = PartScan(parts=changes.parts, since=since, events_until=newest)
        return Increment(scans=(scan,), covered=covered_after(changes), repeats=True)

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return none: a query has no parts."""
        del parts, read
        return []

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types; without a declaration PostgreSQL tells them, SQLite must give all rows."""
        return self._columns

    def check_columns(self) -> int | None:
        """Check the columns that the query gives, and of those of which the driver tells a type, that it fits.

        Return how many bytes are billed where it is read from the beginning.

        Raises:
            StoreError: FC605, the database can't be reached.
            DataError: FC503, FC504, FC508.
        """
        types, billed = self._described
        columns = declared_columns(self.source)
        if columns is None and None in types.values():  # the rows alone tell types
            check_named(self.source, dict.fromkeys(types, UNKNOWN), self._where)
            return billed
        schema = pl.Schema({name: dtype or pl.Null() for name, dtype in types.items()})
        self._shape(schema).casts(schema, self._where)
        return billed

    def told_columns(self) -> Mapping[str, str] | None:
        """Return the columns that the query gives; None where the source declares them, or rows alone tell types."""
        return None if self.source.columns_declared or None in self._described[0].values() else self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        """Return the rows of the query; `:since` is the year 1 when `since` is None.

        Raises:
            StoreError: FC605, the database can't be reached.
            DataError: FC508 the query fails, FC503 a column is missing, FC504 a value or type does not fit.
        """
        del required  # rows of a query have the columns of all
        assert len(parts) == 1
        return self._enforced(*self._read(since))

    def stream(self, parts: Sequence[SourcePart], since: datetime | None = None) -> RowStream | None:
        """Return the rows of the query as they come; None where its driver tells no types before its rows.

        Where a URL is read by another driver, which tells none, they come all at once: the query runs already.

        Raises:
            StoreError, DataError: as `scan` does; also while the rows come.
            ConnectionCutError: a connection is cut; the rows may be asked for again.
        """
        assert len(parts) == 1
        if not describes(self._query):
            return None
        with ExitStack() as opening:
            query = opening.enter_context(running(self._query, since))
            types = pl.Schema({name: dtype for name, dtype in query.types.items() if dtype is not None})
            if len(types) < len(query.types):
                rows = self._enforced(*_kept(query, self._where, self._room.folder))
                return RowStream(empty=rows.limit(0), frames=iter([rows]))
            casts = self._shape(types).casts(types, self._where)
            kept = {name: pl.String() if isinstance(dtype, pl.Unknown) else dtype for name, dtype in types.items()}
            empty = apply_casts(pl.LazyFrame(schema=kept), casts)
            stream = RowStream(empty=empty, frames=iter(()))
            opened = opening.pop_all()
            stream.frames, stream.close = self._come(stream, query, casts, opened), opened.close
            return stream

    def _come(
        self, stream: RowStream, query: RunningQuery, casts: Sequence[Cast], opened: ExitStack
    ) -> Iterator[pl.LazyFrame]:
        with opened:
            for frame in gathered(query, STREAM_BYTES, self._where):
                places = RowPlaces(before=stream.count)
                check_values(frame.lazy(), casts, self._where, places=places, on_naive=self.on_naive)
                stream.count += frame.height
                yield apply_casts(frame.lazy(), casts)

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as the database's driver gives them.

        Raises:
            StoreError, DataError: as `scan` does.
        """
        assert len(parts) == 1
        frame, schema = self._read(None)
        return beside_kept(self._shape(schema), frame, schema, self._where, self.on_naive)

    def _enforced(self, rows: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
        return enforce_rows(rows, self._shape(schema), schema, self._where, self.on_naive)

    def _shape(self, schema: pl.Schema) -> ExpectedColumns:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else found_columns(self.source, schema)
        check_named(self.source, columns, self._where)
        return ExpectedColumns(source=self.source, columns=columns)

    @property
    def _query(self) -> SqlQueryRun:
        return SqlQueryRun(source=self.source, root=self.root, url=self.url, data_roots=self.data_roots)

    @property
    def _where(self) -> str:
        return self._query.where

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        if declared is not None:
            return declared
        types, _ = self._described
        known = {name: dtype for name, dtype in types.items() if dtype is not None}
        schema = pl.Schema(known) if len(known) == len(types) else self._read(None)[1]
        return found_columns(self.source, schema)

    @cached_property
    def _described(self) -> tuple[Types, int | None]:
        """The types that the driver gives the columns, without a row, and how many bytes are billed for all rows."""
        with running(self._query, None) as query:
            return query.types, query.billed_bytes

    def _read(self, since: datetime | None) -> tuple[pl.LazyFrame, pl.Schema]:
        """Return the rows, and the types of their columns: Unknown for one that the language lacks, kept as texts.

        A query whose connection is cut is begun anew, as often as there are waits for it, without its rows so far.
        """
        return begun_again(lambda: read_whole(self._query, since, self._room.folder))

    @cached_property
    def _room(self) -> SpillRoom:
        """Where rows lie that are too many for memory, until nobody has this reader any more."""
        room = SpillRoom(spill_folder(self.root))
        room.__enter__()
        finalize(self, room.__exit__, None, None, None)
        return room
