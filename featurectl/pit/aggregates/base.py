"""What an aggregate is, and the steps that several share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from featurectl.pit.arrays import Bools, Ints, Numbers
from featurectl.pit.fold import Fold, FoldState
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import WindowQuestion


class Aggregate(Protocol):
    """One aggregate of the language."""

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return one value a probe, over the rows that the parts hold for it; nulls of the column are left out."""


def column_of(question: WindowQuestion) -> str:
    """Return the column that an aggregate other than `count` reads."""
    assert question.column is not None, f"{question.name}: {question.op} needs a column"
    return question.column


def number_of(question: WindowQuestion) -> int:
    """Return the n of first_n, last_n and top_k."""
    assert question.n is not None, f"{question.name}: {question.op} needs n"
    return question.n


def count_rows(parts: Sequence[LaneRanges]) -> Ints:
    """Return how many rows all parts together hold for each probe."""
    total = parts[0].hi - parts[0].lo
    for part in parts[1:]:
        total = total + (part.hi - part.lo)
    return total


def blank(values: Numbers, filled: Bools) -> pl.Series:
    """Return the values as a column that is null where nothing is filled."""
    column = pl.Series("value", values)
    if filled.all():
        return column
    return column.to_frame().select(pl.when(pl.Series(filled)).then(pl.col("value")))["value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedColumn:
    """A way to fold a column: the state of its rows and the operation; `kind` is the pair's name."""

    kind: str
    fold: Fold
    state: Callable[[str], FoldState]

    def over(self, column: str, parts: Sequence[LaneRanges]) -> tuple[FoldState, Bools]:
        """Return the fold of the parts for each probe, and which probes have a row at all (else it is 0)."""
        found: FoldState = ()
        filled = np.zeros(len(parts[0].lo), np.bool_)
        for part in parts:
            some = part.hi > part.lo
            pyramid = part.lane.pyramid(self.kind, column, self.fold, self.state)
            values = pyramid.answer(part.lo[some], part.hi[some], part.group[some])
            found = found or tuple(np.zeros(len(some), value.dtype) for value in values)
            both = filled[some]
            if both.any():
                where = np.flatnonzero(some)[both]
                before = tuple(value[where] for value in found)
                merged = self.fold.merge(before, tuple(value[both] for value in values))
                for value, part_of in zip(values, merged, strict=True):
                    value[both] = part_of
            for into, value in zip(found, values, strict=True):
                into[some] = value
            filled |= some
        return found, filled
