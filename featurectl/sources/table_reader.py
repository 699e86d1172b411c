"""What is the same for sources that are tables of a format which knows its own columns: Delta Lake, Iceberg."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import polars as pl

from featurectl.language.data_roots import NONE, DataRoots
from featurectl.language.definitions.source import Source
from featurectl.sources.base import NONE_REQUIRED, OnNaive, RequiredColumns, SourcePart
from featurectl.sources.enforce import ExpectedColumns, check_named, declared_columns, enforce_rows, found_columns
from featurectl.sources.original_columns import beside_kept


class FormatTable(Protocol):
    """A table as its format describes it: its columns, and what errors call it."""

    @property
    def schema(self) -> pl.Schema:
        """The columns with their types."""

    @property
    def where(self) -> str:
        """The source and the table, for errors."""


@dataclass(frozen=True, kw_only=True)
class TableReader:
    """The rows of a table whose parts are data files, never changed once written; a format says which they are."""

    source: Source
    root: Path
    on_naive: OnNaive | None = None
    data_roots: DataRoots = NONE
    is_snapshot: ClassVar[bool] = True
    counts_rows: ClassVar[bool] = True
    lacking: ClassVar[Mapping[str, Collection[str]]] = {}
    unwritten: ClassVar[Collection[str]] = ()

    def format_table(self) -> FormatTable:
        """Return the table, which is opened once.

        Raises:
            StoreError: where it lies can't be reached. DataError: FC501 there is none, FC502 it can't be read.
        """
        raise NotImplementedError

    def rows_of(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of some data files, in the order of the files, in the table's own columns and types.

        Raises:
            DataError: FC502, a file can't be read.
        """
        raise NotImplementedError

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return none: the table's rows are those that it has now."""
        del parts, read
        return []

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types of the table's schema."""
        return self._columns

    def check_columns(self) -> int | None:
        """Check the columns of the table's schema.

        Raises:
            StoreError: where it lies can't be reached. DataError: FC501 to FC504.
        """
        table = self.format_table()
        self._shape.casts(table.schema, table.where)
        return None

    def told_columns(self) -> Mapping[str, str] | None:
        """Return the columns of the table's schema; None where the source declares its own."""
        return None if self.source.columns_declared else self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        """Return the rows of some data files, in the order of the files.

        Raises:
            DataError: FC502 a file can't be read, FC503 a column is missing, FC504 a value or type does not fit.
        """
        del required  # the table has its columns
        assert since is None, "`:since` belongs to queries"
        table = self.format_table()
        return enforce_rows(self.rows_of(parts), self._shape, table.schema, table.where, self.on_naive)

    def stream(self, parts: Sequence[SourcePart], since: datetime | None = None) -> None:
        """Return nothing: its files are read lazily."""

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as they are in the table.

        Raises:
            DataError: as `scan` does.
        """
        table = self.format_table()
        return beside_kept(self._shape, self.rows_of(parts), table.schema, table.where, self.on_naive)

    def schema(self) -> Mapping[str, str]:
        """Return the columns and types of the table itself, whatever the source declares."""
        return found_columns(self.source, self.format_table().schema)

    @property
    def _shape(self) -> ExpectedColumns:
        return ExpectedColumns(source=self.source, columns=self._columns)

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else self.schema()
        check_named(self.source, columns, f"source {self.source.name}")
        return columns
