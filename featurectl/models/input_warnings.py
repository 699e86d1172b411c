"""What a person should know of the inputs of a model before trusting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from featurectl.core.units import counted
from featurectl.models.request_matrix import CATEGORY
from featurectl.registry.state import BoundFeature

WHOLE_NUMBERS: Final = 1 << 24  # float32 holds each whole number up to here, and not each beyond
MOSTLY: Final = 0.5  # a share of rows
MANY_CATEGORIES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InputWarning:
    """Something about an input: how many values or rows it concerns, of how many rows, and what it is in words.

    `input` "" is the label.
    """

    input: str
    count: int
    rows: int
    message: str

    @property
    def sentence(self) -> str:
        """What it is, where nothing says that inputs are meant."""
        return f"input {self.message}" if self.input else self.message


def warn_of_inputs(inputs: Sequence[BoundFeature], rows: pl.DataFrame) -> tuple[InputWarning, ...]:
    """Return what is odd in the rows to train on, in the order of the inputs, whose categories are known."""
    found = (warning for item in inputs for warning in _of_input(item, rows[item.name]))
    return tuple(found)


def _of_input(item: BoundFeature, column: pl.Series) -> list[InputWarning]:
    rows = len(column)
    nulls = column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
    texts: list[tuple[int, str]] = []
    if rows and nulls > MOSTLY * rows:
        how = (
            "null throughout" if nulls == rows else f"null in {counted(nulls, 'row')} of {rows:,} ({nulls / rows:.0%})"
        )
        texts.append((nulls, how))
    if item.model_dtype == "int64":
        large = column.filter((column > WHOLE_NUMBERS) | (column < -WHOLE_NUMBERS)).len()
        if large:
            what = f"{counted(large, 'value')} beyond 16,777,216, where float32 no longer tells whole numbers apart"
            texts.append((large, what))
    if item.model_dtype == CATEGORY and (count := len(item.categories or ())) > MANY_CATEGORIES:
        texts.append((count, f"{count:,} categories, of which most models learn little"))
    return [InputWarning(input=item.name, count=n, rows=rows, message=f"{item.name}: {text}") for n, text in texts]
