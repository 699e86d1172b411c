"""Data files of an offline table: one a bucket and run, written before the commit that makes them count."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Final

import polars as pl
from deltalake.transaction import AddAction
from polars.exceptions import PolarsError
from polars.io.plugins import register_io_source

from featurectl.core.errors import StoreError
from featurectl.core.frames.timestamps import within_datetime
from featurectl.core.temporary_folders import temporary_folder
from featurectl.core.units import format_iso
from featurectl.engines.base import BucketedRows
from featurectl.offline.commit import Commit
from featurectl.offline.open_plain_files import open_bucket
from featurectl.offline.sync import sync_files, sync_names, sync_path
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

BUCKET: Final = "bucket"
LOG: Final = "_delta_log"
_LAST_CHECKPOINT: Final = "_last_checkpoint"
_ABOVE: Final = len(("VIEW", "PROJECT"))  # the folders that may be new with a new table
ROW_GROUP: Final = 1 << 18  # a reader decodes some of them ahead
_OWN: Final = re.compile(rf"{BUCKET}=\d+/part-[0-9a-f]{{20}}-\d+\.parquet")
_MANY_BYTES: Final = 256 << 20  # of a bucket's rows: no others lie beside them while they are written
CLOCKS: Final = (EVENT_TIME, AVAILABLE_AT)  # the columns whose ends stand in the log
_ENDS: Final = [
    pl.len().alias("rows"),
    *(within_datetime(pl.col(name).min()).alias(f"{name} min") for name in CLOCKS),
    *(within_datetime(pl.col(name).max()).alias(f"{name} max") for name in CLOCKS),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The data files of one run of one table.

    `name` says what is in them: a file that is there already, whole, was written by a run that was ended before its
    commit, and is taken as it is. `location` is the table's, a folder or a URL.
    """

    location: str
    name: str
    rows: BucketedRows
    buckets: int
    columns: Sequence[str]

    def write(self, among: Mapping[int, Sequence[str]]) -> dict[int, AddAction]:
        """Write the file of each bucket, and return what the log says of it; buckets without rows have none.

        `among` are the files of the table whose place the file of a bucket takes: their rows lie among the new ones.
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
                counted = self._rows(bucket, among.get(bucket, ()))
                first = list(islice(counted, 2))
                if under_way is not None:
                    actions[under_way[0]] = under_way[1].result()
                    under_way = None
                if not first:
                    continue
                many = len(first) > 1 or first[0].estimated_size() > _MANY_BYTES
                under_way = bucket, writer.submit(_put, file, first, counted)
                if many:
                    under_way[1].result()
            if under_way is not None:
                actions[under_way[0]] = under_way[1].result()
        return actions

    def _rows(self, bucket: int, among: Sequence[str]) -> _Counted:
        frames = self.rows.in_order(bucket, self.buckets, among)
        return _Counted(frame.select(self.columns) for frame in frames if frame.height)


class _Counted(Iterator[pl.DataFrame]):
    """Frames, and what the log says of all that were given."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = iter(frames)
        self._seen: list[pl.DataFrame] = []

    def __next__(self) -> pl.DataFrame:
        frame = next(self._frames)
        self._seen.append(frame.select(_ENDS))
        return frame

    def ends(self) -> Mapping[str, object]:
        """Return how many rows there were, and the ends of their clocks."""
        names = [f"{name} {end}" for name in CLOCKS for end in ("min", "max")]
        ends = [getattr(pl.col(name), name[-3:])() for name in names]
        return pl.concat(self._seen).select(pl.col("rows").sum(), *ends).row(0, named=True)


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


def run_name(base: int | None, rows: BucketedRows, commit: Commit) -> str:
    """Return what the files of a run are called: the same when the same run is tried again after it was ended.

    `base` is the version that it builds on.
    """
    coverage = commit.coverage
    columns = sorted(coverage.inputs.items()), sorted(coverage.columns.items())
    known = [rows.mark, base, commit.buckets, coverage.rows_mark, *columns]
    content = json.dumps(known) if rows.mark else secrets.token_hex(16)
    return f"part-{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def write_file(location: str, bucket: int, frames: Iterator[pl.DataFrame]) -> AddAction | None:
    """Write rows of a bucket, in their order, into a file with a name of its own; None: there are none.

    Return what the log says of it.
    """
    counted = _Counted(frame for frame in frames if frame.height)
    first = list(islice(counted, 2))
    return _put(_File(location=location, bucket=bucket, name=_random_name()), first, counted) if first else None


def _random_name() -> str:
    return f"part-{secrets.token_hex(10)}"


def is_own(path: str) -> bool:
    """Return whether a file of a table was written here, its rows in order, not by somebody who compacts tables.

    >>> is_own("bucket=0/part-0123456789abcdef0123-0.parquet"), is_own("bucket=0/part-00000-2b1c-c000.zstd.parquet")
    (True, False)
    """
    return _OWN.fullmatch(path) is not None


