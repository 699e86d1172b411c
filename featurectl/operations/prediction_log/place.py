"""Where the prediction log lies."""

from __future__ import annotations

from featurectl.workspace.workspace import Workspace


def predictions_folder(workspace: Workspace) -> str:
    """Return where the predictions of the environment are, or would be."""
    place = workspace.offline_location().rstrip("/")
    return f"{place}/{workspace.project}/predictions/{workspace.environment.name}"
