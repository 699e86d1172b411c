"""count_distinct, percentile, median, top_k: aggregates that look at every row of a range.

The values of a chunk are sorted as one column of `probe * number of distinct values + rank`, so that each probe's
values lie together in ascending order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from featurectl.pit.aggregates.base import blank, column_of, count_rows, number_of
from featurectl.pit.aggregates.distinct_of_long import count_different, mostly_one
from featurectl.pit.aggregates.lists import lists_of
from featurectl.pit.arrays import Bools, Floats, Ints
from featurectl.pit.gather import ProbeChunk, gather
from featurectl.pit.inputs import Ranks
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.levels import BitRanges, bits_of, select, worth_levels
from featurectl.pit.questions import WindowQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sorted:
    """The values of a chunk by probe and rank; `new` marks the first of equal values of a probe."""

    owner: Ints
    rank: Ints
    new: Bools


def _sort(chunk: ProbeChunk, ranks: Ranks) -> _Sorted:
    distinct = max(len(ranks.distinct), 1)
    owner = np.repeat(np.arange(len(chunk.sizes)), chunk.sizes)
    joined = np.sort(owner * distinct + ranks.rank[chunk.rows])
    new = np.ones(len(joined), np.bool_)
    new[1:] = joined[1:] != joined[:-1]
    return _Sorted(owner=joined // distinct, rank=joined % distinct, new=new)


def _chunks(question: WindowQuestion, parts: Sequence[LaneRanges]) -> tuple[Ranks, list[LaneRanges]]:
    column = column_of(question)
    return parts[0].lane.inputs.ranks(column), [part.only(column) for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Different:
    """The different values of each probe of a chunk, by their ranks, probe after probe, and how many each has."""

    owner: Ints
    rank: Ints
    counts: Ints


def different_values(question: WindowQuestion, parts: Sequence[LaneRanges]) -> Iterator[Different]:
    """Yield the different values of every probe, in order of probes, a chunk at a time."""
    ranks, valued = _chunks(question, parts)
    for chunk in gather(valued):
        found = _sort(chunk, ranks)
        owner = found.owner[found.new]
        counts = np.bincount(owner, minlength=len(chunk.sizes)).astype(np.int64)
        yield Different(owner=owner, rank=found.rank[found.new], counts=counts)


class CountDistinct:
    """The number of different values; NaN is one value."""

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Int64, 0 where there is no value."""
        ranks, valued = _chunks(question, parts)
        if worth_levels(valued, bits_of(max(len(part.lane) for part in valued))) and mostly_one(valued):
            return pl.Series(count_different(valued, ranks))
        return pl.Series(np.concatenate([found.counts for found in different_values(question, parts)]))


class Percentile:
    """The value below which the share q of the values lies, on a straight line between the two nearest."""

    def __init__(self, q: float | None = None) -> None:
        self._q = q

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return Float64, null where there is no value."""
        q = question.q if self._q is None else self._q
        assert q is not None, f"{question.name}: percentile needs q"
        ranks, valued = _chunks(question, parts)
        distinct = ranks.distinct.cast(pl.Float64).to_numpy()
        bits = bits_of(len(distinct))
        if worth_levels(valued, 2 * bits):
            return _percentile(valued, ranks, distinct, q)
        return pl.concat([self._of_chunk(chunk, ranks, distinct, q) for chunk in gather(valued)])

    def _of_chunk(self, chunk: ProbeChunk, ranks: Ranks, distinct: Floats, q: float) -> pl.Series:
        filled = chunk.sizes > 0
        rank = _sort(chunk, ranks).rank
        first = np.cumsum(chunk.sizes)[filled] - chunk.sizes[filled]
        place = q * (chunk.sizes[filled] - 1)
        below = np.floor(place).astype(np.int64)
        low = distinct[rank[first + below]]
        high = distinct[rank[first + np.ceil(place).astype(np.int64)]]
        found = np.zeros(len(chunk.sizes))
        found[filled] = np.where(low == high, low, low + (high - low) * (place - below))
        return blank(found, filled)


def _percentile(parts: Sequence[LaneRanges], ranks: Ranks, distinct: Floats, q: float) -> pl.Series:
    """Return what `Percentile` does, without a look at every row."""
    sizes = count_rows(parts)
    filled = sizes > 0
    place = q * np.maximum(sizes - 1, 0)
    below = np.floor(place).astype(np.int64)
    low = distinct[_ranked(parts, ranks, below)]
    high = distinct[_ranked(parts, ranks, np.ceil(place).astype(np.int64))]
    found = np.where(low == high, low, low + (high - low) * (place - below))
    return blank(np.where(filled, found, 0.0), filled)


def _ranked(parts: Sequence[LaneRanges], ranks: Ranks, place: Ints) -> Ints:
    runs = [BitRanges(part.lane.take(ranks.rank).astype(np.int64), part.lo, part.hi) for part in parts]
    return np.minimum(select(runs, place, bits_of(len(ranks.distinct))), len(ranks.distinct) - 1)


class TopK:
    """The n most frequent values, most frequent first; of equally frequent ones the least first."""

    def answer(self, question: WindowQuestion, parts: Sequence[LaneRanges]) -> pl.Series:
        """Return a list of the column's type, at most n long, empty where there is no value."""
        n = number_of(question)
        ranks, valued = _chunks(question, parts)
        return pl.concat([self._of_chunk(chunk, ranks, n) for chunk in gather(valued)])

    def _of_chunk(self, chunk: ProbeChunk, ranks: Ranks, n: int) -> pl.Series:
        found = _sort(chunk, ranks)
        first = np.flatnonzero(found.new)
        often = np.diff(np.append(first, len(found.new)))
        owner, rank = found.owner[first], found.rank[first]
        order = np.lexsort((rank, -often, owner))
        different = np.bincount(owner, minlength=len(chunk.sizes)).astype(np.int64)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(different) - different, different)
        return lists_of(ranks.distinct.gather(rank[order][place < n]), np.minimum(different, n))
