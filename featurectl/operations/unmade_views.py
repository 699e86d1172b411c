"""View versions that nothing was ever made of: to declare the types of their sources breaks nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import FeaturectlError
from featurectl.workspace.offline_folder import has_offline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurectl.plan.build import PlanRequest
    from featurectl.plan.plan import Change, ChangeKind, Plan
    from featurectl.registry.base import SeenColumns
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace

_NOT_KNOWN: Final = (UNKNOWN, "-")


def plan_workspace(workspace: Workspace, state: State, request: PlanRequest) -> Plan:
    """Return the plan of a workspace's files; what it says to break is looked at once more where nothing was made.

    Raises:
        UsageError: as `plan_repo` does.
    """
    from featurectl.plan.build import plan_repo

    plan = plan_repo(workspace.repo, state, request)
    seen = with_unmade(workspace, state, plan.changes, request.seen, kind="breaking")
    return plan if seen == request.seen else plan_repo(workspace.repo, state, replace(request, seen=seen))


def with_unmade(
    workspace: Workspace, state: State, changes: Iterable[Change], seen: SeenColumns, *, kind: ChangeKind
) -> SeenColumns:
    """Return the columns that were seen, none of them of each view version that nothing was made of.

    Those are looked at that a change of a kind gives types which nobody knew, and that no model is bound to. A
    registry that has seen columns of a version knows that a table was made of it, in whatever environment.
    """
    from featurectl.registry.lineage import bound_versions

    unmade: dict[tuple[str, int], dict[str, str]] = {}
    made = {(place.partition("/")[0], version) for place, version in seen}
    for change in changes:
        item = state.current(change.object, change.name) if change.object == "feature_view" else None
        if item is None or change.kind != kind or not _gives_types(change):
            continue
        place = (item.name, item.version)
        if place not in made and not bound_versions(state, *place) and not _has_table(workspace, item):
            unmade[place] = {}
    return {**seen, **unmade} if unmade else seen


def _gives_types(change: Change) -> bool:
    return any(".columns." in reason.field and reason.old in _NOT_KNOWN for reason in change.reasons)


def _has_table(workspace: Workspace, item: ObjectVersion) -> bool:
    """Return whether a view version has a table; a store that can't be read may have one."""
    from featurectl.language.definitions.json_form import load_untyped_view
    from featurectl.operations.views import view_table

    try:
        if not has_offline(workspace):
            return False
        view = load_untyped_view(item.definition)
        return view_table(workspace.offline(), view, item.version).version() is not None
    except FeaturectlError:
        return True
