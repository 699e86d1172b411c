"""What needs no SQLAlchemy, which takes long to load, where a registry is a plain SQLite file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurectl.registry.base import HistoryEntry, Pin, SeenColumns
    from featurectl.workspace.workspace import Workspace


def find_last_apply(workspace: Workspace) -> HistoryEntry | None:
    """Return the newest change that was applied from a commit, without its plan; None: there is none."""
    from featurectl.registry.file import read_last_apply

    found = read_last_apply(file, workspace.project) if (file := workspace.registry_file()) else None
    return workspace.registry().read_last_apply(workspace.project) if found is None else next(iter(found), None)


def list_pins(workspace: Workspace) -> Sequence[Pin]:
    """Return the versions of the project's offline tables that must stay readable."""
    from featurectl.registry.file import read_pins

    found = read_pins(file, workspace.project) if (file := workspace.registry_file()) else None
    return workspace.registry().read_pins(workspace.project) if found is None else found


def pin_tables(workspace: Workspace, pins: Sequence[Pin]) -> None:
    """Keep versions of offline tables readable; a pin that is there already stays as it is.

    Raises:
        StoreError: FC601, the registry can't be written.
    """
    from featurectl.registry.file import write_pins

    if not ((file := workspace.registry_file()) and write_pins(file, workspace.project, pins)):
        workspace.registry().write_pins(workspace.project, pins)


def list_view_columns(workspace: Workspace) -> SeenColumns:
    """Return the types of columns that the definitions of view versions do not say, as their tables have them."""
    from featurectl.registry.file import read_view_columns

    found = read_view_columns(file, workspace.project) if (file := workspace.registry_file()) else None
    return workspace.registry().read_view_columns(workspace.project) if found is None else found


def keep_view_columns(workspace: Workspace, seen: SeenColumns) -> None:
    """Keep the types of columns that the definitions of view versions do not say.

    Raises:
        StoreError: FC601, the registry can't be written.
    """
    from featurectl.registry.file import write_view_columns

    if not ((file := workspace.registry_file()) and write_view_columns(file, workspace.project, seen)):
        workspace.registry().write_view_columns(workspace.project, seen)


def read_registry_clock(workspace: Workspace) -> datetime:
    """Return the time by the clock that all share who use the registry; of a file it is this machine's."""
    return datetime.now(UTC) if workspace.registry_file() else workspace.registry().clock()
