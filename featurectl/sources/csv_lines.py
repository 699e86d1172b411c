"""Lines of CSV files without Polars: the header, and one that has more fields than that."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from featurectl.sources.unfolding import MOST_LINE, file_chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class LongLine:
    """The number of a line, from 1, with its fields and how many the header has."""

    number: int
    fields: int
    header: int


def read_header(file: Path, separator: str) -> list[str] | None:
    """Return the names of a file's columns; None where they can't be read."""
    try:
        names = next(csv.reader(_lines(file), delimiter=separator), [])
    except (OSError, csv.Error):
        return None
    return [name.removeprefix("\ufeff") for name in names]


def find_long_line(file: Path, separator: str) -> LongLine | None:
    """Return the first line of a file that has more fields than its header; None where there is none to be found."""
    try:
        rows = csv.reader(_lines(file), delimiter=separator)
        header, begin = len(next(rows, [])), rows.line_num + 1
        for row in rows:
            if len(row) > header:
                return LongLine(number=begin, fields=len(row), header=header)
            begin = rows.line_num + 1
    except (OSError, csv.Error):  # what can't be read is told by who reads it
        return None
    return None


def _lines(file: Path) -> Iterator[str]:
    rest = b""
    for chunk in file_chunks(file):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace") + "\n" for line in lines)
        if len(rest) > MOST_LINE:
            raise csv.Error("a line is longer than is held in memory")
    if rest:
        yield rest.decode("utf-8", "replace")
