"""Rows laid apart by a hash: in memory until they outgrow it, then in files of a folder, a run of rows a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.memory import give_back
from featurectl.engines.budget import VALUE_BYTES
from featurectl.engines.merge import count_rows, is_sorted_file, merge_sorted, merged, read_blocks, sorted_runs
from featurectl.pit.hashing import bucket_of
from featurectl.pit.order import row_order, sort_rows

PARTS: Final = 256  # a power of two: more parts than this are cut out of one after it was read
_BITS: Final = PARTS.bit_length() - 1
# Parts are numbered by their bits read backwards, so that those of any smaller power of two lie side by side.
_BACKWARDS: Final = np.array([int(f"{i:0{_BITS}b}"[::-1], 2) for i in range(PARTS)], dtype=np.uint8)
_ROW_GROUP: Final = 1 << 14
_RUN_ROWS: Final = 2_000_000
_COPIES: Final = 2  # of rows while they are merged: as they come and in order, those before them being written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A file of rows sorted by part; the rows of part i are those from `ends[i - 1]` to `ends[i]`."""

    path: Path
    ends: tuple[int, ...]

    def read(self, first: int, last: int) -> pl.DataFrame:
        start = self.ends[first - 1] if first else 0
        return pl.scan_ipc(self.path, glob=False).slice(start, self.ends[last] - start).collect()

    def rows(self, first: int, last: int) -> int:
        return self.ends[last] - (self.ends[first - 1] if first else 0)


@dataclass(slots=True, kw_only=True)
class Shuffle:
    """Rows by part of the hash of some columns; at most `memory_bytes` of them (None: all) are held in memory.

    `folder` makes the folder for what does not fit, when it is first needed; whoever made it removes it. What does not
    fit is written while more rows are taken.
    """

    columns: tuple[str, ...]
    memory_bytes: int | None
    folder: Callable[[], Path] | None = None
    height: int = 0
    _schema: pl.Schema | None = None
    _held: list[pl.DataFrame] = field(default_factory=list)
    _held_bytes: int = 0
    _bytes: int = 0
    _runs: list[_Run] = field(default_factory=list)
    _home: Path | None = None
    _laid: int = 0  # the number of parts that `_parts` tells of
    _parts: list[pl.Series] = field(default_factory=list)  # the part of each row that is held
    _writing: Future[None] | None = None

    @property
    def schema(self) -> pl.Schema:
        """The columns of the rows that were added first."""
        assert self._schema is not None, "nothing was added"
        return self._schema

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows, all of the same columns and types."""
        self._schema = self._schema or rows.schema
        self._held.append(rows)
        self._laid = 0
        size = int(rows.estimated_size())
        self._held_bytes += size
        self._bytes += size
        self.height += rows.height
        if self.memory_bytes is not None and self._held_bytes > self.memory_bytes:
            self._spill()

    @property
    def parts(self) -> int:
        """In how many parts the rows are to be read so that each fits into the memory; at most 256, or a row each."""
        if self._home is None or self.memory_bytes is None:
            return 1
        full = min(-(-self._bytes // max(self.memory_bytes, 1)), self.height)
        return min(1 << max(full - 1, 0).bit_length(), PARTS)

    def of(self, part: int, parts: int) -> pl.DataFrame:
        """Return the rows of one of `parts` parts (a power of two), in no order."""
        if not self.settle():
            return self._of_held(part, parts)
        rows = pl.concat([run.read(*_span(part, parts)) for run in self._runs])
        return rows if parts <= PARTS else _cut(rows, self.columns, part, parts)

    def _of_held(self, part: int, parts: int) -> pl.DataFrame:
        """Return the rows of a part when all are in memory; the part of each is kept for the parts that follow."""
        if parts == 1:
            self._held, self._laid = [pl.concat(self._held)], 0
            return self._held[0]
        if self._laid != parts:
            kind = pl.UInt8 if parts <= PARTS else pl.Int32
            self._parts = [bucket_of(rows.select(self.columns), parts).cast(kind) for rows in self._held]
            self._laid = parts
        pairs = zip(self._held, self._parts, strict=True)
        return pl.concat([rows.filter(number == part) for rows, number in pairs], rechunk=True)

    def settled(self) -> Shuffle:
        """Return the shuffle when all was added: from now on parts can be read on several threads."""
        self.settle()
        self._held = [pl.concat(self._held)] if len(self._held) > 1 else self._held
        return self

    def fits(self, part: int, parts: int, more: int = 0) -> bool:
        """Return whether a part, with so many more rows, is no more than what may be held in memory."""
        if self.memory_bytes is None or not self.settle():
            return self.memory_bytes is None or more == 0
        rows = more + sum(run.rows(*_span(part, parts)) for run in self._runs)
        return rows * self.row_bytes <= self.memory_bytes

    @property
    def rows_at_once(self) -> int:
        """How many rows may be held in memory."""
        return max(int((self.memory_bytes or self._bytes) / max(self.row_bytes, len(self.schema) * VALUE_BYTES)), 1)

    def new_folder(self) -> Path:
        """Return a new folder for rows that do not fit."""
        assert self.folder is not None, "rows that outgrow the memory need a folder"
        return self.folder()

    @property
    def row_bytes(self) -> float:
        """How large a row is."""
        return self._bytes / max(self.height, 1)

    def pieces(self, part: int, parts: int) -> Iterator[pl.DataFrame]:
        """Give the rows of a part, each time no more than what may be held in memory."""
        if not self.settle():
            yield self.of(part, parts)
        for run in self._runs:
            rows = run.read(*_span(part, parts))
            yield rows if parts <= PARTS else _cut(rows, self.columns, part, parts)

    def settle(self) -> bool:
        """Return whether the rows outgrew the memory; when they did, all of them are in files then."""
        if self._home is not None and self._held:
            self._spill()
        self._wait()
        return self._home is not None

    def _spill(self) -> None:
        """Have what is held written into files, once what was before it is there."""
        self._wait()
        self._home = self._home or self.new_folder()
        thread = ThreadPoolExecutor(1, "featurectl-spill")
        held, self._held, self._held_bytes = self._held, [], 0
        self._writing = thread.submit(self._write, held, self._home)
        thread.shutdown(wait=False)  # it ends when that is written

    def _wait(self) -> None:
        """Wait until all is written that had to be."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, held: list[pl.DataFrame], home: Path) -> None:
        """Write frames into files, so many rows at a time that laying them apart stays near the processor."""
        group: list[pl.DataFrame] = []
        for frame in held:
            group.append(frame)
            if sum(some.height for some in group) >= _RUN_ROWS:
                self._runs.append(_write_run(pl.concat(group), self.columns, home / f"run-{len(self._runs)}.arrow"))
                group = []
        if group:
            self._runs.append(_write_run(pl.concat(group), self.columns, home / f"run-{len(self._runs)}.arrow"))
        held.clear()
        del group
        give_back()


