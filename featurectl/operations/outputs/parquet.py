"""Tables as Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from featurectl.operations.outputs.base import OneFile
from featurectl.operations.outputs.frames import Frames, parts_of

_ROW_GROUP: Final = 1 << 18


class ParquetOutput(OneFile):
    """A file with columns of any type."""

    name = "parquet"
    title = "Parquet"

    def holds(self, dtype: pl.DataType) -> bool:
        """Return true."""
        del dtype
        return True

    def write(self, frames: Frames, path: Path) -> None:
        """Write the file."""
        write_parquet(frames, path)


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
    nested = [name for name, dtype in frame.schema.items() if parts_of(dtype)]
    return frame.with_columns(pl.col(nested).gather(np.arange(frame.height))) if nested else frame
