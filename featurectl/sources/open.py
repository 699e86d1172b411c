"""From a source's definition to its reader; each kind is imported when it is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from featurectl.core import dtypes
from featurectl.core.errors import DataError, PlanError, UsageError
from featurectl.core.variables import expand, has_variable
from featurectl.language.data_roots import NONE, DataRoots, OutsideDataError
from featurectl.language.definitions.objects import Source
from featurectl.sources.base import SourceReader, Told
from featurectl.sources.enforce import seen_columns, typed_schemas
from featurectl.sources.files import FileReader


def open_source(source: Source, root: Path, told: Told | None = None, data_roots: DataRoots = NONE) -> SourceReader:
    """Return the reader of a source; relative paths start at `root`, `${NAME}` is filled from the environment.

    Local data is read below the root and in `data_roots`; anything else is refused (FC535) when it is looked for.

    Nothing is read yet. When it is, `told` is given the columns that hold a timestamp without a time zone.

    Raises:
        UsageError: an environment variable is not set.
        PlanError: FC402, the source is a stream.
    """
    match source.format:
        case "parquet" | "csv" | "ndjson":
            path = _expanded(source, source.path)
            return FileReader(source=source, root=root, path=path, told=told, data_roots=data_roots)
        case "delta":
            from featurectl.sources.delta import DeltaReader

            path = _expanded(source, source.path)
            return DeltaReader(source=source, root=root, path=path, told=told, data_roots=data_roots)
        case "sql":
            from featurectl.sources.sql import SqlReader

            assert source.sql is not None
            url = _expanded(source, source.sql.url)
            return SqlReader(source=source, root=root, url=url, told=told, data_roots=data_roots)
        case "stream":
            raise PlanError(f"source {source.name}: streams are not in this version", code="FC402")
        case never:
            assert_never(never)


def read_schema(source: Source, root: Path) -> Mapping[str, str] | None:
    """Return the columns of a source's local files without reading rows, or None when they can't tell.

    Parquet and Delta give types as the reader gives them; CSV gives the names of its header, each `unknown`. None
    for NDJSON, queries, streams and object stores. A path with an environment variable is read where the variable
    leads to files below the root; where it is not set, or leads elsewhere, nobody can tell.

    Raises:
        OutsideDataError: FC535, a file does not lie below the root, and is not looked at.
        DataError: FC501 there is no such file, FC502 it can't be read.
    """
    if source.format in {"ndjson", "sql", "stream"}:
        return None
    if not has_variable(source.path):
        return None if "://" in source.path else _read_columns(source, root, source.path)
    try:
        path = _expanded(source, source.path)
        return None if "://" in path else _read_columns(source, root, path)
    except (UsageError, OutsideDataError):
        return None
    except DataError as error:
        if error.code == "FC501":  # the variable may lead to them elsewhere
            return None
        raise


def _read_columns(source: Source, root: Path, path: str) -> Mapping[str, str]:
    if source.format == "delta":
        from featurectl.sources.delta import DeltaReader

        return DeltaReader(source=source, root=root, path=path).schema()
    reader = FileReader(source=source, root=root, path=path)
    columns: dict[str, str] = {}
    untyped: dict[str, str] = {}
    for schema in typed_schemas([reader.schema(part.name) for part in reader.parts()]):
        found = dict.fromkeys(schema, dtypes.UNKNOWN) if source.format == "csv" else seen_columns(source, schema)
        columns |= {name: dtype for name, dtype in found.items() if name not in columns}
        untyped |= dtypes.untyped_columns(found)
    return dtypes.TypedColumns(columns, untyped)


def _expanded(source: Source, text: str) -> str:
    return expand(text, os.environ, f"source {source.name}")
