"""Parquet files: columns with types, and how many rows there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from featurectl.core.object_store import polars_options
from featurectl.language.definitions.source import Source


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Parquet."""

    spells_types: ClassVar[bool] = False
    omits_nulls: ClassVar[bool] = False
    counts_rows: ClassVar[bool] = True

    def scan(self, files: Sequence[str], source: Source, *, remote: bool) -> pl.LazyFrame:
        """Return the rows of files."""
        del source
        where = files[0] if remote else list(files)
        return pl.scan_parquet(where, hive_partitioning=False, glob=remote, storage_options=polars_options(files[0]))

    def check_lines(self, file: Path, source: Source, where: str, *, first: bool = False) -> None:
        """Do nothing: there are no lines."""

    def wrong_line(self, file: Path, source: Source) -> None:
        """Return nothing: Polars says what is wrong."""

    def short_line(self, file: Path, source: Source) -> None:
        """Return nothing: there are no lines."""

    def line_of(self, file: Path, source: Source, row: int) -> None:
        """Return nothing: rows are counted."""

    def check_schema(self, schema: pl.Schema, where: str) -> None:
        """Do nothing: the columns are as the file names them."""
