"""Answers in the order in which they are found, and put into the order of the spine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from featurectl.pit.arrays import Ints
from featurectl.pit.columns import pick_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to the rows of a spine: `values` has a row per probe, ordered by (key, t).

    `place` holds for every spine row, in spine order, the probe that answers it, or null.
    """

    values: pl.DataFrame
    place: pl.Series

    def spread(self) -> pl.DataFrame:
        """Return a row per spine row, in spine order."""
        return pick_all(self.values, {name: name for name in self.values.columns}, self.place)


def join_answers(parts: Sequence[Answers], places: Sequence[Ints]) -> Answers:
    """Return the answers of parts of a spine as those of the whole; `places` are the parts' rows in it, all of them."""
    place = np.empty(sum(len(rows) for rows in places), np.int64)
    start = 0
    for part, rows in zip(parts, places, strict=True):
        place[rows] = part.place.fill_null(-1 - start).to_numpy() + start
        start += part.values.height
    found = pl.Series(place)
    values = pl.concat([part.values for part in parts], rechunk=True)
    return Answers(values=values, place=found.set(found < 0, None))
