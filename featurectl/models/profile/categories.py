"""A column of categories: how often each of the most frequent ones is met, and how often any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

MOST: Final = 100  # values that are counted each
_FEW: Final = 1 << 12  # texts that are not worth a table
_AT_ONCE: Final = 1 << 17  # texts that are counted at once
_SHIFT: Final = np.uint64(52)  # leaves the bits of a hash that are a slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """Rows of a column of categories: counts by value, that of all other values, and nulls.

    `distinct` is how many values there are, where it was asked for.
    """

    counts: Mapping[str, int]
    others: int = 0
    nulls: int = 0
    distinct: int | None = None

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
        self._slots: _Slots | None = None

    def add(self, column: pl.Series) -> None:
        """Take more rows."""
        if column.dtype != pl.String or len(column) < _FEW or not self._counts:
            self._take(_counted(column))
            return
        if self._slots is None:
            self._slots = _Slots(list(self._counts))
        for start in range(0, len(column), _AT_ONCE):
            known, rest = self._slots.count(column.slice(start, _AT_ONCE))
            self._take(known)
            self._take(_counted(rest))

    def _take(self, found: Mapping[str | None, int]) -> None:
        for value, count in found.items():
            if value is None:
                self._nulls += count
            elif value in self._counts:
                self._counts[value] += count
            else:
                self._others += count

    def categories(self) -> Categories:
        """Return the column so far."""
        return Categories(counts=dict(self._counts), others=self._others, nulls=self._nulls)


class _Slots:
    """Known texts by the first bits of their hashes, in slots of their own: quicker than to count any texts.

    A hash has 64 bits: those of two texts are taken to differ. What is none of the known ones is left over.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        column, self._seed = pl.Series(texts, dtype=pl.String), 0
        while len(np.unique(self._hash(column) >> _SHIFT)) < len(texts):
            self._seed += 1
        hashes = self._hash(column)
        self._of_texts = (hashes >> _SHIFT).astype(np.intp)
        self._hashes = np.zeros(1 << (64 - int(_SHIFT)), dtype=np.uint64)
        self._hashes[self._of_texts] = hashes

    def count(self, column: pl.Series) -> tuple[Mapping[str | None, int], pl.Series]:
        """Return how often each known text is met, and all rows that are none of them."""
        hashes = self._hash(column)
        slots = (hashes >> _SHIFT).view(np.int64)
        others = np.flatnonzero(self._hashes.take(slots, mode="clip") != hashes)
        counts = np.bincount(slots, minlength=len(self._hashes))
        counts -= np.bincount(slots[others], minlength=len(self._hashes))
        return dict(zip(self._texts, counts[self._of_texts].tolist(), strict=True)), column[others]

    def _hash(self, column: pl.Series) -> npt.NDArray[np.uint64]:
        hashes: npt.NDArray[np.uint64] = column.hash(seed=self._seed).to_numpy()
        return hashes


def profile_categories(column: pl.Series) -> Categories:
    """Return a column by its own most frequent values."""
    counts = _counted(column)
    nulls = counts.pop(None, 0)
    ordered = sorted(((str(value), count) for value, count in counts.items()), key=lambda item: (-item[1], item[0]))
    others = sum(count for _, count in ordered[MOST:])
    return Categories(counts=dict(ordered[:MOST]), others=others, nulls=nulls, distinct=len(ordered))


def categories_json(categories: Categories) -> dict[str, object]:
    """Return a column ready for JSON."""
    document = {"n": categories.rows, "nulls": categories.nulls, "others": categories.others}
    document |= {} if categories.distinct is None else {"distinct": categories.distinct}
    return {**document, "categories": [[value, count] for value, count in categories.counts.items()]}


def load_categories(document: Mapping[str, Any]) -> Categories:
    """Return the column that `categories_json` has written."""
    counts = {str(value): int(count) for value, count in document["categories"]}
    return Categories(
        counts=counts, others=int(document["others"]), nulls=int(document["nulls"]), distinct=document.get("distinct")
    )


def _counted(column: pl.Series) -> Counter[str | None]:
    """Return how often each value is met, by its text as a model knows it; null by None."""
    found = column.value_counts(name="\x00count")
    texts = found.to_series(0).cast(pl.String).to_list()
    return Counter(dict(zip(texts, found["\x00count"].to_list(), strict=True)))
