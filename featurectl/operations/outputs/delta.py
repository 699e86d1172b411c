"""Tables as Delta tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.errors import UsageError
from featurectl.core.temporary_files import temporary_beside
from featurectl.operations.outputs.base import StagedTable
from featurectl.operations.outputs.delta_commit import commit_file, is_delta_table, only_file
from featurectl.operations.outputs.frames import Frames, parts_of
from featurectl.operations.outputs.parquet import write_parquet

_IN_DELTA: Final = (pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String, pl.Binary,
                    pl.Date, pl.Decimal)  # fmt: skip
_WIDER: Final[Mapping[type[pl.DataType], pl.DataType]] = {
    pl.UInt8: pl.Int16(), pl.UInt16: pl.Int32(), pl.UInt32: pl.Int64(), pl.UInt64: pl.Decimal(20, 0),
    pl.Categorical: pl.String(), pl.Enum: pl.String(), pl.Null: pl.String(),
}  # fmt: skip


class DeltaOutput:
    """A folder with a log: each writing is a version of its own."""

    name = "delta"
    title = "Delta"

    def holds(self, dtype: pl.DataType) -> bool:
        """Return false for nanoseconds, times of day and lengths of time."""
        return delta_dtype(dtype) is not None

    def check_place(self, path: Path) -> None:
        """Check that a Delta table lies there, or nothing."""
        is_other = any(path.iterdir()) and not is_delta_table(path) if path.is_dir() else path.exists()
        if is_other:
            raise UsageError(f"--out {path} is there, and no Delta table")

    def file_of(self, path: Path) -> Path | None:
        """Return the one file that the newest version of a table consists of."""
        return only_file(path) if is_delta_table(path) else path

    @contextmanager
    def stage(self, frames: Frames, path: Path) -> Iterator[StagedTable]:
        """Write rows into a temporary file beside a path, and give it."""
        typed = delta_frames(frames)
        with temporary_beside(path) as file:
            write_parquet(typed, file)
            with temporary_beside(path, folder=True) as new:
                yield StagedTable(file=file, publish=lambda: commit_file(path, file, typed.schema, typed.height, new))


def delta_dtype(dtype: pl.DataType) -> pl.DataType | None:
    """Return the type in which Delta holds every value of a type, or None where it has none.

    Unsigned integers become the next wider signed ones (64 bits: a decimal), categories texts, arrays lists, and
    timestamps microseconds: of UTC, or without a time zone.

    >>> delta_dtype(pl.UInt8()), delta_dtype(pl.Array(pl.Enum(["a"]), 2)), delta_dtype(pl.Datetime("ns"))
    (Int16, List(String), None)
    """
    if isinstance(dtype, pl.Datetime):
        return None if dtype.time_unit == "ns" else pl.Datetime("us", "UTC" if dtype.time_zone else None)
    inner = [delta_dtype(part) for part in parts_of(dtype)]
    whole = [part for part in inner if part is not None]
    if len(whole) < len(inner):
        return None
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(f.name, part) for f, part in zip(dtype.fields, whole, strict=True)])
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(whole[0])
    return dtype if isinstance(dtype, _IN_DELTA) else _WIDER.get(type(dtype))


def delta_frames(frames: Frames) -> Frames:
    """Return rows in the types of Delta, into which `holds` has seen that they fit."""
    types = {name: delta_dtype(dtype) for name, dtype in frames.schema.items()}
    schema = pl.Schema({name: dtype for name, dtype in types.items() if dtype is not None})
    return replace(frames, schema=schema, read=lambda: (frame.cast(schema) for frame in frames.read()))
