"""A column of numbers in bins: counts and sums, of which any two are compared, and batches are added up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.models.profile.bins import Bins, Floats, choose_edges

Counts = npt.NDArray[np.int64]
_CHUNK: Final = 1 << 16  # values that stay in the cache of a core
_CAST: Final = 1 << 18  # values that are made numbers at once
_TYPE: Final = pl.Float64()


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Rows of a column of numbers, NaN counted as null.

    A bin reaches from above an edge to the next one, that included; the first and the last are open. `sums` are those
    of the bins' finite values less `centre`, `squares` that of all of them. `infinite` ones are in the outer bins, and
    in no sum.
    """

    edges: Floats
    centre: float
    counts: Counts
    sums: Floats
    squares: float = 0.0
    nulls: int = 0
    infinite: int = 0
    least: float = math.inf
    greatest: float = -math.inf

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
        return self.centre + self._total / finite if finite else None

    @property
    def stddev(self) -> float | None:
        """The standard deviation of the finite values, as of a whole population."""
        finite = self.known - self.infinite
        if not finite:
            return None
        away = self._total / finite
        return math.sqrt(max(self.squares / finite - away * away, 0.0))

    @property
    def _total(self) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.sums.sum())

    @property
    def outside(self) -> int:
        """How many values lie below the first edge or above the last."""
        return int(self.counts[0] + self.counts[-1]) if len(self.edges) else 0


class NumberTally:
    """Counts values into bins, in any number of batches; what is kept does not grow with the rows."""

    def __init__(self, edges: Floats, centre: float, counts: Counts | None = None) -> None:
        self._bins = Bins(edges, counts)
        self._centre = centre
        self._counts = np.zeros(self._bins.count, dtype=np.int64)
        self._sums = np.zeros(self._bins.count)
        self._squares = 0.0
        self._nulls = self._infinite = 0
        self._least, self._greatest = math.inf, -math.inf

    def add(self, column: pl.Series) -> None:
        """Take more rows: numbers, bools or decimals."""
        for start in range(0, len(column), _CAST):
            part = column.slice(start, _CAST)
            values = part.cast(_TYPE).drop_nulls().rechunk().to_numpy()
            self._nulls += len(part) - len(values)
            for at in range(0, len(values), _CHUNK):
                self._take(values[at : at + _CHUNK])

    def numbers(self) -> Numbers:
        """Return the column so far."""
        return Numbers(
            edges=self._bins.edges,
            centre=self._centre,
            counts=self._counts.copy(),
            sums=self._sums.copy(),
            squares=self._squares,
            nulls=self._nulls,
            infinite=self._infinite,
            least=self._least,
            greatest=self._greatest,
        )

    def _take(self, values: Floats) -> None:
        least, greatest = float(values.min()), float(values.max())
        if not (math.isfinite(least) and math.isfinite(greatest)):
            values = self._without_odd(values)
            if not len(values):
                return
            least, greatest = float(values.min()), float(values.max())
        self._least, self._greatest = min(self._least, least), max(self._greatest, greatest)
        places = self._bins.locate(values)
        with np.errstate(over="ignore", invalid="ignore"):
            away = values - self._centre
            self._squares += float(np.square(away).sum())
            self._counts += np.bincount(places, minlength=self._bins.count)
            self._sums += np.bincount(places, away, minlength=self._bins.count)

    def _without_odd(self, values: Floats) -> Floats:
        """Return the finite values, once the others are counted: NaN as null, infinite ones in the outer bins."""
        high, low = int((values == math.inf).sum()), int((values == -math.inf).sum())
        self._nulls += int(np.isnan(values).sum())
        self._infinite += high + low
        self._counts[0] += low
        self._counts[-1] += high
        return values[np.isfinite(values)]


def profile_numbers(column: pl.Series) -> Numbers:
    """Return a column in bins of its own."""
    values = column.cast(_TYPE).drop_nulls().rechunk().to_numpy()
    finite = values[np.isfinite(values)]
    edges = choose_edges(finite)
    tally = NumberTally(edges, float(edges[len(edges) // 2]) if len(edges) else 0.0)
    tally.add(column)
    return tally.numbers()


def numbers_json(numbers: Numbers) -> dict[str, object]:
    """Return a column ready for JSON."""
    return {
        "n": numbers.rows,
        "nulls": numbers.nulls,
        "infinite": numbers.infinite,
        "min": _finite(numbers.least),
        "max": _finite(numbers.greatest),
        "mean": _finite(numbers.mean),
        "stddev": _finite(numbers.stddev),
        "centre": numbers.centre,
        "squares": _finite(numbers.squares),
        "edges": numbers.edges.tolist(),
        "counts": numbers.counts.tolist(),
        "sums": [_finite(total) for total in numbers.sums.tolist()],
    }


def load_numbers(told: Mapping[str, Any]) -> Numbers:
    """Return the column that `numbers_json` has told of; a sum that no float holds is NaN."""
    return Numbers(
        edges=np.array(told["edges"], dtype=np.float64),
        centre=float(told["centre"]),
        counts=np.array(told["counts"], dtype=np.int64),
        sums=np.array([math.nan if total is None else total for total in told["sums"]], dtype=np.float64),
        squares=math.nan if told["squares"] is None else float(told["squares"]),
        nulls=int(told["nulls"]),
        infinite=int(told["infinite"]),
        least=math.inf if told["min"] is None else float(told["min"]),
        greatest=-math.inf if told["max"] is None else float(told["max"]),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
