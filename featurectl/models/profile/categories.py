"""A column of categories: how often each of the most frequent ones is met, and how often any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

MOST: Final = 100  # values that are counted each


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """Rows of a column of categories: counts by value, that of all other values, and nulls."""

    counts: Mapping[str, int]
    others: int = 0
    nulls: int = 0

    @property
    def known(self) -> int:
        """How many rows have a value."""
        return sum(self.counts.values()) + self.others

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.known + self.nulls


class CategoryTally:
    """Counts the values that are given, and all others together, in any number of batches."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self._counts = dict.fromkeys(values, 0)
        self._others = self._nulls = 0

    def add(self, column: pl.Series) -> None:
        """Take more rows."""
        for value, count in _counted(column).items():
            if value is None:
                self._nulls += count
            elif value in self._counts:
                self._counts[value] += count
            else:
                self._others += count

    def categories(self) -> Categories:
        """Return the column so far."""
        return Categories(counts=dict(self._counts), others=self._others, nulls=self._nulls)


def profile_categories(column: pl.Series) -> Categories:
    """Return a column by its own most frequent values."""
    counts = _counted(column)
    nulls = counts.pop(None, 0)
    ordered = sorted(((str(value), count) for value, count in counts.items()), key=lambda item: (-item[1], item[0]))
    return Categories(counts=dict(ordered[:MOST]), others=sum(n for _, n in ordered[MOST:]), nulls=nulls)


def categories_json(categories: Categories) -> dict[str, object]:
    """Return a column ready for JSON."""
    told = {"n": categories.rows, "nulls": categories.nulls, "others": categories.others}
    return {**told, "categories": [[value, count] for value, count in categories.counts.items()]}


def load_categories(told: Mapping[str, Any]) -> Categories:
    """Return the column that `categories_json` has told of."""
    counts = {str(value): int(count) for value, count in told["categories"]}
    return Categories(counts=counts, others=int(told["others"]), nulls=int(told["nulls"]))


def _counted(column: pl.Series) -> Counter[str | None]:
    """Return how often each value is met, by its text as a model knows it; null by None."""
    found = column.value_counts(name="\x00count")
    texts = found.to_series(0).cast(pl.String).to_list()
    return Counter(dict(zip(texts, found["\x00count"].to_list(), strict=True)))
