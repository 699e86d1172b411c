"""Train an applied model, or one of its versions once more, and register what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.progress import Progress
from featurectl.core.units import counted
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.language.typing.own_row import describe_own_row
from featurectl.models.artifact import check_artifacts
from featurectl.models.estimators.make import check_params
from featurectl.models.gates.all_gates import gates_asked
from featurectl.models.trainer_command import CommandEnvironment
from featurectl.operations.training.champion import EvaluationContext, evaluation_context
from featurectl.operations.training.data import TrainingData, read_training_data
from featurectl.operations.training.later_rows import uncomputed_row_warnings
from featurectl.operations.training.retrain import read_pinned_data
from featurectl.operations.training.same_version import MADE_OF, digest_of, find_same
from featurectl.operations.training.train import Trained, fit_version, register, require_trainer
from featurectl.operations.unapplied import warn_unapplied
from featurectl.registry.applied import choose_version, registered_model
from featurectl.workspace.actor import current_actor
from featurectl.workspace.applied_workspace import AppliedWorkspace, read_applied

if TYPE_CHECKING:
    from featurectl.models.input_warnings import InputWarning
    from featurectl.registry.state import ModelVersion, State
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What to train: a model as it is applied, or one of its versions once more, which is registered if asked.

    `again`: also where a version of equal data, code and parameters is there. `allow_pickle`: models that run code when
    they are loaded may. `write` gets what the trainer's command prints.
    """

    model: str
    write: Callable[[str], object]
    from_version: int | None = None
    register: bool = False
    again: bool = False
    allow_pickle: bool = False
    memory_bytes: int | None = None

    @property
    def is_registered(self) -> bool:
        """Whether what comes out becomes a version."""
        return self.register or self.from_version is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """The version that was trained, or is the same, and the aliases as they are then.

    `is_new` False: nothing was trained, for `version` is made of the same, or nothing was registered. `original` is the
    version that it was to be again (None: none). `input_warnings` are what is odd in the rows that it was trained on.
    `offline_views` are the offline-only views that it reads, for which it can't be served. `warnings` say
    which rows lie later than their features were computed, and whether the label counts its own row.
    """

    version: ModelVersion
    is_new: bool
    input_warnings: tuple[InputWarning, ...] = ()
    offline_views: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    original: ModelVersion | None
    aliases: Mapping[tuple[str, str], int]


def train_model(workspace: Workspace, request: TrainRequest, progress: Progress) -> TrainResult:
    """Build the training set, fit, measure the gates and register the version; one that fails a gate is rejected.

    Raises:
        UsageError: there is no such model or version.
        DataError: it has no trainer, or its data can't be read.
        StoreError: a store can't be read or written.
    """
    applied = read_applied(workspace, progress)
    warn_unapplied(workspace, applied.state, progress)
    if request.is_registered:
        check_artifacts(workspace.offline_location())
    number = request.from_version
    original = None if number is None else choose_version(applied.state, request.model, str(number))
    context = evaluation_context(applied, allow_pickle=request.allow_pickle, memory_bytes=request.memory_bytes)
    data = _read_data(context, applied, request.model, original, progress)
    warnings = tuple(_warnings(data, applied.now))
    for text in warnings:
        progress.done(f"warning: {text}")
    made_of = digest_of(data, workspace.root)
    same = None
    if made_of is not None:
        data = replace(data, manifest={**data.manifest, MADE_OF: made_of})
        if original is None and not request.again:
            same = find_same(made_of, request.model, context)
    trained = _fit(context, data, request, progress) if same is None else None
    version = trained.version if trained is not None else same
    assert version is not None
    return TrainResult(
        version=version,
        is_new=trained is not None and request.is_registered,
        input_warnings=() if trained is None else trained.fitted.warnings,
        offline_views=tuple(_offline_views(applied.state, version)),
        warnings=warnings,
        original=original,
        aliases=workspace.state().aliases,
    )


def _warnings(data: TrainingData, now: datetime) -> Iterator[str]:
    """Give a sentence on a label that counts its own row, and on rows later than tables were computed.

    Rows later than now are left out, and counted there.
    """
    if own_row := describe_own_row(data.model.spine):
        yield own_row
    yield from uncomputed_row_warnings(data.rows.spine, data.rows.views.values(), now)
    if data.holdout is not None:
        for text in uncomputed_row_warnings(data.holdout.spine, data.holdout.views.values(), now):
            yield f"validation source: {text}"


def _offline_views(state: State, version: ModelVersion) -> Iterator[str]:
    for name, number in version.view_versions.items():
        registered = state.view(name, number)
        if registered is not None and not load_untyped_view(registered.definition).online:
            yield name


def _read_data(
    context: EvaluationContext, applied: AppliedWorkspace, model: str, again: ModelVersion | None, progress: Progress
) -> TrainingData:
    if again is None:
        definition = registered_model(applied.state, model)  # what can't be done is an error before anything is read
        trainer = require_trainer(definition)
        if trainer.estimator is not None:
            check_params(trainer.estimator, trainer.params)
        gates_asked(definition.gates)
    progress.start("build the training set")
    with SpillRoom(applied.workspace.spill_folder()) as room:
        if again is None:
            data = read_training_data(context.engine, model, applied, room)
        else:
            data = read_pinned_data(context.engine, again, applied, room)
    rows = data.rows
    progress.done(f"training set: {counted(rows.rows.height, 'row')}, {counted(len(rows.inputs), 'input')}")
    applied.sources.report()
    return data


def _fit(context: EvaluationContext, data: TrainingData, request: TrainRequest, progress: Progress) -> Trained:
    trainer, root = require_trainer(data.model), context.workspace.root
    actor = current_actor(root, progress)
    progress.start(f"fit {trainer.estimator or trainer.run}")
    environment = CommandEnvironment(
        folder=root,
        report=request.write,
        manifest=data.manifest,
        allow_pickle=request.allow_pickle,
        memory_bytes=context.engine.memory_bytes,
    )
    trained = fit_version(data, environment, actor)
    version = trained.version
    rows = f"{counted(version.rows_train, 'row')}, {version.rows_validation:,} to judge it"
    left_out = sum(version.left_out.values())
    progress.done(f"fitted on {rows}{f'; {left_out:,} left out' if left_out else ''}")
    return register(trained, data, context, actor) if request.is_registered else trained
