"""How much work a plan makes for the next `materialize`, from the statistics of tables, stores and sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.online.row_places import online_view
from featurectl.plan.plan import Change, Effort, Plan

if TYPE_CHECKING:
    from featurectl.offline.base import OfflineStore
    from featurectl.online.base import OnlineStore
    from featurectl.sources.size import SourceSize


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsStores:
    """Where statistics come from: the stores of an environment (online None: it can't be reached), and its sources."""

    offline: Callable[[], OfflineStore]
    online: OnlineStore | None
    size_of: Callable[[Source], SourceSize]


def measure_plan(plan: Plan, views: Mapping[str, FeatureView], measured: StatisticsStores) -> Plan:
    """Return the plan with the effort of each view that the next `materialize` has work with.

    Raises:
        StoreError: the offline tables can't be read.
    """
    changes = [
        replace(change, effort=_effort(change, views[change.name], plan, measured)) if change.computes else change
        for change in plan.changes
    ]
    return replace(plan, changes=tuple(changes))


def _effort(change: Change, view: FeatureView, plan: Plan, measured: StatisticsStores) -> Effort:
    if change.old_version is None:
        return _first(view, measured)
    name = f"{view.name}@{change.old_version}"
    table = measured.offline().table(view.name, change.old_version, view.key_types)
    coverage = table.coverage()
    if coverage is None:
        return _first(view, measured)
    keys = None
    if measured.online is not None and view.online:
        record = measured.online.read_push_record(online_view(view, change.old_version, plan.project, plan.environment))
        keys = record.entities if record else None
    if change.kind in ("removal", "additive") and {item.name for item in view.inputs} <= coverage.inputs.keys():
        return Effort(basis=f"table {name}", online_keys=keys)
    found = table.statistics()
    return Effort(
        basis=f"table {name}",
        since=None if view.source.static else found.oldest_event,
        until=None if view.source.static else found.newest_event,
        rows=found.rows,
        size_bytes=found.size_bytes,
        online_keys=keys,
    )


def _first(view: FeatureView, measured: StatisticsStores) -> Effort:
    """Return the effort of a view without a table: what its source holds."""
    found = measured.size_of(view.source)
    return Effort(
        basis=f"source {view.source.name}",
        since=found.oldest,
        until=found.newest,
        rows=found.rows,
        size_bytes=found.size_bytes,
    )
