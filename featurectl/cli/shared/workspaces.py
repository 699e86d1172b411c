"""How a command opens the workspace that its options name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.cli.shared.call import Call
    from featurectl.workspace.open import Data
    from featurectl.workspace.workspace import Workspace


def open_with(call: Call, data: Data) -> Workspace:
    """Return the workspace as `featurectl.workspace.open` does; for whom its registry waits is reported."""
    from featurectl.workspace.open import open_workspace

    workspace = open_workspace(call.root(), call.env, call.instant(), data, clock=call.clock_reading())
    workspace.on_wait = call.progress.done
    return workspace


def open_applied(call: Call) -> Workspace:
    """Return it for a command that works on what is applied, whatever the files say: only featurectl.yaml is read.

    Raises:
        ProblemsError: featurectl.yaml has an error.
        UsageError: there is no such repository or environment.
    """
    return open_with(call, "project file")
