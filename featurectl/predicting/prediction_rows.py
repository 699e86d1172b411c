"""Predictions on events as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.predicting.predictions import EventPrediction

_OWN_TYPES: Final[Mapping[str, pl.DataType]] = {
    **dict.fromkeys(("event_time", "known_at"), INSTANT),
    **dict.fromkeys(("version", "partition", "offset"), pl.Int64()),
}


def prediction_rows(predictions: Sequence[EventPrediction]) -> pl.DataFrame:
    """Return a row for each prediction, of versions of one model: its keys, the score, and what it is of.

    What one version has and another has not is null in the rows of that one.
    """
    types: dict[str, pl.DataType] = {**_OWN_TYPES}
    for each in {of.version: of for of in predictions}.values():
        types |= {each.key_column(name): polars_dtype(dtype) for name, dtype in each.key_types.items()}
        types |= {each.output: pl.Float64()}
    fields = [each.fields() for each in predictions]
    names = dict.fromkeys(name for row in fields for name in row)
    return pl.DataFrame(
        [pl.Series(name, [row.get(name) for row in fields], dtype=types.get(name, pl.String())) for name in names]
    )
