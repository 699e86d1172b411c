"""Sources that are queries to a database: SQLite and PostgreSQL, by a SQLAlchemy URL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import polars as pl
import sqlalchemy as sa

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import DataError
from featurectl.core.units import moved_by
from featurectl.language.data_roots import NONE, DataRoots
from featurectl.language.definitions.source import Source
from featurectl.sources.base import NONE_REQUIRED, Changes, Increment, OnNaive, PartScan, RequiredColumns, SourcePart
from featurectl.sources.enforce import (
    ExpectedColumns,
    check_named,
    declared_columns,
    enforce_rows,
    found_columns,
)
from featurectl.sources.increment import covered_after, rebuild
from featurectl.sources.original_columns import beside_kept
from featurectl.sources.since import asks_since
from featurectl.sources.sql_database import CHUNK_ROWS, SqlQueryRun
from featurectl.sources.sql_rows import Types, column_types, merge_chunks, rows_frame


@dataclass(frozen=True, kw_only=True)
class SqlReader:
    """The rows of one query; it is run anew by each `scan`, and its rows are held in memory.

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
            scan = PartScan(parts=changes.parts, after=before.watermark, since=before.watermark)
            return Increment(scans=(scan,), covered=covered_after(changes))
        if not source.dedup_key:
            return rebuild(changes.parts, ":since by event time needs a dedup_key")
        if before.newest_event is None:
            return rebuild(changes.parts, "no rows so far")
        lateness = timedelta(microseconds=source.lateness_us or 0)
        scan = PartScan(parts=changes.parts, since=moved_by(before.newest_event, -lateness))
        return Increment(scans=(scan,), covered=covered_after(changes), repeats=True)

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return none: a query has no parts."""
        del parts, read
        return []

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types; without a declaration PostgreSQL tells them, SQLite must give all rows."""
        return self._columns

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
        frame, schema = self._read(since)
        return enforce_rows(frame.lazy(), self._shape(schema), schema, self._where, self.on_naive)

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as the database's driver gives them.

        Raises:
            StoreError, DataError: as `scan` does.
        """
        assert len(parts) == 1
        frame, schema = self._read(None)
        return beside_kept(self._shape(schema), frame.lazy(), schema, self._where, self.on_naive)

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
        with self._query.executed(None) as result:
            types = self._types(result)
        known = {name: dtype for name, dtype in types.items() if dtype is not None}
        schema = pl.Schema(known) if len(known) == len(types) else self._read(None)[1]
        return found_columns(self.source, schema)

    def _read(self, since: datetime | None) -> tuple[pl.DataFrame, pl.Schema]:
        """Return the rows, and the types of their columns: Unknown for one that the language lacks, kept as texts."""
        with self._query.executed(since) as result:
            types = self._types(result)
            chunks = [rows_frame(rows, types, self._where) for rows in result.partitions(CHUNK_ROWS)]
        frame = merge_chunks(chunks, types, self._where)
        return frame, pl.Schema({name: types[name] or dtype for name, dtype in frame.schema.items()})

    def _types(self, result: sa.CursorResult[tuple[object, ...]]) -> Types:
        names = list(result.keys())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{self._where} gives column {twice[0]!r} twice", code="FC508", hint="name it by `as`")
        return column_types(result)
