"""How much room an environment takes: its tables, its models, its prediction log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError
from featurectl.workspace.offline_folder import has_offline

if TYPE_CHECKING:
    from featurectl.offline.plain_files import LooseFiles
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSize:
    """What is stored of something, with files of versions that are kept; None where it can't be known."""

    what: str
    files: int | None
    size: int | None


def stored_sizes(workspace: Workspace, state: State) -> list[StoredSize]:
    """Return the size of each table that is kept up, of all models at the place, and of the prediction log."""
    from featurectl.offline.open_plain_files import open_loose
    from featurectl.operations.prediction_log.place import predictions_folder
    from featurectl.registry.applied import served_views

    if not has_offline(workspace):
        return []
    files, location = open_loose(workspace.offline_location()), workspace.offline_location().rstrip("/")
    folders = {f"{o.name}@{o.version}": f"{workspace.project}/{o.name}/v{o.version}" for o in served_views(state)}
    folders |= {"models": "models", "prediction log": predictions_folder(workspace).removeprefix(f"{location}/")}
    return [_measured(what, files, folder) for what, folder in folders.items()]


def _measured(what: str, files: LooseFiles, folder: str) -> StoredSize:
    try:
        found = files.dated(folder)
    except FeaturectlError:
        return StoredSize(what=what, files=None, size=None)
    return StoredSize(what=what, files=len(found), size=sum(file.size for file in found))
