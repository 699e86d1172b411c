"""Where the prediction log lies."""

from __future__ import annotations

from typing import Final

from featurectl.workspace.workspace import Workspace

LOGGED_EVERY_S: Final = 10.0  # how long a server holds rows at most before it writes a file


def predictions_folder(workspace: Workspace) -> str:
    """Return where the predictions of the environment are, or would be."""
    place = workspace.offline_location().rstrip("/")
    return f"{place}/{workspace.project}/predictions/{workspace.environment.name}"
