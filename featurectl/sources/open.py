"""From a source's definition to its reader; each kind is imported when it is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from featurectl import dtypes
from featurectl.errors import PlanError
from featurectl.sources.base import SourceReader, Told
from featurectl.sources.enforce import seen_columns, told_columns
from featurectl.sources.files import FileReader
from featurectl.spec.definition import Source
from featurectl.spec.environment import expand, has_variable


def open_source(source: Source, root: Path, told: Told | None = None) -> SourceReader:
    """Return the reader of a source; relative paths start at `root`, `${NAME}` is filled from the environment.

    Nothing is read yet. When it is, `told` is given the columns that hold a timestamp without a time zone.

    Raises:
        UsageError: an environment variable is not set.
        PlanError: FC402, the source is a stream.
    """
    match source.format:
        case "parquet" | "csv" | "ndjson":
            return FileReader(source=source, root=root, path=_expanded(source, source.path), told=told)
        case "delta":
            from featurectl.sources.delta import DeltaReader

            return DeltaReader(source=source, root=root, path=_expanded(source, source.path), told=told)
        case "sql":
            from featurectl.sources.sql import SqlReader

            assert source.sql is not None
            return SqlReader(source=source, root=root, url=_expanded(source, source.sql.url), told=told)
        case "stream":
            raise PlanError(f"source {source.name}: streams are not in this version", code="FC402")
        case never:
            assert_never(never)


def read_schema(source: Source, root: Path) -> Mapping[str, str] | None:
    """Return the columns of a source's local files without reading rows, or None when they can't tell.

    Parquet and Delta give types as the reader gives them; CSV gives the names of its header, each `unknown`. None
    for NDJSON, queries, streams, object stores, and paths that need an environment variable.

    Raises:
        DataError: FC501 there is no such file, FC502 it can't be read.
    """
    if source.format in {"ndjson", "sql", "stream"} or "://" in source.path or has_variable(source.path):
        return None
    if source.format == "delta":
        from featurectl.sources.delta import DeltaReader

        return DeltaReader(source=source, root=root, path=source.path).schema()
    reader = FileReader(source=source, root=root, path=source.path)
    columns: dict[str, str] = {}
    untyped: dict[str, str] = {}
    for schema in told_columns([reader.schema(part.name) for part in reader.parts()]):
        found = dict.fromkeys(schema, dtypes.UNKNOWN) if source.format == "csv" else seen_columns(source, schema)
        columns |= {name: dtype for name, dtype in found.items() if name not in columns}
        untyped |= dtypes.untyped_columns(found)
    return dtypes.TypedColumns(columns, untyped)


def _expanded(source: Source, text: str) -> str:
    return expand(text, os.environ, f"source {source.name}")