def _write_run(rows: pl.DataFrame, columns: Sequence[str], path: Path) -> _Run:
    """Write rows into a file, sorted by part."""
    part = bucket_of(rows.select(columns), PARTS).to_numpy() if columns else np.zeros(rows.height, int)
    backwards = _BACKWARDS[part]
    order = np.argsort(backwards, kind="stable")
    ends = np.cumsum(np.bincount(backwards, minlength=PARTS))
    rows[order].write_ipc(path, record_batch_size=_ROW_GROUP)
    return _Run(path=path, ends=tuple(int(end) for end in ends))


def _span(part: int, parts: int) -> tuple[int, int]:
    """Return the first and the last of the 256 parts that make a part of another number of them."""
    some = min(parts, PARTS)
    first = int(_BACKWARDS[part % some])
    return first, first + PARTS // some - 1


def _cut(rows: pl.DataFrame, columns: Sequence[str], part: int, parts: int) -> pl.DataFrame:
    return rows if parts == 1 else rows.filter(bucket_of(rows.select(columns), parts) == part)


def rows_mark(height: int, sums: tuple[int, int]) -> str:
    """Return a text of how many rows there are, and of the sums of their hashes, each taken as it is and mixed."""
    return f"{height}-{sums[0]:016x}-{sums[1]:016x}"


@dataclass(frozen=True, slots=True)
class ShuffledRows:
    """A view's rows in any number of buckets, sorted when they are asked for; `sums` are of the hashes of the rows."""

    shuffle: Shuffle
    keys: Sequence[str]
    sums: tuple[int, int]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.shuffle.height

    @property
    def schema(self) -> pl.Schema:
        """The columns of the rows."""
        return self.shuffle.schema

    @property
    def mark(self) -> str:
        """How many rows there are, and the sums of their hashes."""
        return rows_mark(self.shuffle.height, self.sums)

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the rows of a bucket in total order."""
        rows = self.shuffle.of(bucket, buckets)
        return sort_rows(rows, row_order(self.keys, rows.columns))

    def in_order(self, bucket: int, buckets: int, among: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
        """Give the rows of a bucket in total order; one that outgrows its share of the memory is sorted in files."""
        more = sum(count_rows(path) for path in among)
        if self.shuffle.fits(bucket, buckets, more):
            yield merged(self.shuffle.of(bucket, buckets), among, self.keys)
            return
        names, order = self.schema.names(), row_order(self.keys, self.schema.names())
        rows = max(self.shuffle.rows_at_once // _COPIES, 1)
        paths = sorted_runs(self.shuffle.pieces(bucket, buckets), order, self.shuffle.new_folder())
        for path in among:
            whole = is_sorted_file(path, order, rows)
            paths += [path] if whole else sorted_runs(read_blocks(path, names, rows), order, self.shuffle.new_folder())
        yield from merge_sorted(paths, names, order, rows)
