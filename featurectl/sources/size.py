"""How much a source holds, as far as its files tell without being read whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import INSTANT, within_datetime
from featurectl.sources.base import SourcePart, SourceReader
from featurectl.sources.failures import reading

_MOST_BYTES: Final = 1 << 30  # of files whose event times are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSize:
    """Rows, bytes and event times of a source; None: not known."""

    rows: int | None = None
    size_bytes: int | None = None
    oldest: datetime | None = None
    newest: datetime | None = None


def source_size(reader: SourceReader) -> SourceSize:
    """Return what is known of a source.

    Parquet and Delta files tell their rows, and their event times at the cost of one column; other files only their
    bytes; queries nothing, for they would have to run.

    Raises:
        DataError: the source can't be read.
    """
    source, parts = reader.source, reader.parts()
    size = reader.size_bytes(parts)
    if not reader.counts_rows or size is None or size > _MOST_BYTES:
        return SourceSize(size_bytes=size)
    wanted = [pl.len().alias("rows")]
    if source.event_time is not None:
        column = pl.col(source.event_time)
        wanted += [column.min().alias("oldest"), column.max().alias("newest")]
    with reading(f"source {source.name}"):
        ends = reader.scan(parts).select(wanted).collect()
    found = ends.with_columns(within_datetime(pl.col(INSTANT))).row(0, named=True)
    return SourceSize(
        rows=found["rows"], size_bytes=size, oldest=_instant(found.get("oldest")), newest=_instant(found.get("newest"))
    )


def first_times(reader: SourceReader, parts: Sequence[SourcePart]) -> tuple[datetime, datetime] | None:
    """Return the least event time and the least availability of the rows of some parts; None: none, or not known.

    Parquet and Delta files tell them at the cost of these columns, others not at all.

    Raises:
        DataError: the source can't be read.
    """
    source, size = reader.source, reader.size_bytes(parts)
    made = {item.name for item in source.select}
    if source.event_time is None or made & {source.event_time, source.available_at}:
        return None
    if not reader.counts_rows or size is None or size > _MOST_BYTES:
        return None
    event = pl.col(source.event_time).min()
    known = event + pl.duration(microseconds=source.delay_us or 0, time_unit="us")
    clocks = [
        event.alias("event"),
        (pl.col(source.available_at).min() if source.available_at else known).alias("known"),
    ]
    with reading(f"source {source.name}"):
        ends = reader.scan(parts).select(clocks).collect()
    first, available = ends.with_columns(within_datetime(pl.col(INSTANT))).row(0)
    return (first, available) if isinstance(first, datetime) and isinstance(available, datetime) else None


def _instant(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
