"""Rows of a result, as frames one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Rows as frames of one schema, one after the other: as many of them as one pleases, read as often as one asks.

    `metadata` goes into the metadata of a Parquet file, and of that of a Delta table.
    """

    schema: pl.Schema
    height: int
    read: Callable[[], Iterator[pl.DataFrame]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def select(self, names: Sequence[str]) -> Frames:
        """Return some of the columns, in this order."""
        schema = pl.Schema({name: self.schema[name] for name in names})
        return replace(self, schema=schema, read=lambda: (frame.select(names) for frame in self.read()))


def frames_of(rows: pl.DataFrame) -> Frames:
    """Return rows in memory as frames."""
    return Frames(schema=rows.schema, height=rows.height, read=lambda: iter([rows]))


def types_within(dtype: pl.DataType) -> Iterator[pl.DataType]:
    """Give a type and those inside it."""
    yield dtype
    for part in parts_of(dtype):
        yield from types_within(part)


def parts_of(dtype: pl.DataType) -> list[pl.DataType]:
    """Return the types that a type is made of; those of a frame are all instances."""
    parts = [field.dtype for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    parts = [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else parts
    return [part for part in parts if isinstance(part, pl.DataType)]
