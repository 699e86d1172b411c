"""Register a model that was trained elsewhere, proven on rows with the features of the model in the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.core.memory import free_memory, memory_of_rows
from featurectl.core.progress import Progress
from featurectl.core.units import counted
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.model import views_read
from featurectl.models.all_model_formats import format_of_file
from featurectl.models.export import exported_categories
from featurectl.models.external_model import read_foreign
from featurectl.models.isolation.limits import limits_of
from featurectl.models.isolation.process import open_process
from featurectl.models.matrix import MatrixForm
from featurectl.models.mlflow import mlflow_file
from featurectl.models.stored_precision import warn_of_float64
from featurectl.operations.training.champion import EvaluationContext, evaluation_context
from featurectl.operations.training.choose_spine import NamedSpine, read_spine
from featurectl.operations.training.imported import ImportedModel, import_model
from featurectl.operations.training.label import read_target
from featurectl.operations.training.training_set import TrainingSet, build_training_set
from featurectl.operations.views import bind_newest
from featurectl.registry.applied import registered_model
from featurectl.workspace.actor import current_actor
from featurectl.workspace.applied_workspace import AppliedWorkspace, read_applied

if TYPE_CHECKING:
    from featurectl.language.definitions.model import Model
    from featurectl.operations.models.versions import Aliases
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """A model's file, or a folder that MLflow saved, and the rows to prove it on (None: the model's spine)."""

    model: str
    file: Path | None = None
    mlflow: Path | None = None
    sample: str | None = None
    allow_pickle: bool = False
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedVersion:
    """The version that a file became, the rows that it was proven on, and the aliases as they are then.

    `warnings` say what is odd about its scores.
    """

    version: ModelVersion
    path: Path
    rows: int
    aliases: Aliases
    warnings: tuple[str, ...] = ()


def import_version(workspace: Workspace, request: ImportRequest, progress: Progress) -> ImportedVersion:
    """Register a version; one that fails a gate is kept as rejected.

    Raises:
        UsageError: the file is no model that can be read, or not one of this model's inputs.
        DataError: it can't be proven on the rows.
        StoreError: a store can't be read or written.
    """
    path, kind = file_of(request)
    memory_bytes = request.memory_bytes or memory_of_rows(free_memory() // 2)
    with open_process(limits_of(memory_bytes)) as process:
        applied = read_applied(workspace, progress)
        definition = registered_model(applied.state, request.model)
        context = evaluation_context(applied, allow_pickle=request.allow_pickle, memory_bytes=request.memory_bytes)
        found = read_foreign(path, kind, context.pickles, definition, process)
        exported = exported_categories(path) if request.mlflow is None else {}
        rows = _sample(context, applied, definition, request.sample, progress)
        imported = ImportedModel(found=found, exported=exported)
        version = import_model(definition, rows, imported, context, current_actor(workspace.root, progress))
        warnings = warn_of_float64(found, MatrixForm(inputs=version.inputs), rows.values)
        aliases = workspace.state().aliases
    return ImportedVersion(version=version, path=path, rows=rows.rows.height, aliases=aliases, warnings=warnings)


def file_of(request: ImportRequest) -> tuple[Path, str]:
    """Return the file, and its format.

    Raises:
        UsageError: none of both is named, or it is no file of a model.
    """
    if request.mlflow is not None and request.file is None:
        return mlflow_file(request.mlflow)
    if request.file is not None and request.mlflow is None:
        return request.file, format_of_file(request.file)
    raise UsageError("which model? give --file FILE or --mlflow FOLDER, one of them")


def _sample(
    context: EvaluationContext, applied: AppliedWorkspace, definition: Model, named: str | None, progress: Progress
) -> TrainingSet:
    """Return rows with the features of a model: of its own spine, or of the one that is named."""
    workspace, engine = applied.workspace, context.engine
    views = bind_newest(applied.state, workspace.offline(), views_read(definition.inputs))
    progress.start("join features to the sample")
    spine = read_spine(applied.open_source, applied.state, definition, NamedSpine(named))
    with SpillRoom(workspace.spill_folder()) as room:
        target = read_target(engine, definition.spine.label, applied.open_source, workspace.now, room)
        rows = build_training_set(engine, spine, definition.inputs, views, target)
    progress.done(f"sample: {counted(rows.rows.height, 'row')} of {spine.origin}")
    applied.sources.report()
    return rows
