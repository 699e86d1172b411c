"""`featurectl models import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_with
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.operations.models.import_model import ImportedVersion

FileOption = Annotated[
    Path | None, typer.Option(help="The model: .onnx, .txt, .ubj, .json, .cbm or .skops.", metavar="FILE")
]
Mlflow = Annotated[Path | None, typer.Option(help="Or a folder that MLflow saved.", metavar="FOLDER")]
Sample = Annotated[
    str | None, typer.Option(help="Rows to prove it on; the model's spine by default.", metavar="FILE|SOURCE")
]
AllowPickle = Annotated[bool, typer.Option("--allow-pickle", help="Load a model that runs code when it is loaded.")]

_NO_EVIDENCE: Final = "There is no evidence for it: nobody here has seen the rows that it was trained on."


@verb(memory=True)
def import_model(
    call: Call,
    model: Annotated[str, typer.Argument(help="An applied model.")],
    file: FileOption = None,
    mlflow: Mlflow = None,
    sample: Sample = None,
    allow_pickle: AllowPickle = False,
) -> Outcome:
    """Register a model that was trained elsewhere as a version.

    Its inputs are the features of the model in the files, in their order. Rows of the model's spine become its
    golden rows, and measure it where they have a label. It does not become the champion by itself: nobody here has
    seen what it was trained on; `models promote` makes it that.
    """
    from featurectl.operations.models.import_model import ImportRequest, file_of, import_version

    request = ImportRequest(
        model=model,
        file=file,
        mlflow=mlflow,
        sample=sample,
        allow_pickle=allow_pickle,
        memory_bytes=call.memory_bytes(),
    )
    file_of(request)  # before the repository is read: it may be one of another kind
    with open_with(call, "if there") as workspace:
        imported = import_version(workspace, request, call.progress)
    for warning in imported.warnings:
        call.progress.done(f"warning: {warning}")
    return _outcome(imported)


def _outcome(imported: ImportedVersion) -> Outcome:
    from featurectl.render.gates import render_rejection
    from featurectl.render.models import render_standing, version_json

    version, aliases = imported.version, imported.aliases
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in version.metrics.items())
    text = (
        f"{version.model} version {version.version}: {counted(len(version.inputs), 'input')}, imported from "
        f"{imported.path.name}, proven on {counted(imported.rows, 'row')}\n{metrics}"
    ).rstrip()
    text += render_rejection(version.gates) or f"\n{_NO_EVIDENCE}\n{render_standing(version, aliases)}"
    rejected = version.status == "rejected"
    result = {**version_json(version, aliases), "warnings": list(imported.warnings)}
    return Outcome(text=text, result=result, exit_code=int(rejected))
