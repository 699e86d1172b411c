"""The left table: rows at which a model is asked, in their own order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.dtypes import TIMESTAMP
from featurectl.core.errors import DataError, UsageError
from featurectl.core.frames.timestamps import INSTANT, midnights
from featurectl.core.frames.types import language_dtype, widen
from featurectl.engines.clocks import clocked, drop_repeats, select_columns
from featurectl.expressions.check import expression_columns
from featurectl.expressions.frames import columns_of, compile_over
from featurectl.language.definitions.model import Spine
from featurectl.language.definitions.source import FILE_FORMATS, CommandLineFile, Source, SourceFormat
from featurectl.language.typing.registered import type_source
from featurectl.operations.training.digest import digest_rows
from featurectl.sources.base import SourceReader
from featurectl.sources.casts import cast_exact
from featurectl.sources.failures import reading
from featurectl.sources.original_columns import split_kept

SPINE_FORMATS: Final[Mapping[str, SourceFormat]] = {
    suffix: name for name, rules in FILE_FORMATS.items() for suffix in rules.suffixes
}
DEFAULT_TIME = "event_time"
FRAME = "frame in memory"  # the origin of a spine that no file and no source holds
_ROW = "\x00row"


class NoTimeColumnError(DataError):
    """FC506: a spine has no column for the instants of its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of a spine: `since` <= time < `until`, and a share of the rows drawn with `seed`."""

    since: datetime | None = None
    until: datetime | None = None
    sample: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """See that there is such a part.

        Raises:
            UsageError: it ends before it begins.
        """
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise UsageError("--since is not before --until: the range is empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineRows:
    """A spine, the instant of each row, and where it came from.

    `rows` are its columns in the language's types: what keys, requests and expressions read. `own` are all of its
    columns as they were in the file or the source, the source's `select` in place: what stands in results. Row for
    row they are the same. `places` are those of the rows in the frame that they were given in; None: they come from
    elsewhere.
    """

    rows: pl.DataFrame
    own: pl.DataFrame
    time: pl.Series
    time_column: str
    origin: str
    places: pl.Series | None = None

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.own.height

    @property
    def schema(self) -> pl.Schema:
        """Its own columns."""
        return self.own.schema

    def part(self, start: int, rows: int) -> SpineRows:
        """Return so many rows from one on, in order."""
        own, time = self.own.slice(start, rows), self.time.slice(start, rows)
        places = None if self.places is None else self.places.slice(start, rows)
        return replace(self, rows=self.rows.slice(start, rows), own=own, time=time, places=places)

    def only(self, keep: pl.Series) -> SpineRows:
        """Return some of the rows, in order."""
        places = None if self.places is None else self.places.filter(keep)
        own, time = self.own.filter(keep), self.time.filter(keep)
        return replace(self, rows=self.rows.filter(keep), own=own, time=time, places=places)

    def columns(self, name: str) -> Iterator[pl.Series]:
        """Give a column as `column` does, in parts."""
        yield self.column(name)

    def sha256(self) -> str:
        """Return a digest of its own columns: equal for equal types, and equal values in equal order."""
        return digest_rows(self.own)

    def column(self, name: str) -> pl.Series:
        """Return a column to be cast to another type: in the language's type where its values have one.

        Raises:
            DataError: FC506, there is no such column.
        """
        if name in self.rows.columns:
            return self.rows[name]
        if name in self.own.columns:
            return self.own[name]
        hint = "its columns: " + ", ".join(self.own.columns[:20])
        raise DataError(f"spine {self.origin} has no column {name!r}", code="FC506", hint=hint)


def file_source(path: Path) -> CommandLineFile:
    """Return a source over a file given on the command line; its name says which format.

    Raises:
        UsageError: there is no such file, or its name ends in none of SPINE_FORMATS.
    """
    kind = SPINE_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"spine {path}: what format is it?", hint="names end in " + ", ".join(SPINE_FORMATS))
    if not is_there(path) or not path.is_file():
        raise UsageError(f"spine {path}: no such file")
    return CommandLineFile(name=str(path), format=kind, path=str(path.absolute()))


def is_there(path: Path) -> bool:
    """Return whether something lies at a path; nothing does where the system knows no such long name."""
    try:
        return path.exists()
    except OSError:
        return False


def read_source_spine(reader: SourceReader, spine: Spine) -> SpineRows:
    """Return the rows of a model's spine source: read, dedup, `select`, `where`, in the order of the source."""
    with reading(f"source {spine.source.name}"):
        rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    return source_spine(rows, own, spine)


def source_spine(rows: pl.DataFrame, own: pl.DataFrame, spine: Spine) -> SpineRows:
    """Return rows of a model's spine source as a spine: dedup, `select`, `where`, in their order."""
    origin = f"source {spine.source.name}"
    require_typed(rows, own, read_columns(spine.source), origin)
    source = type_source(spine.source, columns_of(rows))
    frame = clocked(rows.lazy().with_row_index(_ROW), source).collect()
    if source.dedup_key:
        hashed = frame.with_columns(pl.col(_ROW).alias("\x00hash"))
        frame = drop_repeats(hashed, source).sort(_ROW)
    frame = select_columns(frame, source)
    if spine.where is not None:
        what = f"where of spine {source.name}"
        require_typed(rows, own, expression_columns(spine.where.text) - set(frame.columns), what)
        frame = frame.filter(compile_over(spine.where.text, frame, what, "bool"))
    if frame.height < own.height:
        own = own[frame[_ROW]]
    own = own.with_columns(frame[item.name] for item in source.select)
    return _rows(
        frame.select(c for c in frame.columns if not c.startswith("\x00")),
        own,
        spine.time,
        origin,
        spine.source.timezone,
    )


