"""The latest row of each spine row's key, as of its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from featurectl.pit.aggregates.first_last import last_row, numbered
from featurectl.pit.answers import Answers
from featurectl.pit.arrays import Ints
from featurectl.pit.availability import Sight, layers, sees_all, sights
from featurectl.pit.columns import pick, pick_all
from featurectl.pit.inputs import InputColumns
from featurectl.pit.keys import OrderedSpine, Probes, SortedTable, arrange, find_probes, order_spine
from featurectl.pit.lanes import Lane, LaneRanges
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, StateQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAnswer:
    """The rows of `table` that answer the probes of a spine, from which columns and their clocks are taken.

    `rows` hold their places, a probe's each, null where there is no row at t: under None the latest row, whatever is
    null in it, under a column the latest that has a value there. A null value of a row that is there leaves its clocks
    standing. `place` holds for every spine row the probe that answers it, or null.
    """

    table: pl.DataFrame
    questions: Sequence[StateQuestion]
    rows: Mapping[str | None, pl.Series]
    place: pl.Series

    @property
    def found(self) -> Answers:
        """A column a question, one row a probe."""
        return Answers(values=self._taken(self.rows), place=self.place)

    @property
    def values(self) -> pl.DataFrame:
        """A column a question, one row a spine row, in spine order: what `found` spreads, taken at once."""
        return self._taken({column: pick(rows, self.place) for column, rows in self.rows.items()})

    @property
    def event_time(self) -> pl.Series:
        """The event time of the row that answered each spine row, null where there is none."""
        return self._clock(EVENT_TIME)

    @property
    def available_at(self) -> pl.Series:
        """When the row that answered each spine row became available, null where there is none."""
        return self._clock(AVAILABLE_AT)

    def _clock(self, name: str) -> pl.Series:
        return pick(pick(self.table[name], self.rows[None]), self.place)

    def _taken(self, rows: Mapping[str | None, pl.Series]) -> pl.DataFrame:
        questions = self.questions
        plain = pick_all(self.table, {q.name: q.column for q in questions if not q.fill_last}, rows[None])
        values = {q.name: pick(self.table[q.column], rows[q.column]) for q in questions if q.fill_last}
        if not values:
            return plain
        every = plain.with_columns(column.alias(name) for name, column in values.items())
        return every.select(q.name for q in questions)


def answer_states(
    rows: pl.DataFrame,
    spine: pl.DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    questions: Sequence[StateQuestion],
    ttl_us: int | None,
    known: str | None = None,
) -> StateAnswer:
    """Return the answers to the rows of a spine by rows with these keys; see `find_states`."""
    return find_states(arrange(rows, keys), order_spine(spine, keys, time, known), questions, ttl_us)


def find_states(
    table: SortedTable, spine: OrderedSpine, questions: Sequence[StateQuestion], ttl_us: int | None
) -> StateAnswer:
    """Return the last row with t - ttl <= event_time <= t that is available when it is asked, column by column.

    Last is by (event_time, available_at, tie_order). Tables are as in `find_windows`. A question with `fill_last`
    takes the last of these rows in which its own column is not null.
    """
    probes = find_probes(table, spine)
    filled = sorted({question.column for question in questions if question.fill_last})
    batches = [
        [last_row([part.only(column) for part in parts]) for column in [None, *filled]]
        for parts in _seen(table, probes)
    ]
    found = [_alive(np.concatenate(rows), table, probes, ttl_us) for rows in zip(*batches, strict=True)]
    row_of = dict(zip([None, *filled], found, strict=True))
    return StateAnswer(table=table.frame, questions=questions, rows=row_of, place=probes.place)


def _seen(table: SortedTable, probes: Probes) -> Iterator[list[LaneRanges]]:
    """Yield for some probes after the others all rows of each one's key that are true and known."""
    if sees_all(table, probes):
        group, groups = probes.group, table.groups
        lane = Lane(InputColumns(table.frame), groups)
        yield [LaneRanges(lane=lane, lo=groups.starts[group], hi=groups.ends[group], group=group)]
        return
    for batch in sights(layers(table), probes):
        yield [part for sight in batch for part in _visible(sight)]


def _visible(sight: Sight) -> list[LaneRanges]:
    """Return all rows of each probe's key that are true and known."""
    head = sight.layer.events.count(sight.group, sight.time, "right")
    return sight.parts(sight.layer.lane.groups.starts[sight.group], head)


def _alive(rows: Ints, table: SortedTable, probes: Probes, ttl_us: int | None) -> pl.Series:
    """Return the row of each probe, null for -1 and where the last row, and with it every other, is too old."""
    if ttl_us is not None and len(table.event_time):
        rows = np.where(table.event_time[rows] < probes.time - ttl_us, -1, rows)
    return numbered(rows)
