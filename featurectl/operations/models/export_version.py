"""Write a version of a model into a folder for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.models.export import write_export
from featurectl.operations.models.versions import find_version
from featurectl.operations.scoring.scorer import trained_model

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace


def export_version(workspace: Workspace, name: str, folder: Path) -> tuple[ModelVersion, list[str]]:
    """Return the version that `MODEL@3` or `MODEL@champion` names, and the files that were written of it.

    Raises:
        UsageError: there is no such version, or the folder holds something.
        DataError: FC512, a file of it is gone or is another.
    """
    version = find_version(workspace, name).version
    output = trained_model(version).output_name
    return version, write_export(version, output, workspace.offline_location(), folder)
