"""What a format of files is to the reader of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import polars as pl

from featurectl.language.definitions.source import Source
from featurectl.sources.csv_lines import WrongLine


class FileFormat(Protocol):
    """A format: how its files are read, and what their columns are."""

    @property
    def spells_types(self) -> bool:
        """True where all values are texts, whose types only all of them tell."""

    @property
    def omits_nulls(self) -> bool:
        """True where a row, or a whole file, without a column is the form's way to say null."""

    @property
    def counts_rows(self) -> bool:
        """True where a file says how many rows it has."""

    def scan(self, files: Sequence[str], source: Source, *, remote: bool) -> pl.LazyFrame:
        """Return the rows of files that have the same columns, as Polars reads them."""

    def check_lines(self, file: Path, source: Source, where: str, *, first: bool = False) -> None:
        """See that a local file can be read line by line; `first`: as far as its first MiB goes.

        Raises:
            DataError: FC502, a cell or a line is too long.
        """

    def wrong_line(self, file: Path, source: Source) -> WrongLine | None:
        """Return which line of a local file that can't be read is wrong; None where no line is."""

    def short_line(self, file: Path, source: Source) -> WrongLine | None:
        """Return the first line of a local file that lacks fields, which the reader would take for nulls."""

    def line_of(self, file: Path, source: Source, row: int) -> int | None:
        """Return the line of a local file in which a row (from 0) begins; None where rows are counted instead."""

    def check_schema(self, schema: pl.Schema, where: str) -> None:
        """See that the columns of a file are as it names them.

        Raises:
            DataError: FC502, they are not.
        """
