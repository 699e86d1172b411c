"""The keys that a view has rows of, each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.engines.budget import batch_rows
from featurectl.operations.views import BoundView
from featurectl.pit.questions import AVAILABLE_AT

_COLUMNS: Final = 4  # of keys and a clock, more or less, which decide how many rows are read at once
_HELD: Final = 8  # blocks of keys, before those that repeat are dropped


def known_keys(
    views: Sequence[tuple[BoundView, Mapping[str, str]]], columns: Sequence[str], memory_bytes: int | None
) -> pl.DataFrame:
    """Return a row per key that one of some views has a row of, sorted; each view's keys named as `columns` are.

    Rows that are not known yet at the instant of a view (`BoundView.known_at`) do not count. The keys are held in
    memory, each once.
    """
    frames: list[pl.DataFrame] = []
    for bound, names in views:
        for keys in _keys_of(bound, names, columns, memory_bytes):
            frames.append(keys)
            if len(frames) > _HELD:
                frames = [pl.concat(frames).unique()]
    return pl.concat(frames).unique().sort(columns)


def _keys_of(
    bound: BoundView, names: Mapping[str, str], columns: Sequence[str], memory_bytes: int | None
) -> Iterator[pl.DataFrame]:
    named = [pl.col(key).alias(name) for key, name in names.items()]
    yield bound.read(0, [*names, AVAILABLE_AT]).select(named).select(columns).unique()  # typed, also without rows
    for block in bound.blocks(batch_rows(memory_bytes, _COLUMNS), tuple(names)):
        yield block.select(named).select(columns).unique()
