"""Sources that are Iceberg tables: the rows of the current snapshot, data file by data file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl
from pyiceberg.table import FileScanTask

from featurectl.core.errors import DataError, StoreError
from featurectl.expressions.tree import Columns
from featurectl.language.definitions.source import IcebergName
from featurectl.sources.base import (
    Changes,
    Increment,
    PartScan,
    SourcePart,
    SourceReader,
)
from featurectl.sources.failures import reading
from featurectl.sources.iceberg.history import EMPTY, OtherRowsError, snapshots_since
from featurectl.sources.iceberg.lookup import IcebergLookup
from featurectl.sources.iceberg.table import IcebergSourceTable
from featurectl.sources.increment import above_watermark, rebuild
from featurectl.sources.table_reader import TableReader

_TABLE: Final = "table "  # begins the part without rows that says which table was read, and up to which snapshot
_REWRITTEN: Final = "files were rewritten, and no rows are new"


@dataclass(frozen=True, kw_only=True)
class IcebergReader(TableReader):
    """The rows of an Iceberg table; a part is a data file of the current snapshot, never changed once written.

    One more part, without rows, has the table's UUID for a name and the number of its snapshot for a stamp.
    """

    name: IcebergName

    def parts(self) -> tuple[SourcePart, ...]:
        """Return the table with its snapshot, then the data files of this, as they were written, then by their names.

        Raises:
            StoreError: FC605, the catalog can't be reached.
            DataError: FC501 there is no table, FC502 it can't be read.
        """
        metadata = self._table.table.metadata
        number = metadata.current_snapshot_id or EMPTY
        table = SourcePart(name=f"{_TABLE}{metadata.table_uuid}", stamp=str(number))
        return (table, *_parts(self._table.files))

    def size_bytes(self, parts: Sequence[SourcePart]) -> int | None:
        """Return the bytes of data files, as the manifests have them; None where they lie in an object store."""
        return None if self._table.is_remote else sum(int(part.stamp) for part in _of_rows(parts))

    def new_rows(self, changes: Changes) -> Increment:
        """Return the files that snapshots appended since; one that did something else to rows means a rebuild.

        A snapshot that rewrote files (`replace`) brings nothing: their rows were read, or are read where they were
        appended, in files that the table has no more and that lie there as long as their snapshot does.
        """
        if self.source.available_at is not None:
            return above_watermark(changes)
        last = changes.before.parts.get(changes.parts[0].name)
        if last is None:
            return rebuild(changes.parts, "the table was made again")
        try:
            snapshots = snapshots_since(self._table.table.metadata, int(last))
        except OtherRowsError as error:
            return rebuild(changes.parts, str(error))
        added = _parts(self._table.appended(snapshots))
        waiting = self._table.files_of_history(changes.before.held)
        if lost := [name for name in changes.before.held if name not in waiting]:
            return rebuild(changes.parts, f"{lost[0]}, of which rows were not available yet, is expired")
        held = _parts(waiting)
        table = (changes.parts[0],) if changes.parts[0] in changes.touched else ()
        scans = (PartScan(parts=(*table, *added)), PartScan(parts=held, after=changes.before.now))
        covered = {part.name: part.stamp for part in (*changes.parts, *added, *held)}
        reason = "" if added or held else _REWRITTEN if table else "no new rows"
        return Increment(scans=tuple(scan for scan in scans if scan.parts), covered=covered, reason=reason)

    def format_table(self) -> IcebergSourceTable:
        """Return the table."""
        return self._table

    def rows_of(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of data files, without those that are deleted."""
        names = [part.name for part in _of_rows(parts)]
        tasks = self._table.files_of_history(names)
        if not names:
            return pl.LazyFrame(schema=self._table.schema)
        if gone := [name for name in names if name not in tasks]:
            raise DataError(f"{self._table.where}: no snapshot has {gone[0]} any more", code="FC502")
        with reading(self._table.where):
            return self._table.rows([tasks[name] for name in names])

    @cached_property
    def _table(self) -> IcebergSourceTable:
        name, roots = self.name, self.data_roots
        return IcebergSourceTable(lookup=IcebergLookup(source=self.source, root=self.root, name=name, data_roots=roots))


def _parts(files: Mapping[str, FileScanTask]) -> tuple[SourcePart, ...]:
    return tuple(SourcePart(name=name, stamp=str(task.file.file_size_in_bytes)) for name, task in files.items())


def seen_columns(reader: SourceReader) -> Columns | None:
    """Return the columns of a table, whatever its source declares; None where its catalog can't be reached."""
    assert isinstance(reader, IcebergReader)
    try:
        return reader.schema()
    except StoreError:
        return None


def _of_rows(parts: Iterable[SourcePart]) -> list[SourcePart]:
    return [part for part in parts if not part.name.startswith(_TABLE)]
