"""How much work a plan makes for the next `materialize`, from the statistics of tables, stores and sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurectl.core.units import format_iso
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
    gone_of: Callable[[Source, Iterable[str]], list[str]]  # the parts among those named that there are no more


def measure_plan(plan: Plan, views: Mapping[str, FeatureView], measured: StatisticsStores) -> Plan:
    """Return the plan with the effort of each view that the next `materialize` has work with.

    Raises:
        StoreError: the offline tables can't be read.
    """
    changes = [
        _measured(change, views[change.name], plan, measured) if change.computes else change for change in plan.changes
    ]
    return replace(plan, changes=tuple(changes))


def _measured(change: Change, view: FeatureView, plan: Plan, measured: StatisticsStores) -> Change:
    if change.resumes:
        table = measured.offline().table(view.name, change.new_version or 0, view.key_types)
        return change if table.coverage() is not None else replace(change, effort=_first(view, measured))
    effort = _effort(change, view, plan, measured)
    lost = "" if change.old_version is None or effort.rows is None else _lost(change, view, measured)
    return replace(change, effort=effort, notes=(*change.notes, lost) if lost else change.notes)


def _lost(change: Change, view: FeatureView, measured: StatisticsStores) -> str:
    """Return what there is to say of rows that a table has, and a new one would not; empty: nothing."""
    entity = view.entity.name if view.entity else ""
    table = measured.offline().table(view.name, change.old_version or 0, view.key_types, entity)
    coverage, oldest = table.coverage(), table.statistics().oldest_event
    if coverage is None or oldest is None or view.transform is not None or view.source.static or view.source.is_stream:
        return ""
    begins = measured.size_of(view.source).oldest
    if gone := measured.gone_of(view.source, coverage.parts):
        from featurectl.operations.materialize.older_version import describe_gone, rows_of_parts

        found = describe_gone(gone, rows_of_parts(coverage, gone), change.old_version or 0)
    elif begins is not None and oldest < begins:
        from featurectl.operations.materialize.lost_rows import before_event, find_rows

        lost = find_rows(table, before_event(begins))
        found = f"v{change.old_version} has {lost} of before what the source holds now, from {format_iso(begins)} on"
    else:
        return ""
    if change.new_version in (None, change.old_version):
        return f"{found}: materialize refuses to make the table anew without these rows (FC501)"
    return f"{found}: v{change.new_version} is made without these rows"


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
    """Return the effort of a view without a table: what its source holds, of a stream its history."""
    source = view.source.history or view.source
    found = measured.size_of(source)
    return Effort(
        basis=f"source {source.name}",
        since=found.oldest,
        until=found.newest,
        rows=found.rows,
        size_bytes=found.size_bytes,
    )
