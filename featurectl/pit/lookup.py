"""The latest row of each spine row's key, as of its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.pit.aggregates.picks import last_row
from featurectl.pit.availability import Sight, layers, sights
from featurectl.pit.columns import pick, pick_all
from featurectl.pit.keys import arrange, find_probes
from featurectl.pit.lanes import Part
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, StateQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAnswer:
    """One row a spine row, in spine order: a column a question, and the two clocks of the row that answered.

    `row` is that row's place in `table`, null where there is no row at t; a null value of a row that is there leaves
    its clocks standing.
    """

    values: pl.DataFrame
    table: pl.DataFrame
    row: pl.Series

    @property
    def event_time(self) -> pl.Series:
        """The event time of the row that answered, null where there is none."""
        return pick(self.table[EVENT_TIME], self.row)

    @property
    def available_at(self) -> pl.Series:
        """When the row that answered became available, null where there is none."""
        return pick(self.table[AVAILABLE_AT], self.row)


def answer_states(
    rows: pl.DataFrame,
    spine: pl.DataFrame,
    *,
    keys: Sequence[str],
    time: str,
    questions: Sequence[StateQuestion],
    ttl_us: int | None,
) -> StateAnswer:
    """Return the last row with t - ttl <= event_time <= t and available_at <= t, column by column.

    Last is by (event_time, available_at, tie_order). Tables are as in `answer_windows`. A question with `fill_last`
    takes the last of these rows in which its own column is not null.
    """
    table = arrange(rows, keys)
    probes = find_probes(table, spine, time)
    filled = sorted({question.column for question in questions if question.fill_last})
    batches = []
    for batch in sights(layers(table), probes):
        parts = [part for sight in batch for part in _visible(sight, ttl_us)]
        batches.append([last_row([part.only(column) for part in parts]) for column in [None, *filled]])
    found = [pick(pl.concat([batch[i] for batch in batches]), probes.place) for i in range(len(filled) + 1)]
    row_of = dict(zip([None, *filled], found, strict=True))
    plain = pick_all(table.frame, {q.name: q.column for q in questions if not q.fill_last}, row_of[None])
    values = {q.name: pick(table.frame[q.column], row_of[q.column]) for q in questions if q.fill_last}
    if values:
        every = plain.with_columns(column.alias(name) for name, column in values.items())
        plain = every.select(q.name for q in questions)
    return StateAnswer(values=plain, table=table.frame, row=row_of[None])


def _visible(sight: Sight, ttl_us: int | None) -> list[Part]:
    events, group = sight.layer.events, sight.group
    head = events.count(group, sight.time, "right")
    if ttl_us is None:
        return sight.parts(sight.layer.lane.groups.starts[group], head)
    return sight.parts(events.count(group, sight.time - ttl_us, "left"), head)
