"""Every kind of source by its format, each in a file of its own that is imported when it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import PlanError
from featurectl.core.variables import expand
from featurectl.language.data_roots import DataRoots
from featurectl.language.definitions.source import Source

if TYPE_CHECKING:  # they load Polars, which a command that opens no source does without
    from featurectl.expressions.tree import Columns
    from featurectl.sources.base import OnNaive, SourceReader
    from featurectl.sources.file_format_base import FileFormat


NamesReader = Callable[[Path, Source], Sequence[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """What a format of sources can do.

    `read_columns` tells the columns of local data without reading rows, `check_there` that there is some; None: only
    the rows tell, or who keeps them. `read_names` tells the names of a file's columns without Polars.
    """

    open: Callable[[Source, Path, OnNaive | None, DataRoots], SourceReader]
    read_columns: Callable[[Source, Path, str], Columns] | None = None
    check_there: Callable[[Source, Path], None] | None = None
    read_names: NamesReader | None = None


def expand_text(source: Source, text: str) -> str:
    """Return a text of a source with its variables filled in.

    Raises:
        UsageError: one is not set.
    """
    return expand(text, os.environ, f"source {source.name}")


def _file_kind(load: Callable[[], FileFormat], read_names: NamesReader | None = None) -> SourceKind:
    def open_files(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
        from featurectl.sources.files import FileReader

        path = expand_text(source, source.path)
        return FileReader(source=source, root=root, path=path, form=load(), on_naive=on_naive, data_roots=data_roots)

    def read(source: Source, root: Path, path: str) -> Columns:
        from featurectl.sources.files import seen_file_columns

        return seen_file_columns(source, root, path, load())

    def check(source: Source, root: Path) -> None:
        from featurectl.sources.paths import source_files

        source_files(source, root, source.path)

    read_columns = None if read_names is None else read
    return SourceKind(open=open_files, read_columns=read_columns, check_there=check, read_names=read_names)


def _csv_names(file: Path, source: Source) -> Sequence[str] | None:
    from featurectl.sources.csv_lines import read_header

    return read_header(file, source.csv.separator)


def _parquet_names(file: Path, source: Source) -> Sequence[str] | None:
    from featurectl.sources.parquet_names import read_parquet_names

    del source
    return read_parquet_names(file)


def _parquet() -> FileFormat:
    from featurectl.sources.parquet import ParquetFormat

    return ParquetFormat()


def _csv() -> FileFormat:
    from featurectl.sources.csv import CsvFormat

    return CsvFormat()


def _ndjson() -> FileFormat:
    from featurectl.sources.ndjson import NdjsonFormat

    return NdjsonFormat()


def _open_delta(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
    from featurectl.sources.delta import DeltaReader

    path = expand_text(source, source.path)
    return DeltaReader(source=source, root=root, path=path, on_naive=on_naive, data_roots=data_roots)


def _delta_columns(source: Source, root: Path, path: str) -> Columns:
    from featurectl.sources.delta import DeltaReader

    return DeltaReader(source=source, root=root, path=path).schema()


def _check_delta(source: Source, root: Path) -> None:
    from featurectl.sources.paths import check_delta_log

    check_delta_log(source, root)


def _open_sql(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
    from featurectl.sources.sql import SqlReader

    assert source.sql is not None
    url = expand_text(source, source.sql.url)
    return SqlReader(source=source, root=root, url=url, on_naive=on_naive, data_roots=data_roots)


def _open_stream(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
    del root, on_naive, data_roots
    raise PlanError(f"source {source.name}: streams are not in this version", code="FC402")


SOURCE_KINDS: Final[Mapping[str, SourceKind]] = {
    "parquet": _file_kind(_parquet, _parquet_names),
    "csv": _file_kind(_csv, _csv_names),
    "ndjson": _file_kind(_ndjson),
    "delta": SourceKind(open=_open_delta, read_columns=_delta_columns, check_there=_check_delta),
    "sql": SourceKind(open=_open_sql),
    "stream": SourceKind(open=_open_stream),
}
