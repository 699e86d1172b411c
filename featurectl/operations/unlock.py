"""Remove the lock of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.registry.base import Lock
    from featurectl.workspace.workspace import Workspace


def unlock_project(workspace: Workspace, lock_id: str) -> Lock:
    """Remove the lock of the workspace's project that has this ID, and return what it was.

    Raises:
        UsageError: the project has no lock, or another one.
        StoreError: the registry can't be written.
    """
    return workspace.registry().unlock(workspace.project, lock_id)
