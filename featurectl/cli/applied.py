"""Open a workspace for a command that works on what is applied: a broken file ends none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurectl.core.units import counted

if TYPE_CHECKING:
    from datetime import datetime

    from featurectl.cli.call import Call
    from featurectl.workspace.workspace import Workspace


def open_applied(call: Call, as_of: datetime | None = None) -> Workspace:
    """Return the workspace that a command asks for; how many errors its files have is told on stderr.

    Raises:
        ProblemsError: featurectl.yaml has an error.
        UsageError: there is no such repository or environment.
    """
    from featurectl.workspace.workspace import open_workspace

    workspace = open_workspace(call.root(), call.env, as_of, "applied")
    if errors := workspace.repo.errors:
        told = f"warning: {counted(len(errors), 'error')} in the files, the first at {errors[0].place}"
        call.progress.done(f"{told}; what is applied is used here: featurectl validate")
    return workspace
