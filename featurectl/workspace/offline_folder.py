"""The folder of the offline store, where it is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.errors import StoreError
from featurectl.core.variables import shown_location

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace


def has_offline(workspace: Workspace) -> bool:
    """Return whether the offline folder is there; an object store always is."""
    location = workspace.offline_location()
    return "://" in location or Path(location).is_dir()


def create_offline(workspace: Workspace) -> None:
    """Make the offline folder; an object store needs none.

    Raises:
        StoreError: FC603, it can't be made.
    """
    location = workspace.offline_location()
    if "://" in location:
        return
    try:
        Path(location).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        shown = shown_location(workspace.environment.offline)
        raise StoreError(f"the offline folder {shown} can't be made: {error.strerror}", code="FC603") from error
