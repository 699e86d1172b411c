"""Columns that some files of a source lack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from featurectl.core.errors import DataError
from featurectl.sources.base import SourcePart
from featurectl.sources.enforce import declared_columns
from featurectl.sources.raw_files import RawFiles, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class LackingColumns:
    """Which of a source's columns its files lack; learned ones some file has, and NDJSON says null so."""

    files: RawFiles
    columns: Mapping[str, str]

    def of(self, schema: pl.Schema) -> Collection[str]:
        """Return the declared columns that a file with a schema lacks."""
        if declared_columns(self.files.address.source) is None or self.files.form.omits_nulls:
            return ()
        return [name for name in self.columns if name not in schema]

    def optional(self, runs: Sequence[Run], parts: Callable[[], Sequence[SourcePart]]) -> Collection[str]:
        """Return the columns that these files may lack: of those that they do the ones that another part has."""
        lacking = {name for schema, _ in runs for name in self.of(schema)}
        return self.columns.keys() - self._nowhere(lacking, parts)

    def _nowhere(self, names: Collection[str], parts: Callable[[], Sequence[SourcePart]]) -> set[str]:
        """Return which columns no part has; headers are read, until all are found."""
        left = set(names)
        for part in parts() if left else ():
            with suppress(DataError):  # reported when it is read
                left.difference_update(self.files.schema(part.name))
            if not left:
                break
        return left
