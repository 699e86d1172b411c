"""`featurectl models import` and `featurectl models export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.registration import registration
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.language.definitions.objects import Model
    from featurectl.operations.training.training_set import TrainingSet
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group `models`."""
    _add_import(group)
    _add_export(group)


def _add_import(group: typer.Typer) -> None:
    @verb(group, "import", memory=True)
    def import_(
        call: Call,
        model: Annotated[str, typer.Argument(help="An applied model.")],
        file: Annotated[
            Path | None, typer.Option(help="The model: .onnx, .txt, .ubj, .json, .cbm or .skops.", metavar="FILE")
        ] = None,
        mlflow: Annotated[Path | None, typer.Option(help="Or a folder that MLflow saved.", metavar="FOLDER")] = None,
        sample: Annotated[
            str | None, typer.Option(help="Rows to prove it on; the model's spine by default.", metavar="FILE|SOURCE")
        ] = None,
        allow_pickle: Annotated[
            bool, typer.Option("--allow-pickle", help="Load a model that runs code when it is loaded.")
        ] = False,
    ) -> Outcome:
        """Register a model that was trained elsewhere as a version.

        Its inputs are the features of the model in the files, in their order. Rows of the model's spine become its
        golden rows, and measure it where they have a label.
        """
        from featurectl.cli.render.gates import render_rejection
        from featurectl.cli.render.models import render_standing, version_json
        from featurectl.models.export import exported_categories
        from featurectl.models.foreign import read_foreign
        from featurectl.models.formats import format_of_file
        from featurectl.models.isolation.limits import limits_of
        from featurectl.models.isolation.process import open_process
        from featurectl.models.mlflow import mlflow_file
        from featurectl.operations.training.bind import registered_model
        from featurectl.operations.training.imported import import_model
        from featurectl.workspace.workspace import open_workspace

        if (file is None) == (mlflow is None):
            raise UsageError("which model? give --file FILE or --mlflow FOLDER, one of them")
        path, kind = mlflow_file(mlflow) if mlflow is not None else (file or Path(), format_of_file(file or Path()))
        limits = limits_of(call.memory_bytes())
        with open_workspace(call.root(), call.env, None, "if there") as workspace, open_process(limits) as process:
            state = workspace.applied_state()
            definition = registered_model(state, model)
            leave = workspace.leave(state, by_flag=allow_pickle)
            found = read_foreign(path, kind, leave, definition, process)
            exported = exported_categories(path) if mlflow is None else {}
            rows = _sample(call, workspace, state, (definition, sample))
            to = registration(call, workspace, state, leave)
            version = import_model(definition, rows, found, exported, to)
            aliases = workspace.state().aliases
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in version.metrics.items())
        text = (
            f"{model} version {version.version}: {counted(len(version.inputs), 'input')}, imported from {path.name}, "
            f"proven on {counted(rows.rows.height, 'row')}"
        )
        told = f"{text}\n{metrics}".rstrip()
        told += render_rejection(version.gates) or f"\n{render_standing(version, aliases)}"
        return Outcome(text=told, result=version_json(version, aliases), exit_code=int(version.status == "rejected"))


def _add_export(group: typer.Typer) -> None:
    @verb(group, "export")
    def export(
        call: Call,
        model: Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")],
        out: Annotated[Path | None, typer.Option(help="A new folder.", metavar="FOLDER")] = None,
    ) -> Outcome:
        """Write a model version into a folder for others.

        Its file, the same as ONNX, golden rows, the inputs with types, defaults and categories, and how to use them.
        """
        from featurectl.models.export import write_export
        from featurectl.operations.scoring.scorer import trained_model
        from featurectl.registry.applied import choose_version

        if out is None:
            raise UsageError("where to? --out FOLDER is missing", hint="--out exported")
        name, _, which = model.partition("@")
        with open_applied(call) as workspace:
            version = choose_version(workspace.applied_state(), name, which or "champion")
            files = write_export(version, trained_model(version).output_name, workspace.offline_location(), out)
        text = f"{out}: {name} version {version.version}, {', '.join(files)}"
        return Outcome(text=text, result={"out": str(out), "model": name, "version": version.version, "files": files})


def _sample(call: Call, workspace: Workspace, state: State, of: tuple[Model, str | None]) -> TrainingSet:
    """Return rows with the features of a model: of its own spine, or of the one that is named."""
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.engines.open import open_engine
    from featurectl.engines.spill import SpillRoom
    from featurectl.operations.training.bind import bind_newest, view_names
    from featurectl.operations.training.choose import read_spine
    from featurectl.operations.training.label import read_target
    from featurectl.operations.training.training_set import build_training_set

    definition, named = of
    views = bind_newest(state, workspace.offline(), view_names(definition.inputs))
    clocks, engine = NaiveClocks(call, workspace), open_engine(workspace.environment, call.memory_bytes())
    call.progress.start("join features to the sample")
    spine = read_spine(clocks.open, state, definition, named)
    with SpillRoom(workspace.spill_folder()) as room:
        target = read_target(engine, definition.spine.label, clocks.open, workspace.now, room)
        rows = build_training_set(engine, spine, definition.inputs, views, target)
    call.progress.done(f"sample: {counted(rows.rows.height, 'row')} of {spine.origin}")
    clocks.tell()
    return rows
