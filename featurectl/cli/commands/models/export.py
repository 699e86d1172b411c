"""`featurectl models export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import VersionOrChampion
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError


@verb()
def export(
    call: Call,
    model: VersionOrChampion,
    out: Annotated[Path | None, typer.Option(help="A new folder.", metavar="FOLDER")] = None,
) -> Outcome:
    """Write a model version into a folder for others.

    Its file, the same as ONNX, golden rows, the inputs with types, defaults and categories, and how to use them.
    """
    from featurectl.operations.models.export_version import export_version

    if out is None:
        raise UsageError("where to? --out FOLDER is missing", hint="--out exported")
    with open_applied(call) as workspace:
        version, files = export_version(workspace, model, out)
    text = f"{out}: {version.model} version {version.version}, {', '.join(files)}"
    result = {"out": str(out), "model": version.model, "version": version.version, "files": files}
    return Outcome(text=text, result=result)
