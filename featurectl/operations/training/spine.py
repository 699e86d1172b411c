"""The left table: rows at which a model is asked, in their own order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.dtypes import TIMESTAMP
from featurectl.core.errors import DataError, UsageError
from featurectl.core.frames.timestamps import INSTANT, midnights
from featurectl.core.frames.types import language_dtype, widen
from featurectl.engines.clocks import AVAILABLE, clocked, drop_repeats, select_columns
from featurectl.expressions.check import expression_columns
from featurectl.expressions.frames import columns_of, compile_over
from featurectl.language.definitions.model import Spine
from featurectl.language.definitions.source import FILE_FORMATS, CommandLineFile, Source, SourceFormat
from featurectl.language.definitions.stream import STAMP
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineClocks:
    """The columns of a spine's instants: the first of `times` that it has, and `known` (None: none).

    `is_asked`: somebody has asked for `known`; else it is a model's, and other rows than its own need not have it.
    """

    times: tuple[str, ...] = (DEFAULT_TIME,)
    known: str | None = None
    is_asked: bool = False

    def known_in(self, columns: Collection[str]) -> str | None:
        """Return the column of when answers are made that a spine with these columns has to have."""
        return self.known if self.is_asked or self.known in columns else None


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
    `known` is when the answer to each row is made, by the column `known_column`: what was available by then counts.
    None: at its time. Rows of which it is before their time are `early`: it is their time. So many rows were left out
    as `erased`.
    """

    rows: pl.DataFrame
    own: pl.DataFrame
    time: pl.Series
    time_column: str
    origin: str
    places: pl.Series | None = None
    known: pl.Series | None = None
    early: pl.Series | None = None
    known_column: str = ""
    erased: int = 0

    @property
    def asked(self) -> pl.Series:
        """The instant up to which each row is answered."""
        return self.time if self.known is None else self.known

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
        return self._with(lambda held: held.slice(start, rows), lambda held: held.slice(start, rows))

    def only(self, keep: pl.Series) -> SpineRows:
        """Return some of the rows, in order."""
        return self._with(lambda held: held.filter(keep), lambda held: held.filter(keep))

    def _with(
        self, frame: Callable[[pl.DataFrame], pl.DataFrame], column: Callable[[pl.Series], pl.Series]
    ) -> SpineRows:
        def of(held: pl.Series | None) -> pl.Series | None:
            return None if held is None else column(held)

        return replace(
            self,
            rows=frame(self.rows),
            own=frame(self.own),
            time=column(self.time),
            places=of(self.places),
            known=of(self.known),
            early=of(self.early),
        )

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
    plain = frame.select(c for c in frame.columns if not c.startswith("\x00"))
    made = _rows(plain, own, spine.time, origin, spine.source.timezone)
    if spine.known_at == STAMP and STAMP not in own.columns and not source.static:
        return _asked_at(made, STAMP, frame[AVAILABLE])
    return _with_known(made, spine.known_at, spine.source.timezone)


def spine_of_rows(rows: pl.DataFrame, spine: Spine, origin: str) -> SpineRows:
    """Return rows of a model's spine source, in the language's types and before its `select`, as a spine: all of them.

    Raises:
        DataError: an expression of `select` does not fit the columns.
    """
    frame = select_columns(rows, type_source(spine.source, columns_of(rows)))
    made = _rows(frame, frame, spine.time, origin, spine.source.timezone)
    return _with_known(made, spine.known_at, spine.source.timezone)


def read_file_spine(reader: SourceReader, path: Path, clocks: SpineClocks) -> SpineRows:
    """Return the rows of a file."""
    with reading(f"spine {path}"):
        rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    return file_spine(rows, own, path, clocks)


def file_spine(rows: pl.DataFrame, own: pl.DataFrame, path: Path, clocks: SpineClocks) -> SpineRows:
    """Return rows of a file as a spine."""
    made = _rows(rows, own, _first_of(clocks.times, own), f"file {path.name}")
    return _with_known(made, clocks.known_in(own.columns))


def _first_of(times: Sequence[str], own: pl.DataFrame) -> str:
    return next((name for name in times if name in own.columns), times[0])


def frame_spine(frame: pl.DataFrame, clocks: SpineClocks) -> SpineRows:
    """Return rows in memory as a spine.

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
    made = replace(_rows(rows, frame, _first_of(clocks.times, frame), FRAME), places=places)
    return _with_known(made, clocks.known_in(frame.columns))


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
    instants = _instants(rows[time] if time in rows.columns else own[time], origin, timezone)
    return SpineRows(rows=rows, own=own, time=instants, time_column=time, origin=origin)


def _instants(column: pl.Series, origin: str, timezone: str) -> pl.Series:
    """Return a column of times, texts or days as instants."""
    name, dtype = column.name, column.dtype
    if dtype == pl.String:
        column = cast_exact(column, TIMESTAMP, f"spine {origin}: column {name}")
    elif not isinstance(dtype, pl.Date | pl.Datetime):
        kind = language_dtype(dtype) or dtype
        raise DataError(f"spine {origin}: column {name} is {kind}, must be a timestamp or a date", code="FC504")
    with reading(f"spine {origin}: column {name}"):  # microseconds reach less far than days do
        days = pl.select(midnights(pl.lit(column), timezone)).to_series() if dtype == pl.Date else column
        return days.cast(INSTANT)


def _with_known(spine: SpineRows, known: str | None, timezone: str = "UTC") -> SpineRows:
    """Return a spine whose answers are made at the instants of a column, if there is one.

    Raises:
        DataError: FC506 it has no such column, FC504 its values are no times.
    """
    return spine if known is None else _asked_at(spine, known, _instants(spine.column(known), spine.origin, timezone))


def _asked_at(spine: SpineRows, column: str, known: pl.Series) -> SpineRows:
    """Return a spine whose answers are made at some instants: what they ask ends there at the latest."""
    early = (known < spine.time).fill_null(value=False)
    time = spine.time.zip_with(~early, known) if early.any() else spine.time
    return replace(spine, time=time.alias(spine.time.name), known=known, early=early, known_column=column)
