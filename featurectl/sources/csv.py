"""CSV files: texts that spell values, below a line with the names of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.object_store import polars_options
from featurectl.language.definitions.source import Source
from featurectl.sources.csv_fields import find_short_line
from featurectl.sources.csv_lines import AS_UTF8, WrongLine, find_wrong_line, is_utf_16, line_of_row
from featurectl.sources.unfolding import check_cells


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """CSV."""

    spells_types: ClassVar[bool] = True
    omits_nulls: ClassVar[bool] = False
    counts_rows: ClassVar[bool] = False

    def scan(self, files: Sequence[str], source: Source, *, remote: bool) -> pl.LazyFrame:
        """Return the rows of files, as texts.

        An empty field is null; one in quotes is where an empty text means null.
        """
        return pl.scan_csv(
            list(files),
            separator=source.csv.separator,
            infer_schema=False,
            null_values=list(source.csv.null_values) or None,
            glob=remote,
            storage_options=polars_options(files[0]),
        )

    def check_lines(self, file: Path, source: Source, where: str, *, first: bool = False) -> None:
        """See that a file is not UTF-16, and no cell of it is too long."""
        if is_utf_16(file):
            raise DataError(f"{where} can't be read: it is UTF-16, not UTF-8", code="FC502", hint=AS_UTF8)
        check_cells(file, where, source.csv.separator, first=first)

    def wrong_line(self, file: Path, source: Source) -> WrongLine | None:
        """Return the first line that has more fields than the header, wrong quotes, or other bytes than UTF-8."""
        return find_wrong_line(file, source.csv.separator)

    def short_line(self, file: Path, source: Source) -> WrongLine | None:
        """Return the first line that has fewer fields than the header."""
        return find_short_line(file, source.csv.separator)

    def line_of(self, file: Path, source: Source, row: int) -> int | None:
        """Return the line in which a row begins: fields may hold ends of lines."""
        return line_of_row(file, source.csv.separator, row)

    def check_schema(self, schema: pl.Schema, where: str) -> None:
        """See that no two columns have one name: Polars calls the second `amount_duplicated_0`."""
        for name in schema:
            first, mark, number = name.rpartition("_duplicated_")
            if mark and number.isdigit() and first in schema:
                raise DataError(f"{where} has two columns {first!r}", code="FC502")
