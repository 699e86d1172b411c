"""A spine that outgrows its share of the memory: it lies in files, and a range of it is read at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.dtypes import TIMESTAMP
from featurectl.core.frames.types import language_dtype
from featurectl.core.memory import give_back
from featurectl.engines.batches import read_batches
from featurectl.engines.budget import batch_rows
from featurectl.engines.spill import SpillRoom
from featurectl.operations.training.digest import CHUNK_ROWS, digest_columns
from featurectl.operations.training.spine import Cut, SpineClocks, SpineRows, cut_part
from featurectl.sources.base import SourceReader
from featurectl.sources.casts import check_exact
from featurectl.sources.enforce import KEPT
from featurectl.sources.failures import reading
from featurectl.sources.original_columns import split_kept

_SHARE: Final = 8  # an eighth of the memory is for a spine that stays there
_COLUMNS: Final = 16  # of a spine, more or less, which decide how many rows are read at once
_TIME: Final = "\x00time"
_KNOWN: Final = "\x00known"
_EARLY: Final = "\x00early"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpillPlace:
    """Where the rows of a spine lie that do not fit, and the memory of the command."""

    room: SpillRoom
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LongSpine:
    """A spine in files of CHUNK_ROWS rows (the last may have fewer); what it says of itself is as in `SpineRows`."""

    files: tuple[Path, ...]
    height: int
    schema: pl.Schema
    typed: tuple[str, ...]
    time_column: str
    origin: str
    known_column: str = ""
    erased: int = 0

    def part(self, start: int, rows: int) -> SpineRows:
        """Return so many rows from one on, in order."""
        first, last = start // CHUNK_ROWS, max(start + rows - 1, start) // CHUNK_ROWS
        whole = pl.concat(pl.read_ipc(file) for file in self.files[first : last + 1])
        whole = whole.slice(start - first * CHUNK_ROWS, rows)
        own = whole.select(pl.col(KEPT + name).alias(name) for name in self.schema)
        return SpineRows(
            rows=whole.select(self.typed),
            own=own,
            time=whole[_TIME],
            time_column=self.time_column,
            origin=self.origin,
            known=whole[_KNOWN] if self.known_column else None,
            early=whole[_EARLY] if self.known_column else None,
            known_column=self.known_column,
        )

    def columns(self, name: str) -> Iterator[pl.Series]:
        """Give a column in parts: in the language's type where its values have one.

        Raises:
            DataError: FC506, there is no such column.
        """
        if name not in self.typed and name not in self.schema:
            yield self.part(0, 0).column(name)
        stored = name if name in self.typed else KEPT + name
        for file in self.files:
            yield pl.read_ipc(file, columns=[stored])[stored].alias(name)

    def sha256(self) -> str:
        """Return a digest of its own columns: equal for equal types, and equal values in equal order."""
        return digest_columns(self.schema, self.height, self._own)

    def _own(self, name: str) -> Iterator[pl.Series]:
        return (pl.read_ipc(file, columns=[KEPT + name])[KEPT + name] for file in self.files)


AnySpine = SpineRows | LongSpine


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What makes a spine of rows as they are read, each by itself: see `source_spine` and `file_spine`.

    `needed` maps the columns that it reads to what reads them; `clocks` are its instants.
    """

    make: Callable[[pl.DataFrame, pl.DataFrame], SpineRows]
    origin: str
    clocks: SpineClocks
    needed: Mapping[str, str] = field(default_factory=dict)


def read_in_place(reader: SourceReader, treatment: Treatment, what: str, place: SpillPlace) -> AnySpine:
    """Return the rows of a reader as a spine: in memory when they fit into their share of it, else in files."""
    limit, held, size = place.memory_bytes // _SHARE, list[pl.DataFrame](), 0
    with reading(what):
        scan = reader.scan_kept(reader.parts())
        rows = batch_rows(place.memory_bytes, _COLUMNS)
        batches = read_batches(scan, rows)
        for batch in batches:
            held.append(batch)
            size += int(batch.estimated_size())
            if size > limit:
                raw = _Raw(place.room.folder())
                while held:
                    raw.add(held.pop(0))
                for more in batches:
                    raw.add(more)
                break
        else:
            return treatment.make(*split_kept(pl.concat(held) if held else scan.collect()))
    give_back()
    raw.check(treatment)
    return store((treatment.make(*pair) for pair in raw.pairs()), place)


