"""Answers in the order in which they are found, and put into the order of the spine."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

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
