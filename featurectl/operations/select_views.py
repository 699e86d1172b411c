"""Choose applied views by name, or by `--select`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.operations.unmade_views import plan_workspace
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from featurectl.identity.lineage import Ref
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def select_views(workspace: Workspace, state: State, names: Sequence[str], terms: Sequence[str]) -> list[str]:
    """Return the names of views, and of the applied ones that the terms choose; nothing stands for all of them.

    Raises:
        UsageError: a term chooses nothing, or all of them no view that is applied.
    """
    if not terms:
        return list(names)
    refs = select_refs(workspace, state, terms)
    chosen = {ref.name for ref in refs if ref.kind == "feature_view" and state.current("feature_view", ref.name)}
    if not chosen:
        raise UsageError(f"--select {' '.join(terms)} chooses no feature view that is applied", hint="featurectl plan")
    return sorted({*names, *chosen})


def select_refs(workspace: Workspace, state: State, terms: Sequence[str]) -> frozenset[Ref]:
    """Return the objects of the files, and those that they leave out, that terms choose; `state:` is against a plan.

    Raises:
        UsageError: a term chooses nothing.
    """
    from featurectl.identity.lineage import build_graph
    from featurectl.identity.selection import select_objects
    from featurectl.language.repo import runs_of
    from featurectl.plan.build import PlanRequest
    from featurectl.plan.selection import candidates

    repo = workspace.repo
    plan = plan_workspace(
        workspace, state, PlanRequest(environment=workspace.environment.name, seen=list_view_columns(workspace))
    )
    graph = build_graph(repo.views.values(), repo.models.values(), repo.sources.values(), runs_of(repo))
    return select_objects(terms, candidates(repo, plan.changes), graph)
