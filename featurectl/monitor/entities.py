"""How many entities of a view are served values that are too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.units import moved_by
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import OfflineTable
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_ROWS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleEntities:
    """How many entities have a row, and how many of them one that is too old."""

    entities: int
    stale: int


def count_stale(
    view: FeatureView, table: OfflineTable, served_at: datetime | None, now: datetime
) -> StaleEntities | None:
    """Return how many entities of a state view are stale at `now`, of those with a row at `served_at`.

    Served is an entity's newest row by event time, then availability, of those that had happened and were known when
    the values were computed. It is stale when it is older than `ttl` (what is read then is EXPIRED), or became
    available longer than `error_after` ago. None where nothing says what is too old, or the view has no rows with a
    time: neither a `ttl` nor an `error_after`, windows, a static source.

    Reads the keys and the clocks of all rows of the table, a million at a time; keeps a row an entity.
    """
    bound = view.freshness.error_after_us if view.freshness else None
    if view.kind == "event" or view.source.static or (view.ttl_us is None and bound is None):
        return None
    version = table.version()
    if version is None:
        return None
    until = now if served_at is None else min(now, served_at)
    newest = _newest_rows(table, version, view.keys, until)
    if newest is None:
        return StaleEntities(entities=0, stale=0)
    stale = _older(EVENT_TIME, now, view.ttl_us) | _older(AVAILABLE_AT, now, bound)
    return StaleEntities(entities=newest.height, stale=newest.filter(stale).height)


def _newest_rows(table: OfflineTable, version: int, keys: Sequence[str], until: datetime) -> pl.DataFrame | None:
    """Return the newest row of each entity that had happened and was known at `until`: its keys and clocks.

    None for a table without a file.
    """
    seen: pl.DataFrame | None = None
    columns = [*keys, EVENT_TIME, AVAILABLE_AT]
    for block in table.blocks(version, _ROWS, columns):
        known = block.filter((pl.col(EVENT_TIME) <= until) & (pl.col(AVAILABLE_AT) <= until))
        both = known if seen is None else pl.concat([seen, known])
        seen = _newest_of(both, keys)
    return seen


def _newest_of(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    asked = [pl.col(EVENT_TIME).max(), pl.col(AVAILABLE_AT).max()]
    if not keys:
        return rows.filter(pl.col(EVENT_TIME) == pl.col(EVENT_TIME).max()).select(asked).drop_nulls()
    last = rows.lazy().group_by(keys).agg(pl.col(EVENT_TIME).max())
    return rows.lazy().join(last, on=[*keys, EVENT_TIME], how="semi").group_by(keys).agg(asked).collect()


def _older(clock: str, now: datetime, bound_us: int | None) -> pl.Expr:
    return pl.lit(value=False) if bound_us is None else pl.col(clock) < moved_by(now, -timedelta(microseconds=bound_us))
