"""An Iceberg table of a source: the data files of its snapshots, and their rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import polars as pl
from pyiceberg.manifest import DataFile
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot

from featurectl.core.object_store import polars_options
from featurectl.sources.iceberg.failures import IcebergFailures
from featurectl.sources.iceberg.history import appended_files, files_of, sequence_numbers
from featurectl.sources.iceberg.lookup import IcebergLookup, is_local

_PLANNER: Final = "POLARS_ICEBERG_PLANNER"  # a plug-in of Polars would plan all files of a table, not those of parts
_STORES: Final = ("s3.", "adls.", "gcs.", "hf.")  # begin the properties that Polars knows, too


@dataclass(frozen=True, kw_only=True)
class IcebergSourceTable:
    """The table that a source names; nothing is looked at before it is asked for."""

    lookup: IcebergLookup

    @property
    def where(self) -> str:
        """What errors call the table."""
        return self.lookup.where

    @property
    def failures(self) -> IcebergFailures:
        """What turns the failures of libraries into errors."""
        return self.lookup.failures

    @property
    def is_remote(self) -> bool:
        """True when it lies in an object store."""
        return not is_local(self.table.metadata.location)

    @cached_property
    def table(self) -> Table:
        """The table as it is now.

        Raises:
            StoreError: FC605, the catalog can't be reached.
            DataError: FC501 there is none, FC502 it can't be read.
        """
        return self.lookup.find()

    @cached_property
    def files(self) -> Mapping[str, FileScanTask]:
        """The data files of the current snapshot with what is deleted of them, by their names, as they were written.

        Raises:
            DataError: FC502, they can't be read.
        """
        with self.failures.of_metadata(self.where):
            found = list(self.table.scan().plan_files())
            numbers = sequence_numbers(self.table.current_snapshot(), self.table.io)
        found.sort(key=lambda task: (numbers.get(task.file.file_path, 0), task.file.file_path))
        return {self.name_of(task.file): task for task in found}

    def appended(self, snapshots: Sequence[Snapshot]) -> Mapping[str, FileScanTask]:
        """Return the data files that snapshots added with new rows, in their order; see `appended_files`."""
        with self.failures.of_metadata(self.where):
            found = list(appended_files(snapshots, self.table.io))
        return {self.name_of(file): self.files.get(self.name_of(file), FileScanTask(file)) for file in found}

    def files_of_history(self, names: Iterable[str]) -> Mapping[str, FileScanTask]:
        """Return those of some data files that a snapshot which the table still has added; current ones as they are."""
        found = {name: self.files[name] for name in names if name in self.files}
        missing = {name for name in names if name not in found}
        with self.failures.of_metadata(self.where):
            for file in files_of(self.table.metadata, self.table.io) if missing else ():
                if self.name_of(file) in missing:
                    found[self.name_of(file)] = FileScanTask(file)
                    missing.discard(self.name_of(file))
                if not missing:
                    break
        return found

    def name_of(self, file: DataFile) -> str:
        """Return what a data file is called: its path below the table, where it lies there."""
        return file.file_path.removeprefix(self.table.metadata.location.rstrip("/") + "/")

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of the table as Polars has them."""
        with self.failures.of_metadata(self.where):
            return self.rows(()).collect_schema()

    def rows(self, tasks: Sequence[FileScanTask]) -> pl.LazyFrame:
        """Return the rows of some data files in the columns of the table as it is now.

        Raises:
            OutsideDataError: FC535, one lies where the source may not read.
            DataError: FC502, one is gone.
        """
        for task in tasks:
            for file in (task.file, *task.delete_files):
                self.lookup.check(file.file_path)
        os.environ[_PLANNER] = "pyiceberg"
        return pl.scan_iceberg(_of_files(self.table, tasks), storage_options=self._options())

    def _options(self) -> dict[str, Any] | None:
        if not self.is_remote:
            return None
        known = {name: value for name, value in self.table.io.properties.items() if name.startswith(_STORES)}
        return {**known, **(polars_options(self.table.metadata.location) or {})}


def _of_files(table: Table, tasks: Sequence[FileScanTask]) -> Table:
    """Return a table that has the rows of some data files alone, for whoever scans it."""

    class ChosenScan(DataScan):
        def plan_files(self) -> Iterable[FileScanTask]:
            return tasks

    class ChosenTable(Table):
        def scan(self, *_: Any, **options: Any) -> DataScan:
            known = {name: options[name] for name in ("selected_fields", "limit") if name in options}
            return ChosenScan(table_metadata=self.metadata, io=self.io, **known)

    return ChosenTable(table.name(), table.metadata, table.metadata_location, table.io, table.catalog)
