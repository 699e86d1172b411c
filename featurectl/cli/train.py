"""`featurectl train`."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.registration import registration
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError
from featurectl.core.units import counted, format_count

if TYPE_CHECKING:
    from featurectl.cli.render.models import Aliases
    from featurectl.operations.training.data import TrainingData
    from featurectl.operations.training.train import Trained
    from featurectl.registry.state import ModelVersion, State
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What to train: a model as it is applied, or one of its versions once more."""

    model: str
    from_version: int | None
    is_registered: bool
    allow_pickle: bool


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "train", memory=True)
    def train(
        call: Call,
        model: Annotated[str, typer.Argument(help="An applied model.")],
        from_version: Annotated[
            int | None, typer.Option(help="Train this version once more, on the data that it was trained on.", min=1)
        ] = None,
        register: Annotated[
            bool, typer.Option("--register", help="With --from-version: register what comes out as a new version.")
        ] = False,
        allow_pickle: Annotated[
            bool,
            typer.Option(
                "--allow-pickle", help="Load a pickle that the trainer's command leaves, or a champion to compare with."
            ),
        ] = False,
    ) -> Outcome:
        """Train a model, measure its gates and register the version.

        It builds the training set, fits on the earlier rows and measures on the later ones, or on those of the
        validation source. A version that fails a gate is kept as rejected, and the exit code is 1; the first that
        passes becomes the champion. With `--from-version` it says whether metrics and bytes are the same, and
        registers nothing unless it is told to.
        """
        if register and from_version is None:
            raise UsageError("--register goes with --from-version", hint="without either, train registers the version")
        is_registered = register or from_version is None
        task = _Task(model=model, from_version=from_version, is_registered=is_registered, allow_pickle=allow_pickle)
        return _run(call, task)


def _run(call: Call, task: _Task) -> Outcome:
    from featurectl.cli.unapplied_warning import warn_unapplied
    from featurectl.models.artifact import check_artifacts
    from featurectl.models.command import CommandEnvironment
    from featurectl.operations.training.train import fit_version, register, require_trainer
    from featurectl.registry.applied import choose_version
    from featurectl.workspace.workspace import open_workspace

    with open_workspace(call.root(), call.env, None, "if there") as workspace:
        state = workspace.applied_state()
        warn_unapplied(call, workspace, state)
        if task.is_registered:
            check_artifacts(workspace.offline_location())
        was = None if task.from_version is None else choose_version(state, task.model, str(task.from_version))
        data = _read_data(call, workspace, state, task, was)
        trainer = require_trainer(data.model)
        to = registration(call, workspace, state, workspace.leave(state, by_flag=task.allow_pickle))
        call.progress.start(f"fit {trainer.estimator or trainer.run}")
        commands = CommandEnvironment(
            folder=workspace.root, tell=sys.stderr.write, manifest=data.manifest, allow_pickle=task.allow_pickle
        )
        trained = fit_version(data, commands, to)
        call.progress.done(f"fitted on {counted(trained.version.rows_train, 'row')}")
        if task.is_registered:
            trained = register(trained, data, to)
        aliases = workspace.state().aliases
    _warn(call, trained)
    return _outcome(trained, was, task, aliases)


def _read_data(call: Call, workspace: Workspace, state: State, task: _Task, was: ModelVersion | None) -> TrainingData:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.engines.open import open_engine
    from featurectl.engines.spill import SpillRoom
    from featurectl.models.gates.evaluate import gates_asked
    from featurectl.operations.training.bind import registered_model
    from featurectl.operations.training.data import read_training_data
    from featurectl.operations.training.request import TrainingStores
    from featurectl.operations.training.retrain import read_pinned_data
    from featurectl.operations.training.train import require_trainer

    if was is None:
        definition = registered_model(state, task.model)  # what can't be asked is told before anything is read
        require_trainer(definition)
        gates_asked(definition.gates)
    clocks, engine = NaiveClocks(call, workspace), open_engine(workspace.environment, call.memory_bytes())
    stores = TrainingStores(state=state, offline=workspace.offline(), open_source=clocks.open, now=workspace.now)
    call.progress.start("build the training set")
    with SpillRoom(workspace.spill_folder()) as room:
        if was is None:
            data = read_training_data(engine, task.model, stores, room)
        else:
            data = read_pinned_data(engine, was, stores, room)
    rows = data.rows
    call.progress.done(f"training set: {counted(rows.rows.height, 'row')}, {counted(len(rows.inputs), 'input')}")
    clocks.tell()
    return data


def _warn(call: Call, trained: Trained) -> None:
    from featurectl.cli.render.visible import in_one_line

    if not call.quiet:
        for warning in trained.fitted.warnings:
            sys.stderr.write(f"warning: input {in_one_line(warning.message)}\n")


def _outcome(trained: Trained, was: ModelVersion | None, task: _Task, aliases: Aliases) -> Outcome:
    from featurectl.cli.render.gates import render_rejection
    from featurectl.cli.render.models import render_standing, version_json
    from featurectl.cli.render.retrained import comparison_json, render_comparison
    from featurectl.operations.training.retrain import compare_versions

    version = trained.version
    result = version_json(version, aliases)
    result["warnings"] = [asdict(warning) for warning in trained.fitted.warnings]
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in version.metrics.items())
    text = (
        f"{task.model} version {version.version}: {counted(len(version.inputs), 'input')}, trained on "
        f"{counted(version.rows_train, 'row')}, validated on {_validated_on(version)}\n{metrics}"
    )
    failed = version.status == "rejected"
    text += render_rejection(version.gates) or f"\n{render_standing(version, aliases)}"
    if was is None:
        return Outcome(text=text, result=result, exit_code=int(bool(failed)))
    found = compare_versions(was, version)
    told = render_comparison(was, found)
    result |= {"from_version": was.version, "registered": task.is_registered, **comparison_json(found)}
    text = f"{told}\n{text}" if task.is_registered else told
    return Outcome(text=text, result=result, exit_code=int(bool(found.metrics or failed)))


def _validated_on(version: ModelVersion) -> str:
    source = version.params.get("validation_source")
    rows = format_count(version.rows_validation)
    return f"{rows} of {source}" if source else f"the last {rows}"
