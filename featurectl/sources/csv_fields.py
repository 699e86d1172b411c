"""Lines of CSV files that have fewer fields than the header, which Polars would fill with nulls.

Separators are counted as the ends of lines are, which is done at the speed of memory and leaves out what is quoted:
where there are as many as the lines need, none is short, and none is read.
"""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from featurectl.core.units import counted
from featurectl.sources.csv_lines import WrongLine, csv_lines, read_header


def find_short_line(file: Path, separator: str) -> WrongLine | None:
    """Return the first line of a file that has fewer fields than its header; None where none has. Blank ones are none.

    A last one may have been cut.
    """
    header = len(read_header(file, separator) or [])
    if header <= 1 or _has_separators(file, separator, header - 1):
        return None
    return _first_short_line(file, separator, header)


def _has_separators(file: Path, separator: str, each: int) -> bool:
    """Return whether a file has so many separators for each line that is not blank; no line has more of them."""
    try:
        separators = _segments(file, separator, separator).select(pl.len()).collect().item() - 1
        lines = _segments(file, "\n", separator)
        count = lines.select(pl.len()).collect().item()
        if separators == count * each:
            return True
        blank = lines.select(pl.col("text").null_count()).collect(engine="streaming").item()
        return bool(separators == (count - blank) * each)
    except pl.exceptions.PolarsError:
        return False


def _segments(file: Path, end: str, separator: str) -> pl.LazyFrame:
    """Return what lies between the ends of a file's lines, or what else is taken for such, outside of quotes."""
    never = "\x01" if separator != "\x01" else "\x02"
    return pl.scan_csv(file, eol_char=end, separator=never, has_header=False, schema={"text": pl.String}, glob=False)


def _first_short_line(file: Path, separator: str, header: int) -> WrongLine | None:
    rows = csv.reader(csv_lines(file), delimiter=separator, strict=True)
    begin, last, first, short = 1, (0, header), (0, header), 0
    try:
        for row in rows:
            last = (begin, len(row)) if row else last
            if row and len(row) < header:
                first, short = first if short else last, short + 1
            begin = rows.line_num + 1
    except (OSError, csv.Error):  # who reads it reports why
        pass
    return _short_line(first, header, short, separator, is_last=first == last) if short else None


def _short_line(line: tuple[int, int], header: int, short: int, separator: str, *, is_last: bool) -> WrongLine:
    number, fields = line
    what = f"has {counted(fields, 'field')}, the header {header:,}"
    if is_last:
        hint = "was the file cut short? one that somebody is writing can be read when its last line is whole"
        return WrongLine(number=number, what=f"is the last and {what}", hint=hint)
    more = f"; {counted(short - 1, 'more line')} {'lacks' if short == 2 else 'lack'} fields" if short > 1 else ""
    hint = f"write {separator!r} before each field that is empty, at the end of a line, too; or correct the line"
    return WrongLine(number=number, what=what + more, hint=hint)
