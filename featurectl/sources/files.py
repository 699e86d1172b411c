"""Sources of files, of whatever format: one file, a pattern, a folder, or an object-store URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import polars as pl

from featurectl.core import dtypes
from featurectl.core.errors import DataError
from featurectl.language.data_roots import NONE, DataRoots
from featurectl.language.definitions.source import Source
from featurectl.sources.base import NONE_REQUIRED, Changes, Increment, OnNaive, RequiredColumns, SourcePart
from featurectl.sources.enforce import (
    ExpectedColumns,
    RowPlaces,
    apply_casts,
    check_named,
    check_values,
    declared_columns,
    found_columns,
    reading_of,
    seen_columns,
    typed_schemas,
    with_clocks,
    with_clocks_required,
)
from featurectl.sources.failures import reading
from featurectl.sources.file_address import FileAddress
from featurectl.sources.file_format_base import FileFormat
from featurectl.sources.increment import above_watermark, new_files, rebuild
from featurectl.sources.infer import infer_types
from featurectl.sources.lacking_columns import LackingColumns
from featurectl.sources.moved_files import gone_files, lies_elsewhere
from featurectl.sources.original_columns import declared_kept, enforced, join_schemas, original_columns
from featurectl.sources.paths import source_files
from featurectl.sources.raw_files import RawFiles, Run


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """The rows of files, file after file in the order of their paths, in the order that they have there.

    `path` is the source's, with its variables filled in. A path with a scheme (`s3://`) goes to Polars as it is:
    it is one part whose stamp is not known. `lacking` has the declared columns that were taken for null in files which
    lack them, each with these files; `unwritten` are files of texts without a byte that were left out.
    """

    source: Source
    root: Path
    path: str
    form: FileFormat
    on_naive: OnNaive | None = None
    data_roots: DataRoots = NONE
    is_snapshot: ClassVar[bool] = False
    lacking: dict[str, dict[str, None]] = field(default_factory=dict, compare=False)
    unwritten: dict[str, None] = field(default_factory=dict, compare=False)

    def parts(self) -> tuple[SourcePart, ...]:
        """Return a part per file, named by its path below the root where it lies there.

        A file of texts without a byte is none, where others have some: it has neither rows nor columns.

        Raises:
            OutsideDataError: FC535, a file lies where the source may not read.
            DataError: FC501, no file matches.
        """
        if self._address.remote:
            return (SourcePart(name=self.path, stamp=""),)
        files = source_files(self.source, self.root, self.path, self.data_roots)
        parts = tuple(self._address.part(file) for file in files)
        written = tuple(part for part in parts if not part.stamp.startswith("0:")) if self.form.spells_types else parts
        if not written:
            return parts
        self.unwritten.update(dict.fromkeys(part.name for part in parts if part not in written))
        return written

    @property
    def counts_rows(self) -> bool:
        """True where the files say how many rows they have."""
        return self.form.counts_rows

    def size_bytes(self, parts: Sequence[SourcePart]) -> int | None:
        """Return the bytes of local files; None when a part is elsewhere, or no file."""
        if not all(part.stamp for part in parts):
            return None
        files = [self.root / part.name for part in parts]
        return sum(file.stat().st_size for file in files) if all(file.is_file() for file in files) else None

    def new_rows(self, changes: Changes) -> Increment:
        """Return what is new of the files.

        A file that is gone leaves its rows in the table, unless the source's path was changed and means it no more:
        then the new files may hold its rows, and a rebuild it is.
        """
        if self.source.available_at is not None:
            return above_watermark(changes)
        increment = new_files(changes)
        moved = changes.touched and lies_elsewhere(changes.gone, self._address.meant, changes.parts)
        return rebuild(changes.parts, "the source has another path") if moved and not increment.rebuild else increment

    def lost_parts(self, parts: Sequence[SourcePart], read: Iterable[str]) -> list[str]:
        """Return the files of those read that are gone; those that the path does not mean any more lie elsewhere now.

        A static source means what there is now.
        """
        return [] if self.source.static else gone_files(self._address.meant, parts, read)

    def columns(self) -> Mapping[str, str]:
        """Return the columns and types of all files together; only CSV without declared types reads rows."""
        return self._columns

    def check_columns(self) -> int | None:
        """Check the columns of all files, of those that have the same in one of them.

        Raises:
            DataError: FC501 to FC504.
        """
        runs = self._files.alike([part.name for part in self.parts()])
        lacking = LackingColumns(files=self._files, columns=self._columns)
        shape = _shape(self, lacking, runs)
        for schema, files in runs:
            shape.casts(schema, self._address.where(files[0]))
        return None

    def told_columns(self) -> Mapping[str, str] | None:
        """Return the columns of all files together; None where the source declares its own."""
        return None if self.source.columns_declared else self._columns

    def scan(
        self, parts: Sequence[SourcePart], since: datetime | None = None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        """Return the rows of some files; what may not fit (columns to be cast, CSV) is read once before, to check it.

        Raises:
            DataError: FC502 a file can't be read, FC503 it lacks a column, FC504 a value or type does not fit.
        """
        assert since is None, "`:since` belongs to queries"
        return self._scan(self._files.alike([part.name for part in parts]), None, required)

    def stream(self, parts: Sequence[SourcePart], since: datetime | None = None) -> None:
        """Return nothing: files are read lazily."""

    def scan_kept(self, parts: Sequence[SourcePart]) -> pl.LazyFrame:
        """Return the rows of `scan`, and beside them the columns as they are in the files.

        Raises:
            DataError: as `scan` does.
        """
        runs = self._files.alike([part.name for part in parts])
        return self._scan(runs, original_columns(self.source, self._kept(runs)))

    def _kept(self, runs: Sequence[Run]) -> Mapping[str, str] | Mapping[str, str | None]:
        declared = declared_kept(self.source)
        if declared is not None:
            return declared
        if self.form.spells_types:
            return self._spelled
        return join_schemas(
            [(schema, self._address.shown_file(files[0])) for schema, files in runs], self._columns, self.source.name
        )

    def _scan(
        self, runs: Sequence[Run], keep: ExpectedColumns | None, required: RequiredColumns = NONE_REQUIRED
    ) -> pl.LazyFrame:
        lacking = LackingColumns(files=self._files, columns=self._columns)
        shape = _shape(self, lacking, runs, required)
        frames = []
        for schema, files in runs:
            where = self._address.where(files[0])
            casts = shape.casts(schema, where)
            kept = keep.casts(schema, where) if keep is not None else []
            for name in lacking.of(schema):
                self.lacking.setdefault(name, {}).update(dict.fromkeys(map(self._address.shown_file, files)))
            checked = enforced(casts, kept, schema)
            for file in files:
                where = self._address.where(file)
                line_of = partial(self._files.line_of, file) if self.form.spells_types else None
                with self._files.naming_lines([file]):
                    check_values(
                        self._files.scan([file]),
                        checked,
                        where,
                        places=RowPlaces(line_of=line_of),
                        on_naive=self.on_naive,
                    )
            frames.append(apply_casts(self._files.scan(files), casts, kept))
        if not frames:
            return pl.LazyFrame(schema=dict.fromkeys(self._columns))
        return pl.concat(frames, how="vertical" if keep is None else "vertical_relaxed")

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        declared = declared_columns(self.source)
        columns = declared if declared is not None else self._found()
        check_named(self.source, columns, f"source {self.source.name}")
        return columns

    def _found(self) -> dict[str, str]:
        if self.form.spells_types:
            typed = with_clocks(self.source, self._spelled)
            return dtypes.TypedColumns(typed, {}, dtypes.valueless_columns(self._spelled))
        runs = self._files.alike([part.name for part in self.parts()])
        columns: dict[str, str] = {}
        untyped: dict[str, str] = {}
        for schema, (_, files) in zip(typed_schemas([schema for schema, _ in runs]), runs, strict=True):
            found = found_columns(self.source, schema)
            untyped |= dtypes.untyped_columns(found)
            for name, dtype in found.items():
                columns[name] = _joint_dtype(name, columns.get(name, dtype), dtype, self._address.where(files[0]))
        order = dict.fromkeys(name for schema, _ in runs for name in schema)
        return dtypes.TypedColumns({name: columns[name] for name in order if name in columns}, untyped)

    @cached_property
    def _spelled(self) -> Mapping[str, str]:
        """The types that the texts of CSV files spell; without a value a column has the one that is known of it."""
        names = [part.name for part in self.parts()]
        frames = [self._files.scan(files) for _, files in self._files.alike(names)]
        what = self._address.where(names[0]) if len(names) == 1 else f"source {self.source.name}"
        with self._files.naming_lines(names), reading(what, self._address.shown):
            found = infer_types(pl.concat(frames, how="diagonal"), reading_of(self.source))
        known = {name: dtype for name, dtype in (self.source.columns or {}).items() if dtype != dtypes.UNKNOWN}
        types = {name: known.get(name, dtype) if name in found.valueless else dtype for name, dtype in found.items()}
        return dtypes.TypedColumns(types, {}, found.valueless - known.keys())

    @cached_property
    def _files(self) -> RawFiles:
        address = FileAddress(source=self.source, root=self.root, path=self.path)
        return RawFiles(address=address, form=self.form)

    @property
    def _address(self) -> FileAddress:
        return self._files.address


def _shape(
    reader: FileReader, lacking: LackingColumns, runs: Sequence[Run], required: RequiredColumns = NONE_REQUIRED
) -> ExpectedColumns:
    """Return the columns that the files of some runs must give."""
    return ExpectedColumns(
        source=reader.source,
        columns=lacking.columns,
        optional=lacking.optional(runs, reader.parts),
        required=NONE_REQUIRED if reader.form.omits_nulls else with_clocks_required(reader.source, required),
    )


def _joint_dtype(name: str, known: str, dtype: str, where: str) -> str:
    """Return the type of a column that two files have; a float64 holds an int64."""
    if known == dtype:
        return known
    if {known, dtype} == {dtypes.INT64, dtypes.FLOAT64}:
        return dtypes.FLOAT64
    raise DataError(
        f"{where}: column {name!r} is {dtype}, in files before it is {known}",
        code="FC504",
        hint="declare `columns:` of the source",
    )


def seen_file_columns(source: Source, root: Path, path: str, form: FileFormat) -> Mapping[str, str]:
    """Return the columns of local files without reading rows; of a form that spells types only their names.

    Raises:
        OutsideDataError: FC535, a file does not lie below the root.
        DataError: FC501 there is no such file, FC502 it can't be read.
    """
    parts = FileReader(source=source, root=root, path=path, form=form).parts()
    files = RawFiles(address=FileAddress(source=source, root=root, path=path), form=form)
    columns: dict[str, str] = {}
    untyped: dict[str, str] = {}
    for schema in typed_schemas([files.schema(part.name) for part in parts]):
        found = dict.fromkeys(schema, dtypes.UNKNOWN) if form.spells_types else seen_columns(source, schema)
        columns |= {name: dtype for name, dtype in found.items() if name not in columns}
        untyped |= dtypes.untyped_columns(found)
    return dtypes.TypedColumns(columns, untyped)
