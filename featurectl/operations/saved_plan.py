"""The file of `plan --out`, which `apply` takes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.operations.unmade_views import with_unmade
from featurectl.workspace.plain_registry import list_view_columns
from featurectl.workspace.whole_file import write_whole

if TYPE_CHECKING:
    from featurectl.operations.apply import ApplyTarget
    from featurectl.plan.plan import AppliedCommit, Plan
    from featurectl.workspace.workspace import Workspace

_HASH: Final = re.compile(r"[0-9a-f]{40,64}")
_MOST_BYTES: Final = 256 << 20  # a plan of a thousand views has a tenth


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan's file whole: whatever interrupts it, the file is the old one or the new one."""
    from featurectl.plan.saved import dump_plan

    try:
        write_whole(path, dump_plan(plan))
    except OSError as error:
        raise write_failure(f"the plan can't be written to {path}", error) from error


def read_plan(path: Path) -> Plan:
    """Return the plan of a file.

    Raises:
        UsageError: the file can't be read, or holds no plan.
    """
    from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_regular_file
    from featurectl.plan.saved import load_plan

    try:
        return load_plan(read_regular_file(path, _MOST_BYTES).decode("utf-8"), str(path))
    except (NotOwnFileError, FileTooLargeError) as error:
        raise UsageError(f"the plan {path} can't be read: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the plan {path} can't be read: {reason}") from error


def check_project(plan: Plan, path: Path, workspace: Workspace) -> None:
    """Check that a plan is of the workspace's project and environment.

    Raises:
        UsageError: it is a plan for another environment or of another project.
    """
    if plan.environment != workspace.environment.name:
        raise UsageError(
            f"{path} is a plan for environment {plan.environment}, not for {workspace.environment.name}",
            hint=f"leave out --env, or plan with --env {workspace.environment.name}",
        )
    if plan.project != workspace.project:
        raise UsageError(f"{path} is a plan of project {plan.project}, this repository is {workspace.project}")


def decided_again(plan: Plan, path: Path, target: ApplyTarget, workspace: Workspace) -> Plan:
    """Return a saved plan that does what it says, with the commit that was applied by now.

    Raises:
        TryAgainError: the registry has changed since the plan was made.
        UsageError: the plan does something else than it says, or what the language has no words for.
        StoreError: the registry can't be read.
    """
    from featurectl.operations.apply import check_plan_is_current
    from featurectl.plan.recheck import decide_again

    state = target.registry.load_state(plan.project)
    check_plan_is_current(plan, state)
    seen = with_unmade(workspace, state, plan.changes, list_view_columns(workspace), kind="metadata")
    decided = decide_again(plan, state, str(path), seen)
    return replace(decided, applied=_applied(plan, workspace))


def _applied(plan: Plan, workspace: Workspace) -> AppliedCommit | None:
    """Return the commit that was applied last and whether the plan's contains it; what was known of that stays."""
    from featurectl.core.commits import parse_commit
    from featurectl.operations.applied_commit import applied_commit
    from featurectl.workspace.git import read_checkout

    known, commit = plan.applied, parse_commit(plan.commit)
    if (known is not None and known.contained is False) or not _HASH.fullmatch(commit.hash):
        return known
    checkout = read_checkout(workspace.root)
    found = applied_commit(workspace, checkout if checkout.commit is None else replace(checkout, commit=commit))
    return known if found is None or found.contained is None else found
