"""Aggregates over the rows of a window that ends at each spine row's time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from featurectl.pit.aggregates.all_aggregates import AGGREGATES
from featurectl.pit.answers import Answers
from featurectl.pit.arrays import Ints
from featurectl.pit.availability import Sight, layers, sights
from featurectl.pit.keys import OrderedSpine, SortedTable, arrange, find_probes, order_spine
from featurectl.pit.lanes import LaneRanges
from featurectl.pit.questions import Closed, WindowQuestion
from featurectl.pit.ranges import Side


def answer_windows(
    rows: pl.DataFrame,
    spine: pl.DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    questions: Sequence[WindowQuestion],
    closed: Closed = "left",
    hop_us: int | None = None,
    known: str | None = None,
) -> pl.DataFrame:
    """Return one row a spine row, in spine order, with one column a question; see `find_windows`."""
    return find_windows(
        arrange(rows, keys), order_spine(spine, keys, time, known), questions, closed=closed, hop_us=hop_us
    ).spread()


def find_windows(
    table: SortedTable,
    spine: OrderedSpine,
    questions: Sequence[WindowQuestion],
    *,
    closed: Closed = "left",
    hop_us: int | None = None,
) -> Answers:
    """Return the answers to the rows of a spine, one column a question.

    The table holds the columns of the questions; the spine has the keys (of the same types) and `time`, all
    timestamps in microseconds, and may have the instants at which it was asked. An answer depends on the question, the
    spine row's key and times, and the key's rows that are visible then: not on other spine rows or keys. A null key or
    time gives null.

    Raises:
        DataError: FC507, an exact sum that its type can't hold.
    """
    probes = find_probes(table, spine)
    batches: list[dict[str, pl.Series]] = []
    with np.errstate(all="ignore"):  # inf and NaN of the user's floats are values
        for batch in sights(layers(table), probes):
            asked = _Asked(batch, closed, hop_us)
            batches.append({q.name: AGGREGATES[q.op].answer(q, asked.parts(q)) for q in questions})
    answers = {q.name: pl.concat([batch[q.name] for batch in batches]) for q in questions}
    values = pl.DataFrame(answers) if answers else pl.DataFrame(height=len(probes.group))
    return Answers(values=values, place=probes.place)


class _Asked:
    """The parts of each window for a batch of probes; questions with the same window share them."""

    def __init__(self, batch: Sequence[Sight], closed: Closed, hop_us: int | None) -> None:
        self._batch = batch
        self._head: dict[int, list[Ints]] = {}
        self._parts: dict[tuple[int | None, int], list[LaneRanges]] = {}
        self._hop_us = hop_us
        self._head_side: Side = "right" if closed in {"right", "both"} else "left"
        self._tail_side: Side = "left" if closed in {"left", "both"} else "right"

    def parts(self, question: WindowQuestion) -> list[LaneRanges]:
        """Return the visible rows of the question's window."""
        window = (question.window_us, question.offset_us)
        if window not in self._parts:
            heads = self._heads(question.offset_us)
            found = [
                sight.parts(self._tail(sight, *window), hi, question.offset_us)
                for sight, hi in zip(self._batch, heads, strict=True)
            ]
            self._parts[window] = [part for parts in found for part in parts]
        return self._parts[window]

    def _heads(self, offset_us: int) -> list[Ints]:
        if offset_us not in self._head:
            self._head[offset_us] = [
                sight.layer.events.count(sight.group, sight.time - offset_us, self._head_side) for sight in self._batch
            ]
        return self._head[offset_us]

    def _tail(self, sight: Sight, window_us: int | None, offset_us: int) -> Ints:
        if window_us is None:
            return sight.layer.lane.groups.starts[sight.group]
        tail = sight.time - offset_us - window_us
        if self._hop_us is not None:
            tail = tail // self._hop_us * self._hop_us
        return sight.layer.events.count(sight.group, tail, self._tail_side)
