"""Sources that are Delta Lake tables: the rows of the newest version, data file by data file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import unquote

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.object_store import polars_options
from featurectl.language.data_roots import NONE, DataRoots
from featurectl.language.definitions.source import Source
from featurectl.sources.base import NONE_REQUIRED, Changes, Increment, OnNaive, RequiredColumns, SourcePart
from featurectl.sources.delta_table import DeltaSourceTable
from featurectl.sources.enforce import (
    ExpectedColumns,
    check_named,
    declared_columns,
    enforce_rows,
    found_columns,
)
from featurectl.sources.failures import reading
from featurectl.sources.increment import above_watermark, new_files, rebuild
from featurectl.sources.original_columns import beside_kept

_NO_FILES: Final = SourcePart(name="no files", stamp="0")


@dataclass(frozen=True, kw_only=True)
class DeltaReader:
    """The rows of a Delta table; a part is a data file of the newest version, never changed once written.

    Files that the table dropped (an overwrite, a delete, a compaction) are missing among the parts.
    """

    source: Source
    root: Path
    path: str
    on_naive: OnNaive | None = None
    data_roots: DataRoots = NONE
    is_snapshot: ClassVar[bool] = True
    counts_rows: ClassVar[bool] = True
    lacking: ClassVar[Mapping[str, Collection[str]]] = {}
    unwritten: ClassVar[Collection[str]] = ()

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the data files of the newest version, in the order of their writing, then of their names.

        A table without data files is one part without rows.

        Raises:
            DataError: FC501 there is no table, FC502 it can't be read.
        """
        files = self._table.files.select("path", "size_bytes").rows()
        return tuple(SourcePart(name=path, stamp=str(size)) for path, size in files) or (_NO_FILES,)

    def size_bytes(self, parts: Sequence[SourcePart]) -> int | None:
        """Return the bytes of data files, as the table's log has them; None where they lie in an object store."""
        return None if "://" in self.path else sum(int(part.stamp) for part in parts)

    def new_rows(self, changes: Changes) -> Increment:
        """Return the new data files; one that is gone (an overwrite, a delete, a compaction) means a rebuild."""
        if self.source.available_at is not None:
            return above_watermark(changes)
        if changes.gone:
            return rebuild(changes.parts, "a data file is gone")
        return new_files(changes)

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return none: the table's rows are those that it has now."""
        del parts, read
        return []

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types of the table's schema."""
        return self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        """Return the rows of some data files, in the order of the files.

        Raises:
            DataError: FC502 a file can't be read, FC503 a column is missing, FC504 a value or type does not fit.
        """
        del required  # the table has its columns
        assert since is None, "`:since` belongs to queries"
        rows = self._rows([part.name for part in parts])
        return enforce_rows(rows, self._shape, self._table.schema, self._table.where, self.on_naive)

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as they are in the table.

        Raises:
            DataError: as `scan` does.
        """
        rows = self._rows([part.name for part in parts])
        return beside_kept(self._shape, rows, self._table.schema, self._table.where, self.on_naive)

    def schema(self) -> Mapping[str, str]:
        """Return the columns and types of the table itself, whatever the source declares."""
        return found_columns(self.source, self._table.schema)

    @property
    def _shape(self) -> ExpectedColumns:
        return ExpectedColumns(source=self.source, columns=self._columns)

    @cached_property
    def _table(self) -> DeltaSourceTable:
        return DeltaSourceTable(source=self.source, root=self.root, path=self.path, data_roots=self.data_roots)

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else self.schema()
        check_named(self.source, columns, f"source {self.source.name}")
        return columns

    def _rows(self, names: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of data files with their partition values, in the table's own columns and types."""
        chosen = pl.DataFrame({"path": names}, schema={"path": pl.String})
        files = chosen.join(self._table.files, on="path", how="inner", maintain_order="left")
        keys = [f"partition.{column}" for column in self._table.table.metadata().partition_columns]
        groups = files.group_by(keys, maintain_order=True) if keys else [((), files)]
        frames = [self._group(values, group["path"].to_list()) for values, group in groups if group.height]
        return pl.concat(frames) if frames else pl.LazyFrame(schema=self._table.schema)

    def _group(self, values: Sequence[object], names: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of files of one partition; columns that came later than a file are null in it."""
        partition = dict(zip(self._table.table.metadata().partition_columns, values, strict=True))
        stored = pl.Schema({name: dtype for name, dtype in self._table.schema.items() if name not in partition})
        paths = [f"{self._table.location}/{unquote(name)}" for name in names]  # the log holds paths as URLs do
        if not self._table.remote:
            for name, path in zip(names, paths, strict=True):
                self._table.readable.check_logged(path, unquote(name))
            self._check_footers(paths)
        with reading(self._table.where, self._table.shown):
            rows = pl.scan_parquet(
                paths,
                schema=stored,
                missing_columns="insert",
                extra_columns="ignore",
                hive_partitioning=False,
                glob=False,
                storage_options=polars_options(self._table.location),
                cast_options=pl.ScanCastOptions(
                    integer_cast="upcast",
                    float_cast="upcast",
                    datetime_cast=["nanosecond-downcast", "convert-timezone"],
                    missing_struct_fields="insert",
                ),
            )
            constants = [pl.lit(value, dtype=self._table.schema[name]).alias(name) for name, value in partition.items()]
            return rows.with_columns(constants).select(self._table.schema.names())

    def _check_footers(self, paths: Sequence[str]) -> None:
        """See that the files are there and whole: the scan below, which knows their columns, would not look yet."""
        for path in paths:
            with reading(f"{self._table.where}, file {path}", self._table.shown):
                pl.read_parquet_schema(path)
