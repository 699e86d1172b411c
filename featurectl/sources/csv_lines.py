"""Lines of CSV files without Polars: the header, lines that can't be read, and in which line a row begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.units import counted
from featurectl.sources.unfolding import file_chunks

_MOST_LINE: Final = 64 * 2**20  # bytes
AS_UTF8: Final = "save the file as UTF-8"
_UNQUOTED: Final = {  # what the reader of Python says
    "unexpected end of data": "opens a quote that nothing closes",
    "',' expected after '\"'": "has text behind a closing quote",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongLine:
    """A line that can't be read, by its number from 1, what is wrong with it, and what to do."""

    number: int
    what: str
    hint: str

    @property
    def text(self) -> str:
        """The line and what is wrong with it."""
        return f"line {self.number:,} {self.what}"


def read_header(file: Path, separator: str) -> list[str] | None:
    """Return the names of a file's columns; None where they can't be read."""
    try:
        names = next(csv.reader(csv_lines(file), delimiter=separator), [])
    except (OSError, csv.Error):
        return None
    return [name.removeprefix("\ufeff") for name in names]


def read_first_row(file: Path, separator: str) -> dict[str, str]:
    """Return the first row of a file by the names of its columns; empty where there is none, or it can't be read."""
    try:
        rows = csv.reader(csv_lines(file), delimiter=separator)
        names, row = next(rows, []), next((row for row in rows if row), [])
    except (OSError, csv.Error):
        return {}
    return dict(zip((name.removeprefix("\ufeff") for name in names), row, strict=False))


def find_wrong_line(file: Path, separator: str) -> WrongLine | None:
    """Return the first line of a file that has more fields than its header, wrong quotes, or other bytes than UTF-8.

    None where there is none to be found.
    """
    rows = csv.reader(csv_lines(file, "strict"), delimiter=separator, strict=True)
    begin = 1
    try:
        header, begin = len(next(rows, [])), rows.line_num + 1
        for row in rows:
            if len(row) > header:
                what = f"has {counted(len(row), 'field')}, the header {header:,}"
                return WrongLine(number=begin, what=what, hint=_as_quoted(separator))
            begin = rows.line_num + 1
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return WrongLine(number=rows.line_num + 1, what=f"is not UTF-8: byte 0x{byte:02X}", hint=AS_UTF8)
    except csv.Error as error:
        what = _UNQUOTED.get(str(error).replace(f"'{separator}'", "','"), "")
        return WrongLine(number=begin, what=what, hint=_as_quoted(separator)) if what else None
    except OSError:  # who reads it reports why
        return None
    return None


def is_utf_16(file: Path) -> bool:
    """Return whether a file begins as UTF-16 does that programs of Windows write."""
    return next(file_chunks(file), b"")[:2] in (b"\xff\xfe", b"\xfe\xff")


def line_of_row(file: Path, separator: str, row: int) -> int | None:
    """Return in which line (from 1) a row (from 0, without the header) of a file begins; None where nobody can say."""
    rows = csv.reader(csv_lines(file), delimiter=separator)
    try:
        for _ in range(row + 1):  # the header, and the rows before
            next(rows)
    except (OSError, csv.Error, StopIteration):
        return None
    return rows.line_num + 1


def _as_quoted(separator: str) -> str:
    return f"quote a field that holds {separator!r}, or correct the line"


def csv_lines(file: Path, errors: str = "replace") -> Iterator[str]:
    """Give the lines of a file, unpacked where it is compressed; a row of quoted ends of lines has several.

    Raises:
        csv.Error: one is too long.
    """
    rest = b""
    for chunk in file_chunks(file):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", errors) + "\n" for line in lines)
        if len(rest) > _MOST_LINE:
            raise csv.Error("a line is longer than is held in memory")
    if rest:
        yield rest.decode("utf-8", errors)
