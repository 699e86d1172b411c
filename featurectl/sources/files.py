"""Sources of files: Parquet, CSV and newline-delimited JSON; one file, a pattern, a folder, or an object-store URL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from featurectl.core import dtypes
from featurectl.core.errors import DataError
from featurectl.core.object_store import polars_options
from featurectl.core.variables import as_written, has_variable
from featurectl.language.data_roots import NONE, DataRoots, is_file_address
from featurectl.language.definitions.objects import Source
from featurectl.sources.base import SourcePart, Told
from featurectl.sources.enforce import (
    ExpectedColumns,
    apply_casts,
    check_named,
    check_values,
    clock_columns,
    declared_columns,
    found_columns,
    reading_of,
    typed_schemas,
    with_clocks,
)
from featurectl.sources.failures import reading
from featurectl.sources.infer import infer_types
from featurectl.sources.original_columns import declared_kept, enforced, join_schemas, original_columns
from featurectl.sources.paths import source_files
from featurectl.sources.unfolding import check_lines

Run = tuple[pl.Schema, list[str]]  # neighbouring files that have the same columns and types


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """The rows of files, file after file in the order of their paths, in the order that they have there.

    `path` is the source's, with its variables filled in. A path with a scheme (`s3://`) goes to Polars as it is:
    it is one part whose stamp is not known.
    """

    source: Source
    root: Path
    path: str
    told: Told | None = None
    data_roots: DataRoots = NONE

    def parts(self) -> tuple[SourcePart, ...]:
        """Return a part per file, named by its path below the root where it lies there.

        Raises:
            OutsideDataError: FC535, a file lies where the source may not read.
            DataError: FC501, no file matches.
        """
        if self.remote:
            return (SourcePart(name=self.path, stamp=""),)
        return tuple(self._part(file) for file in source_files(self.source, self.root, self.path, self.data_roots))

    @property
    def remote(self) -> bool:
        """True when the files lie in an object store."""
        return "://" in self.path and not is_file_address(self.path)

    @property
    def meant(self) -> str:
        """The path, from the root where it lies below it, as the names of parts are."""
        path = Path(self.path)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else self.path

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types of all files together; only CSV without declared types reads rows."""
        return self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: Collection[str] = ()
    ) -> pl.LazyFrame:
        """Return the rows of some files; what may not fit (columns to be cast, CSV) is read once before, to check it.

        Raises:
            DataError: FC502 a file can't be read, FC503 it lacks a column, FC504 a value or type does not fit.
        """
        assert since is None, "`:since` belongs to queries"
        return self._scan(self._alike([part.name for part in parts]), None, required)

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as they are in the files.

        Raises:
            DataError: as `scan` does.
        """
        runs = self._alike([part.name for part in parts])
        return self._scan(runs, original_columns(self.source, self._kept(runs)))

    def _kept(self, runs: Sequence[Run]) -> Mapping[str, str] | Mapping[str, str | None]:
        declared = declared_kept(self.source)
        if declared is not None:
            return declared
        if self.source.format == "csv":
            return self._spelled
        return join_schemas(
            [(schema, self._shown_file(files[0])) for schema, files in runs], self._columns, self.source.name
        )

    def _scan(self, runs: Sequence[Run], keep: ExpectedColumns | None, required: Collection[str] = ()) -> pl.LazyFrame:
        optional = declared_columns(self.source) is None or self._loose
        needed = frozenset() if self._loose else clock_columns(self.source).union(required)
        shape = ExpectedColumns(source=self.source, columns=self._columns, optional=optional, required=needed)
        frames = []
        for schema, files in runs:
            where = self._where(files[0])
            casts = shape.casts(schema, where)
            kept = keep.casts(schema, where) if keep is not None else []
            checked = enforced(casts, kept, schema)
            for file in files:
                whole = self.source.format == "csv"
                check_values(self._raw([file]), checked, self._where(file), whole=whole, told=self.told)
            frames.append(apply_casts(self._raw(files), casts, kept))
        if not frames:
            return pl.LazyFrame(schema=dict.fromkeys(self._columns))
        return pl.concat(frames, how="vertical" if keep is None else "vertical_relaxed")

    def schema(self, file: str) -> pl.Schema:
        """Return the columns of one file as Polars reads them.

        Raises:
            DataError: FC502, it can't be read.
        """
        if self.source.format == "csv":
            self._check_lines(file, first=True)
        with reading(self._where(file), self._shown):
            schema = self._raw([file]).collect_schema()
        if self.source.format == "csv":
            _check_repeated(schema, self._where(file))
        return schema

    @property
    def _loose(self) -> bool:
        # A JSON object without a key is the form's way to say null.
        return self.source.format == "ndjson"

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else self._found()
        check_named(self.source, columns, f"source {self.source.name}")
        return columns

    def _found(self) -> dict[str, str]:
        if self.source.format == "csv":
            return with_clocks(self.source, self._spelled)
        runs = self._alike([part.name for part in self.parts()])
        columns: dict[str, str] = {}
        untyped: dict[str, str] = {}
        for told, (_, files) in zip(typed_schemas([schema for schema, _ in runs]), runs, strict=True):
            found = found_columns(self.source, told)
            untyped |= dtypes.untyped_columns(found)
            for name, dtype in found.items():
                columns[name] = self._join(name, columns.get(name, dtype), dtype, files[0])
        order = dict.fromkeys(name for schema, _ in runs for name in schema)
        return dtypes.TypedColumns({name: columns[name] for name in order if name in columns}, untyped)

    def _join(self, name: str, known: str, dtype: str, file: str) -> str:
        """Return the type of a column that two files have; a float64 holds an int64."""
        if known == dtype:
            return known
        if {known, dtype} == {dtypes.INT64, dtypes.FLOAT64}:
            return dtypes.FLOAT64
        raise DataError(
            f"{self._where(file)}: column {name!r} is {dtype}, in files before it is {known}",
            code="FC504",
            hint="declare `columns:` of the source",
        )

    @cached_property
    def _spelled(self) -> Mapping[str, str]:
        """The types that the texts of CSV files spell."""
        frames = [self._raw(files) for _, files in self._alike([part.name for part in self.parts()])]
        with reading(f"source {self.source.name}", self._shown):
            return infer_types(pl.concat(frames, how="diagonal"), reading_of(self.source))

    def _alike(self, names: Sequence[str]) -> list[Run]:
        """Return runs of neighbouring files that have the same columns and types; their rows may be read."""
        for name in names:
            if name not in self._unfolded:
                self._check_lines(name)
                self._unfolded.add(name)
        schemas = [(self.schema(name), name) for name in names]
        return [(schema, [name for _, name in run]) for schema, run in groupby(schemas, key=lambda item: item[0])]

    @cached_property
    def _unfolded(self) -> set[str]:
        """The files whose lines were looked at."""
        return set()

    def _check_lines(self, file: str, *, first: bool = False) -> None:
        if self.remote or self.source.format == "parquet":
            return
        with reading(self._where(file), self._shown):
            check_lines(self.root / file, self._where(file), quoted=self.source.format == "csv", first=first)

    def _raw(self, names: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of files that have the same columns, as Polars reads them; CSV as texts."""
        files = [name if self.remote else str(self.root / name) for name in names]
        if self.source.format == "parquet":
            where = files[0] if self.remote else files
            return pl.scan_parquet(where, hive_partitioning=False, glob=self.remote, storage_options=self._options)
        if self.source.format == "csv":
            nulls = [value for value in self.source.csv.null_values if value]
            separator = self.source.csv.separator
            return pl.scan_csv(
                files,
                separator=separator,
                infer_schema=False,
                null_values=nulls or None,
                glob=self.remote,
                storage_options=self._options,
            )
        if not self.remote and all(Path(file).stat().st_size == 0 for file in files):
            return pl.LazyFrame()  # no objects, no keys
        return pl.scan_ndjson(files, infer_schema_length=None, storage_options=self._options)

    @property
    def _options(self) -> dict[str, Any] | None:
        return polars_options(self.path)

    def _where(self, file: str) -> str:
        return f"source {self.source.name}, file {self._shown_file(file)}"

    def _shown_file(self, file: str) -> str:
        if not has_variable(self.source.path):
            return file
        return self._shown(file if self.remote else str(self.root / file))

    def _shown(self, text: str) -> str:
        """Return a text in which the path is written as in the repository: what its variables hold is not shown."""
        return as_written(text, self.source.path, self.path if self.remote else str(self.root / self.path))

    def _part(self, file: Path) -> SourcePart:
        try:
            status = file.stat()
        except OSError as error:
            message = f"{self._where(str(file))} can't be read: {self._shown(str(error))}"
            raise DataError(message, code="FC502") from error
        name = file.relative_to(self.root) if file.is_relative_to(self.root) else file
        return SourcePart(name=name.as_posix(), stamp=f"{status.st_size}:{status.st_mtime_ns}")


def _check_repeated(schema: pl.Schema, where: str) -> None:
    """Polars renames the second of two columns of one name: `amount`, `amount_duplicated_0`."""
    for name in schema:
        first, mark, number = name.rpartition("_duplicated_")
        if mark and number.isdigit() and first in schema:
            raise DataError(f"{where} has two columns {first!r}", code="FC502")
