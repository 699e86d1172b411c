"""Files of one format as Polars reads them, before their columns become those of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

import polars as pl

from featurectl.core.errors import DataError
from featurectl.sources.csv_lines import WrongLine
from featurectl.sources.failures import reading
from featurectl.sources.file_address import FileAddress
from featurectl.sources.file_format_base import FileFormat

Run = tuple[pl.Schema, list[str]]  # neighbouring files that have the same columns and types


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFiles:
    """The files at an address, in a format; each is named as its part is."""

    address: FileAddress
    form: FileFormat
    _checked: set[str] = field(default_factory=set)  # whose lines were looked at

    def schema(self, file: str) -> pl.Schema:
        """Return the columns of one file as Polars reads them.

        Raises:
            DataError: FC502, it can't be read.
        """
        self._check_lines(file, first=self.form.spells_types)
        with self.naming_lines([file]), reading(self.address.where(file), self.address.shown):
            schema = self.scan([file]).collect_schema()
        self.form.check_schema(schema, self.address.where(file))
        return schema

    def alike(self, names: Sequence[str]) -> list[Run]:
        """Return runs of neighbouring files that have the same columns and types; their rows may be read."""
        for name in names:
            self._check_lines(name)
        schemas = [(self.schema(name), name) for name in names]
        return [(schema, [name for _, name in run]) for schema, run in groupby(schemas, key=lambda item: item[0])]

    def _check_lines(self, file: str, *, first: bool = False) -> None:
        if not self.address.remote and file not in self._checked:
            with reading(self.address.where(file), self.address.shown):
                place, source = self.address.root / file, self.address.source
                self.form.check_lines(place, source, self.address.where(file), first=first)
            if not first and (line := self.form.short_line(self.address.root / file, self.address.source)):
                raise self._broken(file, line)
        if not first:
            self._checked.add(file)

    def line_of(self, name: str, row: int) -> int | None:
        """Return the line of a file in which a row (from 0) begins; None where rows are counted instead."""
        return None if self.address.remote else self.form.line_of(self.address.root / name, self.address.source, row)

    def _broken(self, name: str, line: WrongLine) -> DataError:
        return DataError(f"{self.address.where(name)} can't be read: {line.text}", code="FC502", hint=line.hint)

    @contextmanager
    def naming_lines(self, names: Sequence[str]) -> Iterator[None]:
        """Say in the error of files whose rows can't be read which line is wrong, and of which of them."""
        try:
            yield
        except DataError as error:
            for name in () if error.code != "FC502" or self.address.remote else names:
                if line := self.form.wrong_line(self.address.root / name, self.address.source):
                    raise self._broken(name, line) from error
            raise

    def scan(self, names: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of files that have the same columns, as Polars reads them."""
        return self.form.scan(self.address.full(names), self.address.source, remote=self.address.remote)
