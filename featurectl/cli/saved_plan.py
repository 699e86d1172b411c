"""The file of `plan --out`, which `apply` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.cli.whole_file import write_whole
from featurectl.errors import UsageError

if TYPE_CHECKING:
    from featurectl.open import Workspace
    from featurectl.plan.model import Plan


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan's file whole: whatever interrupts it, the file is the old one or the new one."""
    from featurectl.plan.saved import dump_plan

    try:
        write_whole(path, dump_plan(plan))
    except OSError as error:
        raise UsageError(f"the plan can't be written to {path}: {error.strerror}") from error


def read_plan(path: Path) -> Plan:
    """Return the plan of a file.

    Raises:
        UsageError: the file can't be read, or holds no plan.
    """
    from featurectl.plan.saved import load_plan

    try:
        return load_plan(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the plan {path} can't be read: {reason}") from error


def refuse_foreign(plan: Plan, path: Path, workspace: Workspace) -> None:
    """Do nothing for a plan of the workspace's project and environment.

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
