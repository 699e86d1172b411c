"""Which rows of a source have a key that stores take, and how the first that has a longer one is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.dtypes import BOOL, DATE, MOST_KEY_BYTES, STRING
from featurectl.core.frames.timestamps import within_datetime
from featurectl.core.units import format_iso
from featurectl.engines.clocks import EVENT
from featurectl.language.definitions.view import FeatureView

NULL_KEY: Final = "null key"  # of `Prepared.dropped`
LONG_KEY: Final = f"key of more than {MOST_KEY_BYTES:,} bytes"
WITHOUT_KEY: Final = (NULL_KEY, LONG_KEY)
_MOST_OF_OTHERS: Final = 24  # bytes of a key column that is no text: `i20:-9223372036854775808`
_SHOWN: Final = 40  # characters of a text


def key_tests(view: FeatureView) -> Mapping[str, pl.Expr]:
    """Return what is true of the rows of a view's source whose key a table takes, by the reason to drop the others."""
    columns = view.key_columns
    if not columns:
        return {}
    tests = {NULL_KEY: pl.all_horizontal(pl.col(name).is_not_null() for name in columns)}
    fits = key_fits(columns, [*view.key_types.values()])
    return tests if fits is None else {**tests, LONG_KEY: fits}


def key_fits(columns: Sequence[str], dtypes: Sequence[str]) -> pl.Expr | None:
    """Return what is true of keys that are short enough for a store, null of those with a null; None: all are."""
    if STRING not in dtypes and len(columns) * _MOST_OF_OTHERS <= MOST_KEY_BYTES:
        return None
    parts = [_key_bytes(pl.col(name), dtype) for name, dtype in zip(columns, dtypes, strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total <= MOST_KEY_BYTES


def _key_bytes(column: pl.Expr, dtype: str) -> pl.Expr:
    """Return how many bytes `pack_key` makes of a value: a letter, the length of its text, a colon, and the text."""
    number = {BOOL: pl.Int8, DATE: pl.Int32}.get(dtype)
    text = column if dtype == STRING else (column.cast(number) if number else column).cast(pl.String)
    length = text.str.len_bytes().cast(pl.Int64)
    return length + length.cast(pl.String).str.len_bytes() + 2


def name_row(row: pl.DataFrame, view: FeatureView) -> Mapping[str, str]:
    """Return what tells the first row of a frame from others: the columns of its key, long texts cut, and its time."""
    found = {}
    for name in dict.fromkeys(view.key_columns):
        text = str(row[name][0])
        cut = f"{text[:_SHOWN]}... ({len(text):,} characters)"
        found[name] = text if len(text) <= _SHOWN else cut
    time = view.source.event_time
    if time is not None and time not in found:
        found[time] = format_iso(row.select(within_datetime(pl.col(EVENT).first())).item())
    return found
