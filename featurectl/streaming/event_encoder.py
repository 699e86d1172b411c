"""Rows of a source become messages: the one form in which featurectl writes events.

A value is JSON, UTF-8, one object a message with all columns of the source, in their order:

    string bool   as JSON has them
    int64         a number without a point
    float64       the shortest number that is read as the same one; NaN and infinities are null, or the texts "NaN",
                  "Infinity" and "-Infinity" where the source says `nan: keep`
    decimal(p,s)  a text with s digits after the point: "12.50"
    timestamp     a text, UTC with microseconds: "2026-11-28T22:04:12.000000Z"
    date          a text: "2026-11-28"
    list(T)       a list of these
    null          null

The key of a message is the value of the source's key column as text, without quotes; a JSON list of all of them where
there are several. It has none where the source names no key, or a key column is null: it lies in any partition then.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.dtypes import DATE, FLOAT64, TIMESTAMP, decimal_parts, list_item
from featurectl.language.definitions.source import Source
from featurectl.streaming.event_keys import list_key, text_key
from featurectl.streaming.topics.base import Record

_INSTANT: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"
_DAY: Final = "%Y-%m-%d"


class EventEncoder:
    """Writes rows of a source's own columns, those before `select`, in the types of the language, as messages."""

    def __init__(self, source: Source) -> None:
        assert source.columns is not None, f"source {source.name} has no columns"
        self._columns: Mapping[str, str] = source.columns
        self._key = source.stream.key if source.stream is not None else ()
        self._floats = [
            name
            for name, dtype in source.columns.items()
            if FLOAT64 in (dtype, list_item(dtype)) and source.nan == "keep"
        ]

    def encode(self, rows: pl.DataFrame) -> list[Record]:
        """Return a message for each row, in order."""
        written = rows.select(_written(pl.col(name), dtype).alias(name) for name, dtype in self._columns.items())
        keys = self._keys(written)
        values = _lines(written)
        for place in self._with_special_numbers(written):
            row = {name: _special(value) for name, value in written.row(place, named=True).items()}
            values[place] = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
        return list(zip(keys, values, strict=True))

    def _keys(self, written: pl.DataFrame) -> Sequence[bytes | None]:
        if not self._key:
            return [None] * written.height
        if len(self._key) == 1:
            return [None if value is None else text_key(value) for value in written[self._key[0]]]
        rows = written.select(self._key).rows()
        return [None if any(value is None for value in row) else list_key(list(row)) for row in rows]

    def _with_special_numbers(self, written: pl.DataFrame) -> list[int]:
        """Return the places of rows with numbers that JSON does not have, which are kept."""
        found: set[int] = set()
        for name in self._floats:
            column = written[name]
            is_special = ~column.is_finite() if column.dtype == pl.Float64 else column.list.eval(
                ~pl.element().is_finite()
            ).list.any()  # fmt: skip
            found.update(is_special.fill_null(value=False).arg_true().to_list())
        return sorted(found)


def _written(column: pl.Expr, dtype: str) -> pl.Expr:
    if item := list_item(dtype):
        return column.list.eval(_written(pl.element(), item))
    if dtype == TIMESTAMP:
        return column.dt.strftime(_INSTANT)  # in UTC, as the language has them
    if dtype == DATE:
        return column.dt.strftime(_DAY)
    if decimal_parts(dtype):
        return column.cast(pl.String)
    return column


def _lines(written: pl.DataFrame) -> list[bytes]:
    if written.height == 0:
        return []
    buffer = io.BytesIO()
    written.write_ndjson(buffer)
    return buffer.getvalue().rstrip(b"\n").split(b"\n")


def _special(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return [_special(item) for item in value] if isinstance(value, list) else value
