"""Sources that are Delta Lake tables: the rows of the newest version, data file by data file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import unquote

import polars as pl

from featurectl.core.object_store import polars_options
from featurectl.sources.base import Changes, Increment, SourcePart
from featurectl.sources.delta_table import DeltaSourceTable
from featurectl.sources.failures import reading
from featurectl.sources.increment import above_watermark, new_files, rebuild
from featurectl.sources.table_reader import TableReader

_NO_FILES: Final = SourcePart(name="no files", stamp="0")


@dataclass(frozen=True, kw_only=True)
class DeltaReader(TableReader):
    """The rows of a Delta table; a part is a data file of the newest version, never changed once written.

    Files that the table dropped (an overwrite, a delete, a compaction) are missing among the parts.
    """

    path: str

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

    def format_table(self) -> DeltaSourceTable:
        """Return the table."""
        return self._table

    @cached_property
    def _table(self) -> DeltaSourceTable:
        return DeltaSourceTable(source=self.source, root=self.root, path=self.path, data_roots=self.data_roots)

    def rows_of(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of data files with their partition values."""
        chosen = pl.DataFrame({"path": [part.name for part in parts]}, schema={"path": pl.String})
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
