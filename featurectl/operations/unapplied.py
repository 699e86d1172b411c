"""A warning when an operation works on what is applied, and the files say something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.operations.unmade_views import plan_workspace
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def warn_unapplied(workspace: Workspace, state: State, progress: Progress) -> None:
    """Report how many objects differ between the files and the registry, if any do.

    Nothing is when the data that says what the files mean can't be read: the operation itself will say so.
    """
    if workspace.repo.errors:
        return
    from featurectl.plan.build import PlanRequest

    plan = plan_workspace(
        workspace, state, PlanRequest(environment=workspace.environment.name, seen=list_view_columns(workspace))
    )
    if not plan.empty and state.serial:
        changed = [change for change in plan.changes if change.kind != "unchanged"]
        first = f"{changed[0].object.replace('_', ' ')} {changed[0].name}"
        what = f"{first} differs" if len(changed) == 1 else f"{first} and {len(changed) - 1} more differ"
        progress.done(f"warning: {what} from what is applied, which is used here: featurectl plan")
