"""The latest row of each spine row's key, as of its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from featurectl.core.dataclass import dataclass
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
    """A column a question, and the two clocks of the row that answered.

    `row` is that row's place in `table`, a probe's each, null where there is no row at t; a null value of a row that
    is there leaves its clocks standing.
    """

    found: Answers
    table: pl.DataFrame
    row: pl.Series

    @property
    def values(self) -> pl.DataFrame:
        """One row a spine row, in spine order."""
        return self.found.spread()

    @property
    def event_time(self) -> pl.Series:
        """The event time of the row that answered each spine row, null where there is none."""
        return self._clock(EVENT_TIME)

    @property
    def available_at(self) -> pl.Series:
        """When the row that answered each spine row became available, null where there is none."""
        return self._clock(AVAILABLE_AT)

    def _clock(self, name: str) -> pl.Series:
        return pick(pick(self.table[name], self.row), self.found.place)


def answer_states(
    rows: pl.DataFrame,
    spine: pl.DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    questions: Sequence[StateQuestion],
    ttl_us: int | None,
) -> StateAnswer:
    """Return the answers to the rows of a spine by rows with these keys; see `find_states`."""
    return find_states(arrange(rows, keys), order_spine(spine, keys, time), questions, ttl_us)


def find_states(
    table: SortedTable, spine: OrderedSpine, questions: Sequence[StateQuestion], ttl_us: int | None
) -> StateAnswer:
    """Return the last row with t - ttl <= event_time <= t and available_at <= t, column by column.

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
    plain = pick_all(table.frame, {q.name: q.column for q in questions if not q.fill_last}, row_of[None])
    values = {q.name: pick(table.frame[q.column], row_of[q.column]) for q in questions if q.fill_last}
    if values:
        every = plain.with_columns(column.alias(name) for name, column in values.items())
        plain = every.select(q.name for q in questions)
    return StateAnswer(found=Answers(values=plain, place=probes.place), table=table.frame, row=row_of[None])


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
