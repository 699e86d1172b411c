"""Files of JSON objects, one a line; a key that an object lacks is its way to say null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from featurectl.core.object_store import polars_options
from featurectl.language.definitions.source import Source
from featurectl.sources.csv_lines import WrongLine
from featurectl.sources.json_lines import find_wrong_object
from featurectl.sources.unfolding import check_cells


@dataclass(frozen=True, slots=True)
class NdjsonFormat:
    """Newline-delimited JSON."""

    spells_types: ClassVar[bool] = False
    omits_nulls: ClassVar[bool] = True
    counts_rows: ClassVar[bool] = False

    def scan(self, files: Sequence[str], source: Source, *, remote: bool) -> pl.LazyFrame:
        """Return the rows of files."""
        del source
        if not remote and all(Path(file).stat().st_size == 0 for file in files):
            return pl.LazyFrame()  # no objects, no keys
        return pl.scan_ndjson(list(files), infer_schema_length=None, storage_options=polars_options(files[0]))

    def check_lines(self, file: Path, source: Source, where: str, *, first: bool = False) -> None:
        """See that no line of a file is too long."""
        del source
        check_cells(file, where, None, first=first)

    def wrong_line(self, file: Path, source: Source) -> WrongLine | None:
        """Return the first line that is no JSON object, or has other bytes than UTF-8."""
        del source
        return find_wrong_object(file)

    def short_line(self, file: Path, source: Source) -> None:
        """Return nothing: an object has the keys that it has."""

    def line_of(self, file: Path, source: Source, row: int) -> None:
        """Return nothing: rows are counted."""

    def check_schema(self, schema: pl.Schema, where: str) -> None:
        """Do nothing: a key names one column."""
