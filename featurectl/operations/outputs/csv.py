"""Tables as CSV files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import INSTANT
from featurectl.operations.outputs.base import OneFile
from featurectl.operations.outputs.frames import Frames, parts_of, types_within

_UTC: Final = "%Y-%m-%dT%H:%M:%S%.{}fZ"
_NAIVE: Final = "%Y-%m-%dT%H:%M:%S%.{}f"
_NOT_IN_CSV: Final = (pl.Struct, pl.Binary, pl.Duration, pl.Object)


class CsvOutput(OneFile):
    """A file of texts."""

    name = "csv"
    title = "CSV"

    def holds(self, dtype: pl.DataType) -> bool:
        """Return false for structs, bytes and lengths of time, and for lists of them."""
        return not any(isinstance(leaf, _NOT_IN_CSV) for leaf in types_within(dtype))

    def write(self, frames: Frames, path: Path) -> None:
        """Write the file."""
        write_csv(frames, path)


def write_csv(frames: Frames, path: Path) -> None:
    """Write a CSV file: lists are JSON, instants UTC and all in the digits of their type."""
    with path.open("wb") as file:
        pl.DataFrame(schema=dict.fromkeys(frames.schema, pl.String)).write_csv(file)
        for frame in frames.read():
            _csv_texts(frame).write_csv(file, datetime_format=_UTC.format(6), include_header=False)


def _csv_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows as CSV has them; instants that are UTC microseconds already are left to the writer."""
    return rows.with_columns(
        _json(rows[name]) if isinstance(dtype, pl.List | pl.Array) else _clock_text(rows[name], dtype)
        for name, dtype in rows.schema.items()
        if isinstance(dtype, pl.List | pl.Array | pl.Datetime) and dtype != INSTANT
    )


def _clock_text(column: pl.Series, dtype: pl.Datetime) -> pl.Series:
    digits = 9 if dtype.time_unit == "ns" else 6
    if dtype.time_zone is None:
        return column.dt.to_string(_NAIVE.format(digits))
    return column.dt.convert_time_zone("UTC").dt.to_string(_UTC.format(digits))


def _json(column: pl.Series) -> pl.Series:
    """A CSV cell is a scalar: a list becomes its JSON text."""
    lists = column.to_frame().select(_exact_items(pl.col(column.name), column.dtype)).to_series().to_list()
    texts = [None if value is None else json.dumps(value, default=str) for value in lists]
    return pl.Series(column.name, texts, pl.String)


def _exact_items(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return lists whose items Python has whole: nanoseconds as texts."""
    if isinstance(dtype, pl.List | pl.Array):
        lists = column if isinstance(dtype, pl.List) else column.arr.to_list()
        (item,) = parts_of(dtype)
        return lists.list.eval(_exact_items(pl.element(), item))
    if isinstance(dtype, pl.Time):
        return column.dt.to_string("%H:%M:%S%.9f")
    return column.cast(pl.String) if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns" else column
