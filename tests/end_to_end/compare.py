"""Count the cells in which two columns differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

import polars as pl

TOLERANCE = 1e-12


@dataclass(frozen=True)
class Compared:
    """How many cells were compared, how many differ, and the greatest difference of two floats.

    Integers, texts, instants and nulls must be equal. Floats may differ by TOLERANCE relative to the greater of the
    two, or to 1 where both are smaller: a mean of delays near 0 is a difference of minutes.
    """

    cells: int = 0
    different: int = 0
    worst: float = 0.0

    def __add__(self, other: Compared) -> Compared:
        return Compared(self.cells + other.cells, self.different + other.different, max(self.worst, other.worst))


def compare_values(ours: Iterable[object], theirs: Iterable[object]) -> Compared:
    """Compare two sequences of Python values."""
    return reduce(Compared.__add__, (_pair(a, b) for a, b in zip(ours, theirs, strict=True)), Compared())


def _pair(ours: object, theirs: object) -> Compared:
    if isinstance(ours, datetime) and isinstance(theirs, datetime):
        return Compared(1, int(ours != theirs))
    if not (isinstance(ours, float) and isinstance(theirs, float)):
        return Compared(1, int(ours != theirs or type(ours) is not type(theirs)))
    if math.isnan(ours) or math.isnan(theirs):
        return Compared(1, int(math.isnan(ours) != math.isnan(theirs)))
    apart = abs(ours - theirs) / max(abs(ours), abs(theirs), 1.0)
    return Compared(1, int(apart > TOLERANCE), apart)


def compare_columns(ours: pl.Series, theirs: pl.Series) -> Compared:
    """Compare two columns: as `compare_values`, with their types, on whole columns."""
    if not (ours.dtype.is_float() and theirs.dtype.is_float()):
        assert ours.dtype.is_float() == theirs.dtype.is_float(), f"{ours.name}: {ours.dtype}, {theirs.dtype}"
        return Compared(len(ours), int(ours.ne_missing(theirs).sum()))
    pair = pl.DataFrame({"a": ours, "b": theirs})
    scale = pl.max_horizontal(pl.col("a").abs(), pl.col("b").abs(), 1.0)
    apart = pair.select((pl.col("a") - pl.col("b")).abs() / scale).to_series()
    nulls = int((ours.is_null() != theirs.is_null()).sum())
    worst = apart.max()
    return Compared(len(ours), nulls + int((apart > TOLERANCE).sum()), 0.0 if worst is None else float(worst))  # type: ignore[arg-type]
