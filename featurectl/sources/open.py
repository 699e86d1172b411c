"""From a source's definition to its reader: a table from its format to one file, imported when it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import DataError, PlanError, UsageError
from featurectl.core.variables import expand, has_variable
from featurectl.language.data_roots import NONE, DataRoots, OutsideDataError
from featurectl.language.definitions.source import Source

if TYPE_CHECKING:  # they load Polars, which a command that opens no source does without
    from featurectl.expressions.tree import Columns
    from featurectl.sources.base import OnNaive, SourceReader
    from featurectl.sources.file_format_base import FileFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """What a format of sources can do.

    `read_columns` tells the columns of local data without reading rows, `check_there` that there is some; None: only
    the rows tell, or who keeps them.
    """

    open: Callable[[Source, Path, OnNaive | None, DataRoots], SourceReader]
    read_columns: Callable[[Source, Path, str], Columns] | None = None
    check_there: Callable[[Source, Path], None] | None = None


def open_source(
    source: Source, root: Path, on_naive: OnNaive | None = None, data_roots: DataRoots = NONE
) -> SourceReader:
    """Return the reader of a source; relative paths start at `root`, `${NAME}` is filled from the environment.

    Local data is read below the root and in `data_roots`; anything else is refused (FC535) when it is looked for.

    Nothing is read yet. When it is, `on_naive` is given the columns that hold a timestamp without a time zone.

    Raises:
        UsageError: an environment variable is not set, or there is no such format.
        PlanError: FC402, the source is a stream.
    """
    return _kind(source).open(source, root, on_naive, data_roots)


def read_schema(source: Source, root: Path) -> Columns | None:
    """Return the columns of a source's local files without reading rows, or None when they can't tell.

    Parquet and Delta give types as the reader gives them; CSV gives the names of its header, each `unknown`. None
    for NDJSON, queries, streams and object stores. A path with an environment variable is read where the variable
    leads to files below the root; where it is not set, or leads elsewhere, nobody can tell.

    Raises:
        OutsideDataError: FC535, a file does not lie below the root, and is not looked at.
        DataError: FC501 there is no such file, FC502 it can't be read.
    """
    read = _kind(source).read_columns
    if read is None:
        return None
    if not has_variable(source.path):
        return None if "://" in source.path else read(source, root, source.path)
    try:
        path = _expanded(source, source.path)
        return None if "://" in path else read(source, root, path)
    except (UsageError, OutsideDataError):
        return None
    except DataError as error:
        if error.code == "FC501":  # the variable may lead to them elsewhere
            return None
        raise


def check_there(source: Source, root: Path) -> None:
    """Check that a source has data, as far as that can be seen here: not in object stores, databases and streams.

    Raises:
        OutsideDataError: FC535, it lies where the source may not read.
        DataError: FC501 there is none, FC502 the system does not let this user look.
    """
    check = _kind(source).check_there
    if check is not None and "://" not in source.path and not has_variable(source.path):
        check(source, root)


def _kind(source: Source) -> SourceKind:
    if source.format not in KINDS:
        raise UsageError(f"source {source.name}: no format {source.format!r}", hint="formats: " + ", ".join(KINDS))
    return KINDS[source.format]


def _expanded(source: Source, text: str) -> str:
    return expand(text, os.environ, f"source {source.name}")


def _file_kind(load: Callable[[], FileFormat], *, tells_columns: bool = True) -> SourceKind:
    def open_files(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
        from featurectl.sources.files import FileReader

        path = _expanded(source, source.path)
        return FileReader(source=source, root=root, path=path, form=load(), on_naive=on_naive, data_roots=data_roots)

    def read(source: Source, root: Path, path: str) -> Columns:
        from featurectl.sources.files import seen_file_columns

        return seen_file_columns(source, root, path, load())

    def check(source: Source, root: Path) -> None:
        from featurectl.sources.paths import source_files

        source_files(source, root, source.path)

    return SourceKind(open=open_files, read_columns=read if tells_columns else None, check_there=check)


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

    path = _expanded(source, source.path)
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
    url = _expanded(source, source.sql.url)
    return SqlReader(source=source, root=root, url=url, on_naive=on_naive, data_roots=data_roots)


def _open_stream(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
    del root, on_naive, data_roots
    raise PlanError(f"source {source.name}: streams are not in this version", code="FC402")


KINDS: Final[Mapping[str, SourceKind]] = {
    "parquet": _file_kind(_parquet),
    "csv": _file_kind(_csv),
    "ndjson": _file_kind(_ndjson, tells_columns=False),
    "delta": SourceKind(open=_open_delta, read_columns=_delta_columns, check_there=_check_delta),
    "sql": SourceKind(open=_open_sql),
    "stream": SourceKind(open=_open_stream),
}
