"""From a source's definition to its reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.dtypes import DATE
from featurectl.core.errors import DataError, UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.core.variables import has_variable
from featurectl.language.data_roots import NONE, DataRoots, OutsideDataError
from featurectl.language.definitions.separator import separator_hint
from featurectl.language.definitions.source import Source
from featurectl.sources.all_sources import SOURCE_KINDS, SourceKind, expand_text

if TYPE_CHECKING:  # they load Polars, which a command that opens no source does without
    from featurectl.expressions.tree import Columns
    from featurectl.sources.base import OnNaive, SourceReader

_MOST_HEADERS: Final = 100  # of a source's files that are looked at for what may be in any of them


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

    Parquet, Delta and Iceberg give types as the reader gives them; CSV the names of its header, each `unknown`. None
    for NDJSON, queries, streams and object stores. A path with an environment variable is read where the variable
    leads to files below the root; where it is not set, or leads elsewhere, nobody can tell.

    Raises:
        OutsideDataError: FC535, a file does not lie below the root, and is not looked at.
        DataError: FC501 there is no such file, FC502 it can't be read.
    """
    read, place = _kind(source).read_columns, _place(source)
    if read is None:
        return None
    if not has_variable(place):
        return None if _is_elsewhere(place) else read(source, root, place)
    try:
        place = expand_text(source, place)
        return None if _is_elsewhere(place) else read(source, root, place)
    except (UsageError, OutsideDataError):
        return None
    except DataError as error:
        if error.code == "FC501":  # the variable may lead to them elsewhere
            return None
        raise


def read_names(source: Source, root: Path) -> Columns | None:
    """Return the columns of local files of a source that declares columns, typed or not; None: nobody can tell.

    CSV and Parquet files are looked at, without Polars as long as they have what is declared. Those that a path with
    an environment variable leads to are not, nor what can't be read: who reads the rows says so.
    """
    kind = _kind(source)
    if kind.read_names is None or "://" in source.path or has_variable(source.path):
        return None
    from featurectl.sources.paths import source_files

    missing = set(source.columns or ())
    try:
        for file in source_files(source, root, source.path):
            names = kind.read_names(file, source)
            if names is None:
                return None
            missing.difference_update(names)
            if not missing:
                return source.columns
        return read_schema(source, root)
    except DataError:
        return None


def check_there(source: Source, root: Path) -> None:
    """Check that a source has data, as far as that can be seen here: not in object stores, databases and streams.

    Raises:
        OutsideDataError: FC535, it lies where the source may not read.
        DataError: FC501 there is none, FC502 the system does not let this user look.
    """
    check = _kind(source).check_there
    if check is not None and not _is_elsewhere(_place(source)) and not has_variable(_place(source)):
        check(source, root)


def check_headers(source: Source, root: Path) -> None:
    """Check that a source has data here, and that its first files have the columns that it declares, if it does.

    What can't be seen without reading rows, or lies elsewhere, is no error.

    Raises:
        OutsideDataError: FC535, it lies where the source may not read.
        DataError: FC501 there is none, FC502 the system does not let this user look, FC503 a column is not there.
    """
    kind = _kind(source)
    if kind.read_names is None or not source.columns_declared:
        check_there(source, root)
        return
    if "://" in source.path or has_variable(source.path):
        return
    from featurectl.sources.paths import source_files

    files = source_files(source, root, source.path)
    missing, there = dict.fromkeys(source.columns or ()), dict[str, None]()
    for file in files[:_MOST_HEADERS]:
        names = kind.read_names(file, source)
        if names is None:
            return
        there |= dict.fromkeys(names)
        missing = {name: None for name in missing if name not in there}
        if not missing:
            return
    if len(files) <= _MOST_HEADERS:
        name = next(iter(missing))
        hint = separator_hint(there) or did_you_mean(name, there) or f"columns: {', '.join(list(there)[:12])}"
        message = f'source {source.name}: {source.path} has no column "{name}"'
        raise DataError(message, code="FC503", hint=hint)


def has_dates(source: Source, root: Path) -> bool:
    """Return whether a source's event times are dates alone, as far as local data tells without being read.

    Of a CSV file that is its first row.
    """
    if source.event_time is None or source.event_time in {item.name for item in source.select}:
        return False
    if (source.columns or {}).get(source.event_time) == DATE:
        return True
    look = _kind(source).has_dates
    if look is None or _is_elsewhere(_place(source)) or has_variable(_place(source)):
        return False
    try:
        return look(source, root)
    except (DataError, OSError):
        return False


def _place(source: Source) -> str:
    """Return where the data of a source is: a path, or the catalog of a table, "pyiceberg://" where it has no address.

    The name of the table stands behind the catalog, for what variables of it say.
    """
    if source.iceberg is None:
        return source.path
    catalog = source.iceberg.catalog
    known = catalog if "://" in catalog or has_variable(catalog) else f"pyiceberg://{catalog}"
    return f"{known} {source.iceberg.table}"


def _is_elsewhere(place: str) -> bool:
    return "://" in place and not place.startswith(SQLITE_URL)


def _kind(source: Source) -> SourceKind:
    if source.format not in SOURCE_KINDS:
        raise UsageError(
            f"source {source.name}: no format {source.format!r}", hint="formats: " + ", ".join(SOURCE_KINDS)
        )
    return SOURCE_KINDS[source.format]
