"""What a table of results can be written as: which columns a format holds, and its bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from featurectl.core.errors import UsageError
from featurectl.core.frames.timestamps import INSTANT

Format = Literal["parquet", "csv", "delta"]
FORMATS: Final[Mapping[str, Format]] = {".parquet": "parquet", ".csv": "csv", ".delta": "delta"}
_ROW_GROUP: Final = 1 << 18
_UTC: Final = "%Y-%m-%dT%H:%M:%S%.{}fZ"
_NAIVE: Final = "%Y-%m-%dT%H:%M:%S%.{}f"
_NOT_IN_CSV: Final = (pl.Struct, pl.Binary, pl.Duration, pl.Object)
_IN_DELTA: Final = (pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String, pl.Binary,
                    pl.Date, pl.Decimal)  # fmt: skip
_WIDER: Final[Mapping[type[pl.DataType], pl.DataType]] = {
    pl.UInt8: pl.Int16(), pl.UInt16: pl.Int32(), pl.UInt32: pl.Int64(), pl.UInt64: pl.Decimal(20, 0),
    pl.Categorical: pl.String(), pl.Enum: pl.String(), pl.Null: pl.String(),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Rows as frames of one schema, one after the other: as many of them as one pleases, read as often as one asks.

    `metadata` goes into the metadata of a Parquet file, and of that of a Delta table.
    """

    schema: pl.Schema
    height: int
    read: Callable[[], Iterator[pl.DataFrame]]
    metadata: Mapping[str, str] = field(default_factory=dict)


def frames_of(rows: pl.DataFrame) -> Frames:
    """Return rows in memory as frames."""
    return Frames(schema=rows.schema, height=rows.height, read=lambda: iter([rows]))


def format_of(path: Path) -> Format | None:
    """Return the format that a name ends in, or None.

    >>> format_of(Path("a/train.delta")), format_of(Path("train.xlsx"))
    ('delta', None)
    """
    return FORMATS.get(path.suffix.lower())


def check_columns(schema: pl.Schema, path: Path) -> None:
    """Refuse columns that the output's format can't hold.

    CSV holds no structs, bytes and lengths of time, nor lists of them; Delta no nanoseconds, times of day and lengths
    of time; none a struct without fields.

    Raises:
        UsageError: there is one.
    """
    form = format_of(path)
    for name, dtype in schema.items():
        if any(isinstance(leaf, pl.Struct) and not leaf.fields for leaf in types_within(dtype)):
            raise UsageError(f"--out {path}: column {name!r} is {dtype}, which no output can hold")
        no_csv = form == "csv" and any(isinstance(leaf, _NOT_IN_CSV) for leaf in types_within(dtype))
        if no_csv or (form == "delta" and delta_dtype(dtype) is None):
            hint = f"write Parquet: --out {path.with_suffix('.parquet')}"
            what = "CSV" if no_csv else "Delta"
            raise UsageError(f"--out {path}: column {name!r} is {dtype}, which {what} can't hold", hint=hint)


def types_within(dtype: pl.DataType) -> Iterator[pl.DataType]:
    """Give a type and those inside it."""
    yield dtype
    for part in _parts(dtype):
        yield from types_within(part)


def _parts(dtype: pl.DataType) -> list[pl.DataType]:
    """Return the types that a type is made of; those of a frame are all instances."""
    parts = [field.dtype for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    parts = [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else parts
    return [part for part in parts if isinstance(part, pl.DataType)]


def delta_dtype(dtype: pl.DataType) -> pl.DataType | None:
    """Return the type in which Delta holds every value of a type, or None where it has none.

    Unsigned integers become the next wider signed ones (64 bits: a decimal), categories texts, arrays lists, and
    timestamps microseconds: of UTC, or without a time zone.

    >>> delta_dtype(pl.UInt8()), delta_dtype(pl.Array(pl.Enum(["a"]), 2)), delta_dtype(pl.Datetime("ns"))
    (Int16, List(String), None)
    """
    if isinstance(dtype, pl.Datetime):
        return None if dtype.time_unit == "ns" else pl.Datetime("us", "UTC" if dtype.time_zone else None)
    inner = [delta_dtype(part) for part in _parts(dtype)]
    whole = [part for part in inner if part is not None]
    if len(whole) < len(inner):
        return None
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(f.name, part) for f, part in zip(dtype.fields, whole, strict=True)])
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(whole[0])
    return dtype if isinstance(dtype, _IN_DELTA) else _WIDER.get(type(dtype))


def delta_frames(frames: Frames) -> Frames:
    """Return rows in the types of Delta, into which `check_columns` has seen that they fit."""
    types = {name: delta_dtype(dtype) for name, dtype in frames.schema.items()}
    schema = pl.Schema({name: dtype for name, dtype in types.items() if dtype is not None})
    return replace(frames, schema=schema, read=lambda: (frame.cast(schema) for frame in frames.read()))


def write_parquet(frames: Frames, path: Path) -> None:
    """Write a Parquet file, a row group at a time.

    Equal rows give equal bytes, however they are cut into frames and lie in memory.
    """
    source = register_io_source(lambda *_: _row_groups(frames), schema=frames.schema)
    source.sink_parquet(
        path,
        compression="zstd",
        compression_level=1,
        row_group_size=_ROW_GROUP,
        maintain_order=True,
        metadata=dict(frames.metadata) or None,
    )


def _row_groups(frames: Frames) -> Iterator[pl.DataFrame]:
    """Give the rows in frames of one size (the last may be smaller), each laid out anew."""
    held: list[pl.DataFrame] = []
    rows = 0
    for frame in frames.read():
        held.append(frame)
        rows += frame.height
        if rows < _ROW_GROUP:
            continue
        whole = pl.concat(held)
        ends = range(_ROW_GROUP, rows + 1, _ROW_GROUP)
        for end in ends:
            yield _compact(whole[end - _ROW_GROUP : end])
        held = [whole[ends[-1] :]]
        rows -= ends[-1]
    if rows:
        yield _compact(pl.concat(held))


def _compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with columns of lists in memory of their own: a part of one drags along the values around it."""
    nested = [name for name, dtype in frame.schema.items() if _parts(dtype)]
    return frame.with_columns(pl.col(nested).gather(np.arange(frame.height))) if nested else frame


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
        (item,) = _parts(dtype)
        return lists.list.eval(_exact_items(pl.element(), item))
    if isinstance(dtype, pl.Time):
        return column.dt.to_string("%H:%M:%S%.9f")
    return column.cast(pl.String) if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns" else column