def spine_of_rows(rows: pl.DataFrame, spine: Spine, origin: str) -> SpineRows:
    """Return rows of a model's spine source, in the language's types and before its `select`, as a spine: all of them.

    Raises:
        DataError: an expression of `select` does not fit the columns.
    """
    frame = select_columns(rows, type_source(spine.source, columns_of(rows)))
    return _rows(frame, frame, spine.time, origin, spine.source.timezone)


def read_file_spine(reader: SourceReader, path: Path, times: Sequence[str]) -> SpineRows:
    """Return the rows of a file; its time column is the first of `times` that it has."""
    with reading(f"spine {path}"):
        rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    return file_spine(rows, own, path, times)


def file_spine(rows: pl.DataFrame, own: pl.DataFrame, path: Path, times: Sequence[str]) -> SpineRows:
    """Return rows of a file as a spine."""
    return _rows(rows, own, _first_of(times, own), f"file {path.name}")


def _first_of(times: Sequence[str], own: pl.DataFrame) -> str:
    return next((name for name in times if name in own.columns), times[0])


def frame_spine(frame: pl.DataFrame, times: Sequence[str]) -> SpineRows:
    """Return rows in memory as a spine; its time column is the first of `times` that it has.

    Raises:
        UsageError: a column holds Python objects, of which nobody knows when two are equal.
        DataError: FC502 an instant that microseconds do not reach.
        NoTimeColumnError: there is no time.
    """
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Object):
            raise UsageError(f"spine {FRAME}: column {name!r} holds Python objects", hint="leave it out, or cast it")
    typed = [name for name, dtype in frame.schema.items() if dtype != pl.UInt64 or _fits_int64(frame[name])]
    with reading(f"spine {FRAME}"):
        rows = widen(frame.lazy().select(typed)).collect()
    places = pl.int_range(frame.height, dtype=pl.Int64, eager=True)
    return replace(_rows(rows, frame, _first_of(times, frame), FRAME), places=places)


def _fits_int64(column: pl.Series) -> bool:
    return bool((column.drop_nulls() < 1 << 63).all())


def cut_spine(spine: SpineRows, cut: Cut) -> SpineRows:
    """Return a part of a spine, in its order; rows without a time fall out of a cut by time."""
    return cut_part(spine, cut, np.random.default_rng(cut.seed))


def cut_part(spine: SpineRows, cut: Cut, random: np.random.Generator) -> SpineRows:
    """Return a part of the next rows of a spine; a generator draws the same whether it is asked at once or not."""
    keep = np.ones(spine.own.height, dtype=bool)
    if cut.since is not None:
        keep &= (spine.time >= cut.since).fill_null(value=False).to_numpy()
    if cut.until is not None:
        keep &= (spine.time < cut.until).fill_null(value=False).to_numpy()
    if cut.sample < 1.0:
        keep &= random.random(spine.own.height) < cut.sample
    if keep.all():
        return spine
    return spine.only(pl.Series(keep))


def require_typed(rows: pl.DataFrame, own: pl.DataFrame, names: Iterable[str], what: str) -> None:
    """See that columns of a spine, those of the names that it has, are there in a type of the language for `what`.

    Raises:
        DataError: FC504, one is not: the language lacks its type, or one of its values.
    """
    for name in sorted(names):
        if name in own.columns and name not in rows.columns:
            have = language_dtype(own.schema[name])
            if have is not None:
                cast_exact(own[name], have, f"{what}: column {name}")
            message = f"{what}: column {name} is {own.schema[name]}, a type that the language lacks"
            raise DataError(message, code="FC504")


def read_columns(source: Source) -> set[str]:
    """Return the columns of its files that a source itself reads: for its clocks, `dedup_key` and `select`."""
    keys = {name for name in (source.event_time, source.available_at, *source.dedup_key) if name is not None}
    made = {item.name for item in source.select}
    return (keys - made).union(*(expression_columns(item.expression.text) for item in source.select))


def _rows(rows: pl.DataFrame, own: pl.DataFrame, time: str, origin: str, timezone: str = "UTC") -> SpineRows:
    if time not in own.columns:
        raise NoTimeColumnError(
            f"spine {origin} has no column {time!r} for the time of a row",
            code="FC506",
            hint="its columns: " + ", ".join(own.columns[:12]),
        )
    instants = rows[time] if time in rows.columns else own[time]
    dtype = instants.dtype
    if dtype == pl.String:
        instants = cast_exact(instants, TIMESTAMP, f"spine {origin}: column {time}")
    elif not isinstance(dtype, pl.Date | pl.Datetime):
        kind = language_dtype(dtype) or dtype
        raise DataError(f"spine {origin}: column {time} is {kind}, must be a timestamp or a date", code="FC504")
    with reading(f"spine {origin}: column {time}"):  # microseconds reach less far than days do
        days = pl.select(midnights(pl.lit(instants), timezone)).to_series() if dtype == pl.Date else instants
        moments = days.cast(INSTANT)
    return SpineRows(rows=rows, own=own, time=moments, time_column=time, origin=origin)
