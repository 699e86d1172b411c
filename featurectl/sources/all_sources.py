"""Every kind of source by its format, each in a file of its own that is imported when it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import DataError, PlanError, StoreError
from featurectl.core.variables import expand
from featurectl.language.data_roots import NONE, DataRoots
from featurectl.language.definitions.source import Source

if TYPE_CHECKING:  # they load Polars, which a command that opens no source does without
    from featurectl.expressions.tree import Columns
    from featurectl.sources.base import OnNaive, SourceReader
    from featurectl.sources.file_format_base import FileFormat


_MOST_TEXTS: Final = 100  # files of a source whose first cells are looked at before it is read
NamesReader = Callable[[Path, Source], Sequence[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """What a format of sources can do.

    `read_columns` tells the columns of local data without reading rows, `check_there` that there is some; None: only
    the rows tell, or who keeps them. `read_names` tells the names of a file's columns without Polars, `has_dates`
    whether the event times of local data are dates alone, as far as a first look tells.
    """

    open: Callable[[Source, Path, OnNaive | None, DataRoots], SourceReader]
    read_columns: Callable[[Source, Path, str], Columns | None] | None = None
    check_there: Callable[[Source, Path], None] | None = None
    read_names: NamesReader | None = None
    has_dates: Callable[[Source, Path], bool] | None = None


def expand_text(source: Source, text: str) -> str:
    """Return a text of a source with its variables filled in.

    Raises:
        UsageError: one is not set.
    """
    return expand(text, os.environ, f"source {source.name}")


def _file_kind(
    load: Callable[[], FileFormat],
    read_names: NamesReader | None = None,
    has_dates: Callable[[Path, Source], bool] | None = None,
    check_text: Callable[[Path, Source, str], None] | None = None,
) -> SourceKind:
    def open_files(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
        from featurectl.sources.files import FileReader

        path = expand_text(source, source.path)
        return FileReader(source=source, root=root, path=path, form=load(), on_naive=on_naive, data_roots=data_roots)

    def read(source: Source, root: Path, path: str) -> Columns:
        from featurectl.sources.files import seen_file_columns

        return seen_file_columns(source, root, path, load())

    def check(source: Source, root: Path) -> None:
        from featurectl.sources.paths import source_files

        files = source_files(source, root, source.path)
        if check_text is None:
            return
        for file in files[:_MOST_TEXTS]:
            shown = file.relative_to(root) if file.is_relative_to(root) else file
            where = f"source {source.name}, file {shown}"
            try:
                check_text(file, source, where)
            except OSError as error:
                raise DataError(f"{where} can't be read: {error.strerror}", code="FC502") from error

    def look(source: Source, root: Path) -> bool:
        from featurectl.sources.paths import source_files

        assert has_dates is not None
        return has_dates(source_files(source, root, source.path)[0], source)

    return SourceKind(
        open=open_files,
        read_columns=None if read_names is None else read,
        check_there=check,
        read_names=read_names,
        has_dates=None if has_dates is None else look,
    )


def _csv_names(file: Path, source: Source) -> Sequence[str] | None:
    from featurectl.sources.csv_lines import read_header

    return read_header(file, source.csv.separator)


def _check_csv(file: Path, source: Source, where: str) -> None:
    from featurectl.sources.unfolding import check_cells

    check_cells(file, where, source.csv.separator, first=True)


def _check_ndjson(file: Path, source: Source, where: str) -> None:
    from featurectl.sources.unfolding import check_cells

    del source
    check_cells(file, where, None, first=True)


def _csv_dates(file: Path, source: Source) -> bool:
    from featurectl.core.units import ISO_DATE
    from featurectl.language.definitions.timestamp_format import has_time
    from featurectl.sources.csv_lines import read_first_row

    if source.csv.timestamp_format is not None:
        return not has_time(source.csv.timestamp_format)
    value = read_first_row(file, source.csv.separator).get(source.event_time or "", "")
    return re.fullmatch(ISO_DATE, value) is not None


def _parquet_dates(file: Path, source: Source) -> bool:
    import polars as pl

    return pl.read_parquet_schema(file).get(source.event_time or "") == pl.Date


def _delta_dates(source: Source, root: Path) -> bool:
    import polars as pl

    from featurectl.sources.delta_table import DeltaSourceTable

    table = DeltaSourceTable(source=source, root=root, path=source.path, data_roots=NONE)
    return table.schema.get(source.event_time or "") == pl.Date


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
    from featurectl.sources.sql.reader import SqlReader

    assert source.sql is not None
    url = expand_text(source, source.sql.url)
    return SqlReader(source=source, root=root, url=url, on_naive=on_naive, data_roots=data_roots)


def _open_iceberg(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
    assert source.iceberg is not None
    try:
        from featurectl.sources.iceberg.reader import IcebergReader
    except ImportError as error:
        what = f"source {source.name}: the module {error.name} is missing"
        raise StoreError(what, code="FC605", hint="pip install 'featurectl[iceberg]'") from error
    name = replace(
        source.iceberg,
        table=expand_text(source, source.iceberg.table),
        catalog=expand_text(source, source.iceberg.catalog),
    )
    return IcebergReader(source=source, root=root, name=name, on_naive=on_naive, data_roots=data_roots)


def _iceberg_columns(source: Source, root: Path, _: str) -> Columns | None:
    try:
        reader = _open_iceberg(source, root, None, NONE)
    except StoreError:  # pyiceberg is not installed: what it would say is not known
        return None
    from featurectl.sources.iceberg.reader import seen_columns

    return seen_columns(reader)


def _check_iceberg(source: Source, root: Path) -> None:
    _iceberg_columns(source, root, "")


def _iceberg_dates(source: Source, root: Path) -> bool:
    return (_iceberg_columns(source, root, "") or {}).get(source.event_time or "") == "date"


def _open_stream(source: Source, root: Path, on_naive: OnNaive | None, data_roots: DataRoots) -> SourceReader:
    del root, on_naive, data_roots
    raise PlanError(f"source {source.name}: streams are read by their log, which is not opened here", code="FC402")


SOURCE_KINDS: Final[Mapping[str, SourceKind]] = {
    "parquet": _file_kind(_parquet, _parquet_names, _parquet_dates),
    "csv": _file_kind(_csv, _csv_names, _csv_dates, _check_csv),
    "ndjson": _file_kind(_ndjson, check_text=_check_ndjson),
    "delta": SourceKind(
        open=_open_delta, read_columns=_delta_columns, check_there=_check_delta, has_dates=_delta_dates
    ),
    "sql": SourceKind(open=_open_sql),
    "iceberg": SourceKind(
        open=_open_iceberg, read_columns=_iceberg_columns, check_there=_check_iceberg, has_dates=_iceberg_dates
    ),
    "stream": SourceKind(open=_open_stream),
}