class _Raw:
    """Rows as they were read, in files, with the columns of which every value fits the language."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        self._typed: list[str] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Write a batch."""
        typed = split_kept(frame)[0].columns
        self._typed = [name for name in self._typed if name in typed] if self._files else typed
        self._files.append(self._folder / f"raw-{len(self._files)}.arrow")
        frame.write_ipc(self._files[-1])

    def pairs(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Give each batch as its columns in the language's types, and apart from them its own; its file goes."""
        for file in self._files:
            rows, own = split_kept(pl.read_ipc(file))
            file.unlink()
            yield rows.select(self._typed), own

    def check(self, treatment: Treatment) -> None:
        """See that the columns that are read have values of a type, so that an error counts the rows of all files."""
        schema = pl.read_ipc_schema(self._files[0])
        for name, what in treatment.needed.items():
            dtype = language_dtype(schema[KEPT + name]) if KEPT + name in schema else None
            if dtype is not None and name not in self._typed:
                check_exact(self._column(KEPT + name, name), dtype, f"{what}: column {name}")
        time = next((name for name in treatment.clocks.times if KEPT + name in schema), "")
        for clock in (time, treatment.clocks.known or ""):
            if schema.get(clock) == pl.String:
                check_exact(self._column(clock, clock), TIMESTAMP, f"spine {treatment.origin}: column {clock}")

    def _column(self, stored: str, name: str) -> Iterator[pl.Series]:
        return (pl.read_ipc(file, columns=[stored])[stored].alias(name) for file in self._files)


def store(parts: Iterable[SpineRows], place: SpillPlace) -> AnySpine:
    """Return the parts of a spine, one after the other, in files; in memory when they are few."""
    folder, held, files, rows = place.room.folder(), list[pl.DataFrame](), list[Path](), 0
    for part in parts:
        own = part.own.rename({name: KEPT + name for name in part.own.columns})
        clocks = [part.time.alias(_TIME)]
        if part.known is not None and part.early is not None:
            clocks += [part.known.alias(_KNOWN), part.early.alias(_EARLY)]
        held.append(pl.concat([own, part.rows, pl.DataFrame(clocks)], how="horizontal"))
        while sum(frame.height for frame in held) >= CHUNK_ROWS:
            whole = pl.concat(held)
            files.append(_write(whole[:CHUNK_ROWS], folder, len(files)))
            held, rows = [whole[CHUNK_ROWS:]], rows + CHUNK_ROWS
    rest = pl.concat(held)
    if rest.height or not files:
        files.append(_write(rest, folder, len(files)))
    give_back()
    long = LongSpine(
        files=tuple(files),
        height=rows + rest.height,
        schema=part.own.schema,
        typed=tuple(part.rows.columns),
        time_column=part.time_column,
        origin=part.origin,
        known_column=part.known_column,
    )
    return long.part(0, long.height) if len(files) == 1 else long


def _write(frame: pl.DataFrame, folder: Path, number: int) -> Path:
    path = folder / f"{number}.arrow"
    frame.write_ipc(path)
    return path


def cut_long_spine(spine: LongSpine, cut: Cut, place: SpillPlace) -> AnySpine:
    """Return a part of a spine, in its order; see `cut_spine`."""
    if cut == Cut(seed=cut.seed):
        return spine
    random = np.random.default_rng(cut.seed)
    starts = range(0, spine.height, CHUNK_ROWS)
    return store((cut_part(spine.part(start, CHUNK_ROWS), cut, random) for start in starts), place)
