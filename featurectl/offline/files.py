"""Data files of an offline table: one a bucket and run, written before the commit that makes them count."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl
from deltalake.transaction import AddAction
from polars.exceptions import PolarsError

from featurectl.engines.base import Rows
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME
from featurectl.units import format_iso

BUCKET: Final = "bucket"
_ROW_GROUP: Final = 1 << 20
_OWN: Final = re.compile(rf"{BUCKET}=\d+/part-[0-9a-f]{{20}}-\d+\.parquet")
_MANY_BYTES: Final = 256 << 20  # of a bucket's rows: no others lie beside them while they are written
_CLOCKS: Final = (EVENT_TIME, AVAILABLE_AT)  # the columns whose ends stand in the log
_ENDS: Final = [
    pl.len().alias("rows"),
    *(pl.col(name).min().alias(f"{name} min") for name in _CLOCKS),
    *(pl.col(name).max().alias(f"{name} max") for name in _CLOCKS),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The data files of one run of one table.

    `name` says what is in them: a file that is there already, whole, was written by a run that was ended before its
    commit, and is taken as it is. `location` is the table's, a folder or a URL.
    """

    location: str
    name: str
    rows: Rows
    buckets: int
    columns: Sequence[str]

    def write(self, merges: Mapping[int, Callable[[pl.DataFrame], pl.DataFrame]]) -> dict[int, AddAction]:
        """Write the file of each bucket, and return what the log says of it; buckets without rows have none.

        `merges` puts the new rows of a bucket among those of the table, for a file that takes the place of older ones.
        While a file is written the rows of the next are sorted, unless they are many.
        """
        actions: dict[int, AddAction] = {}
        with ThreadPoolExecutor(1) as writer:
            under_way: tuple[int, Future[AddAction]] | None = None
            for bucket in range(self.buckets):
                file = _File(location=self.location, bucket=bucket, name=self.name)
                if found := _finished(file):
                    actions[bucket] = found
                    continue
                frame = self._frame(bucket, merges.get(bucket))
                if under_way is not None:
                    actions[under_way[0]] = under_way[1].result()
                    under_way = None
                if frame.is_empty():
                    continue
                under_way = bucket, writer.submit(_put, file, frame)
                if frame.estimated_size() > _MANY_BYTES:
                    under_way[1].result()
            if under_way is not None:
                actions[under_way[0]] = under_way[1].result()
        return actions

    def _frame(self, bucket: int, merge: Callable[[pl.DataFrame], pl.DataFrame] | None) -> pl.DataFrame:
        frame = self.rows.of(bucket, self.buckets).select(self.columns)
        return frame if merge is None else merge(frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    location: str
    bucket: int
    name: str

    @property
    def path(self) -> str:
        """The path below the table."""
        return f"{BUCKET}={self.bucket}/{self.name}-{self.bucket}.parquet"

    @property
    def local(self) -> bool:
        """True when it lies in a folder, not in an object store."""
        return "://" not in self.location

    @property
    def url(self) -> str:
        """The whole path."""
        return f"{self.location}/{self.path}"


def is_own(path: str) -> bool:
    """Return whether a file of a table was written here, its rows in order, not by somebody who compacts tables.

    >>> is_own("bucket=0/part-0123456789abcdef0123-0.parquet"), is_own("bucket=0/part-00000-2b1c-c000.zstd.parquet")
    (True, False)
    """
    return _OWN.fullmatch(path) is not None


def may_be_there(location: str, path: str) -> bool:
    """Return whether a file of a table is there; True in an object store, which is not asked."""
    return "://" in location or (Path(location) / path).exists()


def _put(file: _File, frame: pl.DataFrame) -> AddAction:
    """Write a file, and return what the log says of it."""
    if file.local:
        _write_whole(frame, Path(file.url))
    else:
        _write(frame, file.url)
    return _action(file, frame.select(_ENDS).row(0, named=True), _size(file, frame))


def _write(frame: pl.DataFrame, to: str | BinaryIO) -> None:
    frame.write_parquet(to, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP)


def _write_whole(frame: pl.DataFrame, path: Path) -> None:
    """Write a file that is there whole or not at all: another run may write, commit or read the same at the moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(frame, str(part))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _size(file: _File, frame: pl.DataFrame) -> int:
    """Return the size of a file that was just written; an object store does not tell, the same bytes in memory do."""
    if file.local:
        return Path(file.url).stat().st_size
    _write(frame, buffer := BytesIO())
    return buffer.tell()


def _finished(file: _File) -> AddAction | None:
    """Return what the log says of a file that lies there whole, else None; object stores are not asked."""
    if not file.local or not Path(file.url).is_file():
        return None
    try:
        ends = pl.scan_parquet(file.url, glob=False, hive_partitioning=False).select(_ENDS).collect()
    except (PolarsError, OSError):  # it ends in the middle
        return None
    os.utime(file.url)  # it may be old enough for a vacuum that another process has begun
    return _action(file, ends.row(0, named=True), Path(file.url).stat().st_size)


def _action(file: _File, ends: Mapping[str, object], size: int) -> AddAction:
    statistics = {
        "numRecords": ends["rows"],
        "minValues": {name: _iso(ends[f"{name} min"]) for name in _CLOCKS},
        "maxValues": {name: _iso(ends[f"{name} max"]) for name in _CLOCKS},
        "nullCount": dict.fromkeys(_CLOCKS, 0),
    }
    return AddAction(
        path=file.path,
        size=size,
        partition_values={BUCKET: str(file.bucket)},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps(statistics),
    )


def _iso(instant: object) -> str:
    assert isinstance(instant, datetime)
    return format_iso(instant)
