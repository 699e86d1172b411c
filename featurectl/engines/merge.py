"""Sorted files of rows made into one sequence in total order, so many rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from featurectl.core.object_store import polars_options
from featurectl.pit.order import is_ordered, row_order, sort_rows

_RUN: Final = "\x00run"
_ROW_GROUP: Final = 1 << 14


def merged(rows: pl.DataFrame, among: Sequence[str], keys: Sequence[str]) -> pl.DataFrame:
    """Return rows in total order, those of some Parquet files among them."""
    if among:
        read = pl.read_parquet(
            list(among),
            columns=rows.columns,
            hive_partitioning=False,
            glob=False,
            storage_options=polars_options(among[0]),
        )
        rows = pl.concat([read, rows])
    return sort_rows(rows, row_order(keys, rows.columns))


def count_rows(path: str) -> int:
    """Return how many rows a Parquet file has."""
    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False, storage_options=polars_options(path))
    return int(scan.select(pl.len()).collect().item())


def read_blocks(path: str, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """Give the rows of a Parquet file, so many at a time."""
    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False, storage_options=polars_options(path))
    height = scan.select(pl.len()).collect().item()
    for start in range(0, height, rows):
        yield scan.select(columns).slice(start, rows).collect()


def sorted_runs(frames: Iterable[pl.DataFrame], order: Sequence[str], folder: Path) -> list[str]:
    """Sort each frame, write it into a file of its own in a folder, and return the files."""
    paths: list[str] = []
    for frame in frames:
        rows = sort_rows(frame, order)
        paths.append(str(folder / f"{len(paths)}.parquet"))
        rows.write_parquet(paths[-1], compression="lz4", row_group_size=_ROW_GROUP, statistics=False)
    return paths


def is_sorted_file(path: str, order: Sequence[str], rows: int) -> bool:
    """Return whether the rows of a Parquet file are in order, looking at so many at a time."""
    last: list[pl.DataFrame] = []
    for block in read_blocks(path, order, rows):
        if not is_ordered(pl.concat([*last, block]), order):
            return False
        last = [block.tail(1)]
    return True


def merge_sorted(
    paths: Sequence[str], columns: Sequence[str], order: Sequence[str], rows: int
) -> Iterator[pl.DataFrame]:
    """Give the rows of sorted files in order, in frames; about `rows` of them are held at once.

    The rows before the first of the last rows that are held of each file that has more can't be overtaken.
    """
    import numpy as np

    share = max(rows // max(len(paths), 1), 1)
    sources = [_Source(path, columns, share, number) for number, path in enumerate(paths)]
    held: list[pl.DataFrame] = []
    while True:
        for source in sources:
            held += source.refill()
        whole = pl.concat(held) if held else None
        if whole is None or whole.is_empty():
            return
        whole = sort_rows(whole, order)
        run = whole[_RUN].to_numpy()
        end = min((int(np.flatnonzero(run == s.number)[-1]) + 1 for s in sources if not s.done), default=len(run))
        yield whole[:end].drop(_RUN)
        held = [whole[end:]]
        for number, left in enumerate(np.bincount(run[end:], minlength=len(sources))):
            sources[number].held = int(left)


class _Source:
    """A sorted file that is read a block at a time."""

    def __init__(self, path: str, columns: Sequence[str], share: int, number: int) -> None:
        self.number = number
        self.held = 0
        self.done = False
        self._share = share
        self._blocks = read_blocks(path, columns, share)

    def refill(self) -> list[pl.DataFrame]:
        """Return a block more where less than half of one is held, with the number of the file beside each row."""
        if self.done or self.held > self._share // 2:
            return []
        block = next(self._blocks, None)
        if block is None:
            self.done = True
            return []
        self.held += block.height
        return [block.with_columns(pl.lit(self.number, pl.Int32).alias(_RUN))]
