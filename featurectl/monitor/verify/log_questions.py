"""The rows of a prediction log as questions to the offline tables: a group for each view version, join and defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.frames.types import polars_dtype
from featurectl.language.definitions.model import FeatureInput, ModelInput
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.alternatives import TablePast
from featurectl.monitor.verify.later_begin import moved_begin
from featurectl.monitor.verify.log_clocks import RowClocks, is_true_as_computed, row_clocks
from featurectl.monitor.verify.log_rows import KNOWN, LOGGED, key_column
from featurectl.monitor.verify.served_rows import ServedRows
from featurectl.operations.views import BoundView

_NEVER: Final = "the view had never been pushed"
_BEFORE: Final = "asked as of an instant before the push that answered"
_AHEAD: Final = "served later than the offline table knows: featurectl materialize"
_GONE: Final = "the table was rebuilt since, and begins later"
_IN_GAP: Final = "its stream had lost stamps by then, as its log says"


@dataclass(slots=True, kw_only=True)
class Group:
    """Inputs of one view version under one join, with at most one default a feature; `names` maps them to features."""

    view: str
    version: int
    join: Mapping[str, str]
    names: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`view@version`."""
        return f"{self.view}@{self.version}"

    def takes(self, item: FeatureInput) -> bool:
        """Return whether an input can be answered with the others: no other default of its feature is among them."""
        if (item.view, dict(item.join)) != (self.view, dict(self.join)):
            return False
        return item.feature not in self.names.values() or self.defaults.get(item.feature) == item.default

    def add(self, item: FeatureInput) -> None:
        """Take an input."""
        self.names[item.name] = item.feature
        if item.default is not None:
            self.defaults[item.feature] = item.default


def group_inputs(inputs: Sequence[ModelInput], versions: Mapping[str, int]) -> list[Group]:
    """Return the feature inputs of a model in groups."""
    groups: list[Group] = []
    for item in inputs:
        if isinstance(item, FeatureInput):
            group = next((g for g in groups if g.takes(item)), None)
            if group is None:
                group = Group(view=item.view, version=versions[item.view], join=item.join)
                groups.append(group)
            group.add(item)
    return groups


def log_columns(groups: Sequence[Group]) -> list[str]:
    """Return the columns of the log that replaying some groups needs."""
    keys = [name for group in groups for name in group.join.values()]
    columns = [*keys, *(f"request.{name}" for name in keys)]
    for group in groups:
        columns += [f"{kind}.{name}" for name in group.names for kind in ("feature", "status")]
        columns.append(f"computed_at.{group.label}")
    return list(dict.fromkeys([*columns, KNOWN, LOGGED]))


def served_rows(group: Group, bound: BoundView, log: pl.DataFrame, known: TablePast) -> tuple[ServedRows, pl.Series]:
    """Return the rows of a log that can be replayed for a group, and for each row why it can't be, null where it can.

    Rows of requests that failed are to be left out before.
    """
    place = f"computed_at.{group.label}"
    absent = pl.Series(place, [None] * log.height, dtype=INSTANT)
    pushed = log[place] if place in log.columns else absent
    clocks = row_clocks(bound.view, log, pushed)
    reasons = _reasons(group, bound, log, clocks, known)
    kept = reasons.is_null()
    keys = [
        key_column(log, group.join[key]).cast(polars_dtype(dtype)).alias(key)
        for key, dtype in bound.view.key_types.items()
    ]
    statuses = [f"status.{name}" for name in group.names]
    whole = ServedRows(
        bound=bound,
        names=group.names,
        defaults=group.defaults,
        keys=pl.DataFrame(keys),
        at=clocks.at,
        read_at=clocks.read_at,
        pushed=pushed,
        known=clocks.known,
        logged=log[LOGGED] if LOGGED in log.columns else None,
        expired=log.select(pl.any_horizontal(pl.col(statuses) == "EXPIRED").fill_null(value=False)).to_series(),
        values=log.select(pl.col(f"feature.{name}").alias(name) for name in group.names),
    )
    return whole.some(kept), reasons


def _reasons(group: Group, bound: BoundView, log: pl.DataFrame, clocks: RowClocks, known: TablePast) -> pl.Series:
    """Return why a row can't be replayed, null where it can."""
    instants = [clocks.at.alias("at"), clocks.read_at.alias("read"), clocks.pushed.alias("pushed")]
    frame = log.select(f"status.{name}" for name in group.names).with_columns(*instants, clocks.is_event.alias("event"))
    found = pl.all_horizontal(pl.col(f"status.{name}") == "NOT_FOUND" for name in group.names)
    later = pl.col("pushed") > pl.col("read")
    is_pushed_event = bound.view.kind == "event" and not bound.view.source.is_stream
    before = later & (found | ~pl.col("event")) if is_pushed_event else later & found
    never = pl.col("pushed").is_null() & is_true_as_computed(bound.view)
    reason = pl.when(never).then(pl.lit(_NEVER)).when(before.fill_null(value=False)).then(pl.lit(_BEFORE))
    if bound.asof is not None:
        reason = reason.when(pl.col("pushed") > pl.lit(bound.asof, dtype=INSTANT)).then(pl.lit(_AHEAD))
    elif bound.view.source.is_stream:  # the table has the history alone, and nothing of the log yet
        reason = reason.when(pl.col("pushed").is_not_null()).then(pl.lit(_AHEAD))
    for after, until in known.gaps:
        is_inside = (pl.col("pushed") > pl.lit(after, INSTANT)) & (pl.col("pushed") <= pl.lit(until, INSTANT))
        reason = reason.when(is_inside).then(pl.lit(_IN_GAP))
    begin = moved_begin(bound, known.history)
    if begin is not None:
        instant = pl.col("at").to_physical()
        ahead_us = 0 if begin.rebuild_id == known.pushed_of else 1  # one instant, and no push since: it was before
        from_before = pl.col("pushed").to_physical() < begin.rebuilt_us + ahead_us
        reach = reach_us(bound.view)
        reaches = pl.lit(value=True) if reach is None else instant - reach < begin.since_us
        reason = reason.when(from_before & reaches).then(pl.lit(_GONE))
    return frame.select(reason.otherwise(pl.lit(None, pl.String)).alias("reason")).to_series()


def reach_us(view: FeatureView) -> int | None:
    """Return how far before an instant rows may lie that count then; None: there is no end."""
    if view.kind != "event":
        return view.ttl_us
    reaches = [None if f.window_us is None else f.window_us + f.offset_us for f in view.features]
    known = [us for us in reaches if us is not None]
    return None if len(known) < len(reaches) else max(known, default=0) + (view.hop_us or 0)
