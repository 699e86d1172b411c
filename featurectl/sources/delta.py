"""Sources that are Delta Lake tables: the rows of the newest version, data file by data file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from featurectl.core.errors import DataError
from featurectl.core.object_store import delta_options, is_unanswered, polars_options, refusal_of
from featurectl.core.variables import as_written
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders, is_file_address
from featurectl.language.definitions.objects import Source
from featurectl.sources.base import SourcePart, Told
from featurectl.sources.delta_log import files_with_deletions
from featurectl.sources.enforce import (
    ExpectedColumns,
    apply_casts,
    check_named,
    check_values,
    declared_columns,
    found_columns,
)
from featurectl.sources.failures import no_answer, reading
from featurectl.sources.original_columns import beside_kept

_NO_FILES: Final = SourcePart(name="no files", stamp="0")
_REFUSED: Final = frozenset({"deletionVectors", "columnMapping"})


@dataclass(frozen=True, kw_only=True)
class DeltaReader:
    """The rows of a Delta table; a part is a data file of the newest version, never changed once written.

    Files that the table dropped (an overwrite, a delete, a compaction) are missing among the parts.
    """

    source: Source
    root: Path
    path: str
    told: Told | None = None
    data_roots: DataRoots = NONE

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the data files of the newest version, in the order of their writing, then of their names.

        A table without data files is one part without rows.

        Raises:
            DataError: FC501 there is no table, FC502 it can't be read.
        """
        files = self._files.select("path", "size_bytes").rows()
        return tuple(SourcePart(name=path, stamp=str(size)) for path, size in files) or (_NO_FILES,)

    @property
    def meant(self) -> str:
        """The table's path."""
        return self.path

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types of the table's schema."""
        return self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: Collection[str] = ()
    ) -> pl.LazyFrame:
        """Return the rows of some data files, in the order of the files.

        Raises:
            DataError: FC502 a file can't be read, FC503 a column is missing, FC504 a value or type does not fit.
        """
        del required  # the table has its columns
        assert since is None, "`:since` belongs to queries"
        where = self._where
        casts = self._shape.casts(self._schema, where)
        rows = self._rows([part.name for part in parts])
        check_values(rows, casts, where, told=self.told)
        return apply_casts(rows, casts)

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as they are in the table.

        Raises:
            DataError: as `scan` does.
        """
        rows = self._rows([part.name for part in parts])
        return beside_kept(self._shape, rows, self._schema, self._where, self.told)

    def schema(self) -> Mapping[str, str]:
        """Return the columns and types of the table itself, whatever the source declares."""
        return found_columns(self.source, self._schema)

    @property
    def _shape(self) -> ExpectedColumns:
        return ExpectedColumns(source=self.source, columns=self._columns)

    @property
    def _where(self) -> str:
        return f"source {self.source.name}, table {self.source.path}"

    def _shown(self, text: str) -> str:
        """Return a text in which the path is written as in the repository: what its variables hold is not shown."""
        return as_written(text, self.source.path, self._location)

    @property
    def _location(self) -> str:
        return self.path.rstrip("/") if self._remote else str(self.root / self.path)

    @property
    def _remote(self) -> bool:
        return "://" in self.path and not is_file_address(self.path)

    @property
    def _readable(self) -> ReadableFolders:
        written = self.source.path
        return ReadableFolders(source=self.source.name, written=written, root=self.root, roots=self.data_roots)

    def _check_log(self) -> None:
        """See that the table and the files of its log lie where the source may read, and that none of them blocks."""
        self._readable.check_pattern(self.path)
        log = Path(self._location) / "_delta_log"
        self._readable.check(log)
        self._check_entries(log)

    def _check_entries(self, folder: Path) -> None:
        waiting = [str(folder)]
        while waiting:
            try:
                entries = sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name)
            except OSError:  # there is no table, or none that can be looked at: it is asked for next
                continue
            for entry in entries:
                if entry.is_symlink():  # checked first: whether its target is there is not told
                    self._readable.check(entry.path)
                if not Path(entry.path).is_file() and not Path(entry.path).is_dir():
                    raise DataError(f"{self._where}: {entry.name} of its log is no file", code="FC502")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)

    @cached_property
    def _table(self) -> DeltaTable:
        if not self._remote:
            self._check_log()
        try:
            table = DeltaTable(self._location, storage_options=delta_options(self._location))
        except TableNotFoundError as error:
            message = f"source {self.source.name}: no Delta table at {self.source.path}"
            raise DataError(message, code="FC501") from error
        except (DeltaError, OSError) as error:
            if is_unanswered(error):
                raise no_answer(self._where, refusal_of(error)) from error
            reason = self._shown(refusal_of(error))  # without the frames of the library, and without secrets
            raise DataError(f"{self._where} can't be read: {reason}", code="FC502") from error
        refused = _REFUSED & set(table.protocol().reader_features or ())
        refused |= {"deletionVectors"} if self._has_deletions(table) else set()
        if refused or "delta.columnMapping.mode" in table.metadata().configuration:
            raise DataError(
                f"{self._where} uses {', '.join(sorted(refused)) or 'columnMapping'}, which this version does not read",
                code="FC502",
                hint="rewrite the table without them, or read it by a query",
            )
        return table

    def _has_deletions(self, table: DeltaTable) -> bool:
        """Return whether a data file has a deletion vector although the protocol declares none; of local tables."""
        if self._remote:
            return False
        with reading(f"{self._where}, its log", self._shown):
            try:
                deleted = files_with_deletions(Path(self._location) / "_delta_log")
            except ValueError as error:  # the library has read it otherwise
                raise DataError(f"{self._where}, its log can't be read: {error}", code="FC502") from error
        if not deleted:
            return False
        active = pl.DataFrame(table.get_add_actions(flatten=True))["path"].to_list()
        return not {unquote(name) for name in deleted}.isdisjoint(map(unquote, active))

    @cached_property
    def _files(self) -> pl.DataFrame:
        """One row a data file: path, size_bytes, and its partition values as `partition.<column>`."""
        table = self._table
        files = pl.DataFrame(table.get_add_actions(flatten=True))
        return files.sort("modification_time", "path")

    @cached_property
    def _schema(self) -> pl.Schema:
        return pl.Schema(self._table.schema().to_arrow())

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else self.schema()
        check_named(self.source, columns, f"source {self.source.name}")
        return columns

    def _rows(self, names: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of data files with their partition values, in the table's own columns and types."""
        chosen = pl.DataFrame({"path": names}, schema={"path": pl.String})
        files = chosen.join(self._files, on="path", how="inner", maintain_order="left")
        keys = [f"partition.{column}" for column in self._table.metadata().partition_columns]
        groups = files.group_by(keys, maintain_order=True) if keys else [((), files)]
        frames = [self._group(values, group["path"].to_list()) for values, group in groups if group.height]
        return pl.concat(frames) if frames else pl.LazyFrame(schema=self._schema)

    def _group(self, values: Sequence[object], names: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of files of one partition; columns that came later than a file are null in it."""
        partition = dict(zip(self._table.metadata().partition_columns, values, strict=True))
        stored = pl.Schema({name: dtype for name, dtype in self._schema.items() if name not in partition})
        paths = [f"{self._location}/{unquote(name)}" for name in names]  # the log holds paths as URLs do
        if not self._remote:
            for name, path in zip(names, paths, strict=True):
                self._readable.check_logged(path, unquote(name))
            self._check_footers(paths)
        with reading(self._where, self._shown):
            rows = pl.scan_parquet(
                paths,
                schema=stored,
                missing_columns="insert",
                extra_columns="ignore",
                hive_partitioning=False,
                glob=False,
                storage_options=polars_options(self._location),
                cast_options=pl.ScanCastOptions(
                    integer_cast="upcast",
                    float_cast="upcast",
                    datetime_cast=["nanosecond-downcast", "convert-timezone"],
                    missing_struct_fields="insert",
                ),
            )
            constants = [pl.lit(value, dtype=self._schema[name]).alias(name) for name, value in partition.items()]
            return rows.with_columns(constants).select(self._schema.names())

    def _check_footers(self, paths: Sequence[str]) -> None:
        """See that the files are there and whole: the scan below, which knows their columns, would not look yet."""
        for path in paths:
            with reading(f"{self._where}, file {path}", self._shown):
                pl.read_parquet_schema(path)
