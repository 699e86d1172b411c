"""The left table: rows at which a model is asked, whole and in their own order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from featurectl.dtypes import TIMESTAMP
from featurectl.engines.polars.columns import compile_over
from featurectl.engines.polars.prepare import clocked, drop_repeats, select_columns
from featurectl.engines.polars.types import language_dtype
from featurectl.errors import DataError, UsageError
from featurectl.sources.base import SourceReader
from featurectl.sources.casts import cast_exact
from featurectl.sources.failures import reading
from featurectl.spec.definition import Source, Spine

INSTANT = pl.Datetime("us", "UTC")
FILE_FORMATS = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_ROW = "\x00row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of a spine: `since` <= time < `until`, and a share of the rows drawn with `seed`."""

    since: datetime | None = None
    until: datetime | None = None
    sample: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpineRows:
    """A spine: its own columns as they were, the instant of each row, and where it came from."""

    rows: pl.DataFrame
    time: pl.Series
    time_column: str
    origin: str

    def sha256(self) -> str:
        """Return a digest of the rows: equal for equal values in equal order."""
        digest = hashlib.sha256(repr(sorted(self.rows.schema.items())).encode())
        text = self.rows.select(pl.all().cast(pl.String)) if self.rows.width else self.rows
        for name in sorted(text.columns):
            column = text[name]
            digest.update(np.ascontiguousarray(column.fill_null("\x00").str.len_bytes().to_numpy()).tobytes())
            digest.update(column.fill_null("\x00").str.join("").item().encode())
        return digest.hexdigest()


def file_source(path: Path) -> Source:
    """Return a source over a file given on the command line; its format is told by its name.

    Raises:
        UsageError: there is no such file, or its name ends in none of FILE_FORMATS.
    """
    kind = FILE_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"spine {path}: what format is it?", hint="names end in " + ", ".join(FILE_FORMATS))
    if not path.is_file():
        raise UsageError(f"spine {path}: no such file")
    return Source(name=str(path), format=kind, path=str(path.absolute()))  # type: ignore[arg-type]


def read_source_spine(reader: SourceReader, spine: Spine) -> SpineRows:
    """Return the rows of a model's spine source: read, dedup, `select`, `where`, in the order of the source."""
    source = spine.source
    scan = clocked(reader.scan(reader.parts()).with_row_index(_ROW), source)
    with reading(f"source {source.name}"):
        frame = scan.collect()
    if source.dedup_key:
        hashed = frame.with_columns(pl.col(_ROW).alias("\x00hash"))
        frame = drop_repeats(hashed, source, (), {}).sort(_ROW)
    frame = select_columns(frame, source)
    frame = frame.select(c for c in frame.columns if not c.startswith("\x00"))
    if spine.where is not None:
        frame = frame.filter(compile_over(spine.where.text, frame, f"where of spine {source.name}", "bool"))
    return _rows(frame, spine.time, f"source {source.name}")


def read_file_spine(reader: SourceReader, path: Path, time: str) -> SpineRows:
    """Return the rows of a file; its time column is `time`, else `event_time`."""
    with reading(f"spine {path}"):
        frame = reader.scan(reader.parts()).collect()
    known = [name for name in dict.fromkeys((time, "event_time")) if name in frame.columns]
    return _rows(frame, known[0] if known else time, f"file {path.name}")


def cut_spine(spine: SpineRows, cut: Cut) -> SpineRows:
    """Return a part of a spine, in its order; rows without a time fall out of a cut by time."""
    keep = np.ones(spine.rows.height, dtype=bool)
    if cut.since is not None:
        keep &= (spine.time >= cut.since).fill_null(value=False).to_numpy()
    if cut.until is not None:
        keep &= (spine.time < cut.until).fill_null(value=False).to_numpy()
    if cut.sample < 1.0:
        keep &= np.random.default_rng(cut.seed).random(spine.rows.height) < cut.sample
    if keep.all():
        return spine
    mask = pl.Series(keep)
    return SpineRows(
        rows=spine.rows.filter(mask),
        time=spine.time.filter(mask),
        time_column=spine.time_column,
        origin=spine.origin,
    )


def _rows(frame: pl.DataFrame, time: str, origin: str) -> SpineRows:
    if time not in frame.columns:
        raise DataError(
            f"spine {origin} has no column {time!r} for the time of a row",
            code="FC506",
            hint="its columns: " + ", ".join(frame.columns[:12]),
        )
    instants, dtype = frame[time], frame.schema[time]
    if dtype == pl.String:
        instants = cast_exact(instants, TIMESTAMP, f"spine {origin}: column {time}")
    elif not isinstance(dtype, pl.Date | pl.Datetime):
        kind = language_dtype(dtype) or dtype
        raise DataError(f"spine {origin}: column {time} is {kind}, must be a timestamp or a date", code="FC504")
    return SpineRows(rows=frame, time=instants.cast(INSTANT), time_column=time, origin=origin)