def sizes_of(location: str, paths: Sequence[str]) -> dict[str, int]:
    """Return how many bytes each of some files of a table has, of those that are there."""
    if "://" not in location:
        found = {}
        for path in paths:
            with suppress(FileNotFoundError):
                found[path] = (Path(location) / path).stat().st_size
        return found
    there = open_bucket(location).sizes() if paths else {}
    return {path: there[path] for path in paths if path in there}


def sync_log(location: str, version: int) -> None:
    """See that the commit of a version outlives a loss of power, with the checkpoint that may come with it."""
    if "://" in location:
        return
    log = Path(location) / LOG
    sync_files([*log.glob(f"{version:020}.*"), log / _LAST_CHECKPOINT])
    sync_names(log, Path(location) if version else Path(location).parents[_ABOVE])


def _put(file: _File, first: list[pl.DataFrame], others: _Counted) -> AddAction:
    """Write a file, and return what the log says of it."""
    size = _write_whole(first, others, Path(file.url)) if file.local else _write_away(first, others, file)
    return _action(file, others.ends(), size)


def _write(frames: list[pl.DataFrame], others: Iterator[pl.DataFrame], to: str) -> None:
    """Write frames, and others after them, as one Parquet file with the same row groups however they are cut."""
    frames += islice(others, 1)
    if len(frames) == 1:
        frames.pop().write_parquet(to, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)
        return
    schema = frames[0].schema
    given = chain((frames.pop(0) for _ in range(len(frames))), others)  # so that none is held longer than needed
    source = register_io_source(lambda *_: given, schema=schema)
    source.sink_parquet(to, compression="zstd", compression_level=1, row_group_size=ROW_GROUP, maintain_order=True)


def _write_whole(frames: list[pl.DataFrame], others: Iterator[pl.DataFrame], path: Path) -> int:
    """Write a file that is there whole or not at all, and return its size.

    Another run may write, commit or read the same at the moment. The bytes are on the disk before they have the name,
    and the name is before a commit can say it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(frames, others, str(part))
        sync_path(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_names(path.parent, path.parents[1])
    return path.stat().st_size


def _write_away(frames: list[pl.DataFrame], others: Iterator[pl.DataFrame], file: _File) -> int:
    """Write a file into an object store, and return its size: the log must say it to the byte."""
    with temporary_folder("upload") as folder:
        path = folder / "rows.parquet"
        _write(frames, others, str(path))
        try:
            open_bucket(file.location).upload(file.path, path)
        except StoreError as error:
            raise OSError(error.message) from error  # to be an error of the table
        return path.stat().st_size


def _finished(file: _File) -> AddAction | None:
    """Return what the log says of a file that lies there whole, else None; object stores are not asked."""
    if not file.local or not Path(file.url).is_file():
        return None
    try:
        ends = pl.scan_parquet(file.url, glob=False, hive_partitioning=False).select(_ENDS).collect()
    except (PolarsError, OSError):  # it ends in the middle
        return None
    os.utime(file.url)  # it may be old enough for a vacuum that another process has begun
    sync_path(Path(file.url))
    sync_names(Path(file.url).parent, Path(file.location))
    return _action(file, ends.row(0, named=True), Path(file.url).stat().st_size)


def _action(file: _File, ends: Mapping[str, object], size: int) -> AddAction:
    statistics = {
        "numRecords": ends["rows"],
        "minValues": {name: _iso(ends[f"{name} min"]) for name in CLOCKS},
        "maxValues": {name: _iso(ends[f"{name} max"]) for name in CLOCKS},
        "nullCount": dict.fromkeys(CLOCKS, 0),
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


def delta_stat(value: object) -> object:
    """Return a value as Delta's log has the least and the greatest of a column."""
    return format_iso(value) if isinstance(value, datetime) else value


def stray_commits(location: str) -> Sequence[Path]:
    """Return the commits of a table in a folder that has no beginning: it was taken away while they were made.

    They say not what the table is of, so that nobody can read it. Where it has a beginning by now there are none.
    """
    if "://" in location:
        return []
    log = Path(location) / LOG
    beginnings = [log / f"{0:020}.json", log / _LAST_CHECKPOINT]
    if any(path.exists() for path in beginnings):
        return []
    found = [*log.glob("[0-9]*.json")]
    return [] if any(path.exists() for path in beginnings) else found


def remove_strays(location: str) -> bool:
    """Remove the commits of a table that has no beginning; return whether there were any."""
    found = stray_commits(location)
    for path in found:
        path.unlink(missing_ok=True)
    return bool(found)


def remove_files(location: str, added: Sequence[AddAction]) -> None:
    """Remove files that no commit names.

    Those in a bucket stay until a compaction: a commit whose answer was lost is refused when it is sent again.
    """
    if "://" not in location:
        for each in added:
            (Path(location) / each.path).unlink(missing_ok=True)
