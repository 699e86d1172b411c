"""A warning when an operation works on what is applied, and the files say something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurectl.core.units import counted
from featurectl.operations.unmade_views import plan_workspace
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.language.problems.codes import Problem
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def broken_files_line(errors: Sequence[Problem]) -> str:
    """Return what a command that works on what is applied says of files with errors."""
    found = f"warning: {counted(len(errors), 'error')} in the files, the first at {errors[0].place}"
    return f"{found}; what is applied is used here: featurectl validate"


def _is_of_data(error: Problem) -> bool:
    return error.code.startswith("FC5")


def warn_unapplied(workspace: Workspace, state: State, progress: Progress) -> None:
    """Report how many objects differ between the files and the registry, if any do, or that the files have errors.

    Nothing is when the data that says what the files mean can't be read: the operation itself will say so.
    """
    if errors := workspace.repo.errors:
        if broken := [
            error for error in errors if not _is_of_data(error) and error not in workspace.repo.test_problems
        ]:
            progress.done(broken_files_line(broken))
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
