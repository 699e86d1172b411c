"""Whether others keep data at the place of an environment's offline store, of which its registry knows nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from featurectl.core.variables import expand_set
from featurectl.offline.open_plain_files import open_loose

if TYPE_CHECKING:
    from featurectl.offline.plain_files import LooseFiles
    from featurectl.workspace.workspace import Workspace


def has_models_of_others(workspace: Workspace) -> bool:
    """Return whether files of models may be of versions that another registry knows, or another project."""
    return is_shared(workspace) or has_other_projects(workspace, open_loose(workspace.offline_location()))


def has_other_projects(workspace: Workspace, files: LooseFiles) -> bool:
    """Return whether other projects than the workspace's keep their tables, or models, at a place."""
    return not set(files.folders("")) <= {"models", workspace.project}


def is_shared(workspace: Workspace) -> bool:
    """Return whether another environment has the same place for its tables, and another registry that knows of them."""
    here = workspace.environment
    others = [each for each in workspace.repo.environments.values() if each.registry != here.registry]
    return any(_place(workspace, each.offline) == _place(workspace, here.offline) for each in others)


def _place(workspace: Workspace, offline: str) -> str:
    """Return where an offline store is, however it is written; with variables that are not set here as they stand."""
    filled = expand_set(offline, workspace.environ)
    return filled.rstrip("/") if "://" in filled else os.path.realpath(workspace.root / filled)
