"""A column of numbers in bins: counts and sums, of which any two are compared, and batches are added up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from featurectl.models.profile.bins import Bins
from featurectl.models.profile.edges import Counts, Floats, choose_edges

_AT_ONCE: Final = 1 << 17  # values that are counted at once
_TYPE: Final = pl.Float64()


class Scratch:
    """Memory for counting, used again and again: that it is new each time would cost as much as the counting."""

    def __init__(self) -> None:
        self.values, self.away, self.spare = (np.empty(_AT_ONCE) for _ in range(3))


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCounts:
    """Rows of a column of numbers, NaN counted as null.

    A bin reaches from above an edge to the next one, that included; the first and the last are open. `sums` are those
    of the bins' finite values less `centre`. `infinite` ones are in the outer bins, and in no sum. `stddev` is that of
    the finite values as of a whole population, where it was asked for.
    """

    edges: Floats
    centre: float
    counts: Counts
    sums: Floats
    nulls: int = 0
    infinite: int = 0
    least: float = math.inf
    greatest: float = -math.inf
    stddev: float | None = None
    distinct: int | None = None

    @property
    def known(self) -> int:
        """How many rows have a value."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.known + self.nulls

    @property
    def mean(self) -> float | None:
        """The mean of the finite values."""
        finite = self.known - self.infinite
        with np.errstate(over="ignore", invalid="ignore"):
            return self.centre + float(self.sums.sum()) / finite if finite else None

    @property
    def outside(self) -> int:
        """How many values lie below the first edge or above the last."""
        return int(self.counts[0] + self.counts[-1]) if len(self.edges) else 0


class NumberTally:
    """Counts values into bins, in any number of batches; what is kept does not grow with the rows."""

    def __init__(self, edges: Floats, centre: float, counts: Counts | None = None) -> None:
        self._bins = Bins(edges, centre, counts)
        self._counts = np.zeros(self._bins.count, dtype=np.int64)
        self._sums = np.zeros(self._bins.count)
        self._nulls = self._infinite = 0
        self._least, self._greatest = math.inf, -math.inf

    def add(self, column: pl.Series, scratch: Scratch) -> None:
        """Take more rows: numbers, bools or decimals."""
        if column.dtype == pl.Boolean:
            self._take_bools(column)
            return
        for start in range(0, len(column), _AT_ONCE):
            part = column.slice(start, _AT_ONCE)
            values = _floats(part, scratch.values)
            self._nulls += len(part) - len(values)
            if len(values):
                self._take(values, scratch)

    def numbers(self) -> NumberCounts:
        """Return the column so far."""
        return NumberCounts(
            edges=self._bins.edges,
            centre=self._bins.centre,
            counts=self._counts.copy(),
            sums=self._sums.copy(),
            nulls=self._nulls,
            infinite=self._infinite,
            least=self._least,
            greatest=self._greatest,
        )

    def _take(self, values: Floats, scratch: Scratch) -> None:
        least, greatest = float(values.min()), float(values.max())
        if not (math.isfinite(least) and math.isfinite(greatest)):
            values = self._without_odd(values)
            if not len(values):
                return
            least, greatest = float(values.min()), float(values.max())
        self._least, self._greatest = min(self._least, least), max(self._greatest, greatest)
        with np.errstate(over="ignore", invalid="ignore"):
            away = np.subtract(values, self._bins.centre, out=scratch.away[: len(values)])
            found = self._bins.tally(values, away, scratch.spare[: len(values)])
            self._counts += found.counts
            self._sums += found.sums

    def _take_bools(self, column: pl.Series) -> None:
        """Take bools: true ones are 1, the others 0."""
        known, ones = len(column) - column.null_count(), int(column.sum())
        self._nulls += column.null_count()
        for value, count in ((0.0, known - ones), (1.0, ones)):
            if count:
                place = self._bins.edges.searchsorted(value)
                self._counts[place] += count
                self._sums[place] += count * (value - self._bins.centre)
                self._least, self._greatest = min(self._least, value), max(self._greatest, value)

    def _without_odd(self, values: Floats) -> Floats:
        """Return the finite values, once the others are counted: NaN as null, infinite ones in the outer bins."""
        high, low = int((values == math.inf).sum()), int((values == -math.inf).sum())
        self._nulls += int(np.isnan(values).sum())
        self._infinite += high + low
        self._counts[0] += low
        self._counts[-1] += high
        return values[np.isfinite(values)]


def _floats(column: pl.Series, into: Floats) -> Floats:
    """Return the values of a column, null ones left out, in the memory of `into` where they are to be converted."""
    known = column.drop_nulls().rechunk()
    if known.dtype not in (pl.Int64, _TYPE):
        known = known.cast(_TYPE)
    values: Floats = known.to_numpy()
    if values.dtype == np.float64:
        return values
    np.copyto(into[: len(values)], values)
    return into[: len(values)]


def profile_numbers(column: pl.Series) -> NumberCounts:
    """Return a column in bins of its own."""
    known = column.cast(_TYPE).drop_nulls().rechunk()
    values = known.to_numpy()
    finite = values[np.isfinite(values)]
    edges = choose_edges(finite)
    tally = NumberTally(edges, float(edges[len(edges) // 2]) if len(edges) else 0.0)
    tally.add(column, Scratch())
    with np.errstate(over="ignore", invalid="ignore"):
        stddev = float(finite.std()) if len(finite) else None
    return replace(tally.numbers(), stddev=stddev, distinct=known.drop_nans().n_unique())


def numbers_json(numbers: NumberCounts) -> dict[str, object]:
    """Return a column ready for JSON."""
    return {
        "n": numbers.rows,
        "nulls": numbers.nulls,
        **({} if numbers.distinct is None else {"distinct": numbers.distinct}),
        "infinite": numbers.infinite,
        "min": _finite(numbers.least),
        "max": _finite(numbers.greatest),
        "mean": _finite(numbers.mean),
        "stddev": _finite(numbers.stddev),
        "centre": numbers.centre,
        "edges": numbers.edges.tolist(),
        "counts": numbers.counts.tolist(),
        "sums": [_finite(total) for total in numbers.sums.tolist()],
    }


def load_numbers(document: Mapping[str, Any]) -> NumberCounts:
    """Return the column that `numbers_json` has written; a sum that no float holds is NaN."""
    return NumberCounts(
        edges=np.array(document["edges"], dtype=np.float64),
        centre=float(document["centre"]),
        counts=np.array(document["counts"], dtype=np.int64),
        sums=np.array([math.nan if total is None else total for total in document["sums"]], dtype=np.float64),
        nulls=int(document["nulls"]),
        infinite=int(document["infinite"]),
        least=math.inf if document["min"] is None else float(document["min"]),
        greatest=-math.inf if document["max"] is None else float(document["max"]),
        stddev=document["stddev"],
        distinct=document.get("distinct"),  # profiles of before have none
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
