"""Events an entity in the longest window of a view, at the end of the history of its stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from featurectl.engines.clocks import AVAILABLE, EVENT, clocked, select_columns, typed_tree
from featurectl.expressions.polars import to_polars
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.operations.stream_states.sizes import longest_window_us

MOST_ENTITIES: Final = 4_000_000  # that are counted one by one, at some 40 bytes each; of more, one in so many
_ENTITY, _EVENTS = "\x00entity", "\x00events"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCounts:
    """How many events entities have in the longest window before the last event of all.

    `middle` and `most_of_999` are the least count that half, and 999 of 1,000, of the entities that have any do not
    exceed. One in `one_in` entities was counted, and `events` and `entities` are of all of them as far as that tells.
    """

    window_us: int
    events: int
    entities: int
    middle: int
    most_of_999: int
    greatest: int
    one_in: int = 1


def count_events(
    rows: pl.LazyFrame, history: Source, view: FeatureView, most_entities: int = MOST_ENTITIES
) -> EventCounts | None:
    """Return how many of the rows of a history each entity of a view has; None: none, or no window has an end.

    Rows that the view does not take are left out, repeats are counted: as many events come. They are read twice as a
    stream, and what is kept are a number and a count an entity, whatever the keys are.
    """
    window_us = longest_window_us(view)
    if window_us == 0:
        return None
    taken = _taken(rows, history, view)
    ends = taken.select(pl.col(EVENT).max(), pl.col(_ENTITY).approx_n_unique())
    newest, about = ends.collect(engine="streaming").row(0)
    if newest is None:
        return None
    one_in = -(-int(about) // most_entities)
    inside = pl.col(EVENT) > newest - pl.duration(microseconds=window_us)
    counted = taken.filter(inside & (pl.col(_ENTITY) % one_in == 0)).group_by(_ENTITY).agg(pl.len().alias(_EVENTS))
    counts = counted.collect(engine="streaming")[_EVENTS].sort()
    if counts.is_empty():
        return None
    return EventCounts(
        window_us=window_us,
        events=int(counts.sum()) * one_in,
        entities=len(counts) * one_in,
        middle=_at_rank(counts, 500),
        most_of_999=_at_rank(counts, 999),
        greatest=int(counts[-1]),
        one_in=one_in,
    )


def _taken(rows: pl.LazyFrame, history: Source, view: FeatureView) -> pl.LazyFrame:
    """Return the event times of the rows that a view takes, beside a hash of their keys."""
    rows = select_columns(clocked(rows, history), history)
    if view.where is not None:
        rows = rows.filter(to_polars(typed_tree(view.where)))
    keys = [view.join[key] for key in view.keys]
    rows = rows.filter(pl.col(name).is_not_null() for name in (*keys, EVENT, AVAILABLE))
    entity = pl.struct(keys).hash() if keys else pl.lit(0, dtype=pl.UInt64)
    return rows.select(EVENT, entity.alias(_ENTITY))


def _at_rank(counts: pl.Series, per_mille: int) -> int:
    """Return the least of the ordered counts that so many of 1,000 do not exceed."""
    return int(counts[max(-(-per_mille * len(counts) // 1000), 1) - 1])
