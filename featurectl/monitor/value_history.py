"""How the values of one entity came to be what they are: at each instant when a row of it became known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.units import moved_by
from featurectl.engines.base import Engine
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names
from featurectl.offline.base import OfflineTable
from featurectl.online.base import KeyValue, OnlineView
from featurectl.online.read import Answer, ViewReader
from featurectl.operations.entity_values import by_current_names
from featurectl.operations.push.values import read_entity, stored_row
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_AT_ONCE: Final = timedelta(microseconds=1)  # a window that ends at an instant does not hold what happens at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The values of an entity right after a row of it had happened and was known, and the clocks of its newest row."""

    at: datetime
    event_time: datetime | None
    available_at: datetime | None
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityHistory:
    """The values of an entity now, as its offline table gives them, and the last changes, the oldest first.

    `before` are the values ahead of the first of the changes, of no row where there was none: a count is 0.
    """

    now: Answer
    changes: tuple[Changed, ...]
    before: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuestion:
    """An entity of a view version and the instant at which it is looked at."""

    view: FeatureView
    online: OnlineView
    table: OfflineTable
    entity: Mapping[str, KeyValue]
    now: datetime


def read_history(engine: Engine, asked: HistoryQuestion, last: int) -> EntityHistory:
    """Return the values of an entity at now, and after each of the last instants at which a row of it came.

    What leaves a window changes a value, too: that is seen with the next row. Rows of a static source have no instant.

    Raises:
        DataError: FC510, the view has no offline table.
    """
    wanted, rows = read_entity(asked.view, asked.table, asked.entity)
    reader = ViewReader(asked.view, asked.online)

    def at(instant: datetime) -> Answer:
        return reader.answer(stored_row(engine, asked.view, rows, wanted, instant), instant, pushed=instant)

    instants = [] if asked.view.source.static else _instants(rows, asked.now, last + 1)
    found = [(instant, at(min(instant + _AT_ONCE, asked.now))) for instant in instants]
    changes = [Changed(at=i, event_time=a.event_time, available_at=a.available_at, values=_values(a)) for i, a in found]
    if len(changes) > last:
        before = changes.pop(0).values
    else:
        before = _values(at(moved_by(instants[0], -_AT_ONCE))) if instants else {}
    return EntityHistory(now=at(asked.now), changes=tuple(changes), before=before)


def is_lost_online(history: EntityHistory, online: Answer, pushed: datetime) -> bool:
    """Return whether a store has no row of an entity of which the table had values already when it was last pushed.

    One whose values are over or null by now may have been left out.
    """
    gone = all(found.status == "NOT_FOUND" for found in online.values.values())
    known = not history.changes or history.changes[0].at <= pushed
    return gone and known and any(found.status == "PRESENT" for found in history.now.values.values())


def history_by_current_names(history: EntityHistory, view: FeatureView) -> EntityHistory:
    """Return a history with features by the names that they have now."""
    names = current_names(view)

    def named(values: Mapping[str, object]) -> dict[str, object]:
        return {names[name]: value for name, value in values.items()}

    changes = tuple(replace(change, values=named(change.values)) for change in history.changes)
    return EntityHistory(now=by_current_names(history.now, view), changes=changes, before=named(history.before))


def _instants(rows: pl.DataFrame, now: datetime, last: int) -> list[datetime]:
    """Return the last instants until now at which a row had happened and was known, in order."""
    known = rows.select(pl.max_horizontal(EVENT_TIME, AVAILABLE_AT).alias("at")).filter(pl.col("at") <= now)
    return known["at"].unique().sort().tail(last).to_list()


def _values(answer: Answer) -> dict[str, object]:
    return {name: found.value for name, found in answer.values.items()}
