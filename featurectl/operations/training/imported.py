"""A model that was trained elsewhere -> a registered version, bound to the features of the model in the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.errors import DataError, FeaturectlError, UsageError
from featurectl.language.definitions.json_form import dump_definition
from featurectl.language.definitions.model import Model
from featurectl.models.all_model_formats import MODEL_FORMATS
from featurectl.models.conversion.convert import Converted
from featurectl.models.external_model import Foreign, check_names
from featurectl.models.gates.base import Champion, GateEvidence
from featurectl.models.golden_rows import choose_rows, dump_golden, load_golden, with_keys
from featurectl.models.isolation.process import load_remote
from featurectl.models.matrix import MatrixForm, fit_form
from featurectl.models.metrics import Task, is_binary, measure
from featurectl.models.request_matrix import CATEGORY
from featurectl.models.runtimes.base import ONNX, Classes, Matrix, Scores, classes_of
from featurectl.models.training_inputs import COMPARED
from featurectl.operations.training.artifact_files import ModelFiles, store_files
from featurectl.operations.training.champion import EvaluationContext
from featurectl.operations.training.distributions import distributions_of
from featurectl.operations.training.manifest import library_versions
from featurectl.operations.training.train import (
    bind_inputs,
    champion_of,
    entity_keys,
    gated,
    validation_rows,
    write_version,
)
from featurectl.operations.training.training_set import TrainingSet
from featurectl.registry.state import BoundFeature, ModelVersion
from featurectl.workspace.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """The form of the model's matrix, what it gives for rows of the sample, and what is known of them.

    `places` are those of the rows with a label; `matrix`, `label`, `scores` and `classes` (None unless it tells several
    apart) are theirs.
    """

    form: MatrixForm
    places: npt.NDArray[np.int64]
    matrix: Matrix
    label: npt.NDArray[np.float64]
    scores: Scores
    task: Task
    classes: Classes | None
    golden: bytes
    onnx: Converted
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedModel:
    """A model as its file holds it, and the lists of categories of an export that the file is part of."""

    found: Foreign
    exported: Mapping[str, tuple[str, ...]]


def import_model(
    model: Model, sample: TrainingSet, imported: ImportedModel, context: EvaluationContext, actor: Actor
) -> ModelVersion:
    """Return the registered version of a model from a file, with what its gates found.

    One that fails a gate is kept as rejected; none becomes champion by itself, for nobody here has seen what it was
    trained on. `sample` are rows with the model's features: some become its golden rows, and those with a label measure
    it.

    Raises:
        UsageError: the file names other inputs, or holds other categories; a category has no list.
        DataError: FC515, there are no rows to prove it on.
    """
    found = imported.found
    bound = bind_inputs(model.inputs, sample.views)
    check_names(found, [item.name for item in bound])
    form = fit_form(_with_lists(bound, found, imported.exported), sample.values)
    if not sample.values.height:
        raise DataError(f"model {model.name}: no rows to prove the import on", code="FC515", hint="--sample FILE")
    proof = _prove(form, sample, found)
    inputs = sample.values.select(item.name for item in form.inputs)[proof.places]
    judged = validation_rows(sample.spine, proof.places, inputs, proof.label)
    keys = entity_keys(model, sample, choose_rows(len(sample.values)))
    golden = with_keys(proof.golden, keys, context.erasure_secret())
    files = ModelFiles(
        format=found.format, content=found.runtime.content, onnx=proof.onnx, golden=golden, judged=judged
    )
    version = store_files(_version(model, sample, found, proof, actor), files, context.location)

    def look() -> GateEvidence:
        rival = champion_of(version, model, sample.views, judged, context)
        return _evidence(found, proof, inputs, rival)

    return write_version(gated(version, model, look), context, actor, is_imported=True)


def _evidence(found: Foreign, proof: _Proof, rows: pl.DataFrame, champion: Champion | None) -> GateEvidence:
    onnx = proof.onnx.content
    return GateEvidence(
        inputs=proof.form.inputs,
        rows=rows,
        matrix=proof.matrix,
        label=proof.label,
        scores=proof.scores,
        task=proof.task,
        native=found.runtime,
        serving=load_remote(found.runtime.process, ONNX, onnx, found.width) if onnx else found.runtime,
        onnx_missing=proof.onnx.missing,
        golden=load_golden(proof.golden),
        size_bytes=max(len(found.runtime.content), len(onnx)),
        seed=0,
        classes=proof.classes,
        champion=champion,
    )


def _with_lists(
    bound: Sequence[BoundFeature], found: Foreign, exported: Mapping[str, tuple[str, ...]]
) -> list[BoundFeature]:
    """Return the inputs with the lists of categories that the model was trained with, in the order of their codes."""
    kinds = [item for item in bound if item.model_dtype == CATEGORY]
    held = dict(zip([item.name for item in kinds], found.categories, strict=False)) if found.categories else {}
    if held and len(found.categories) != len(kinds):
        what = f"{found.path.name} holds {len(found.categories)} lists of categories, the model in the files has"
        raise UsageError(f"{what} {len(kinds)}", hint="give the inputs of these `type: category`")
    return [_with_list(item, held, exported) if item in kinds else item for item in bound]


def _with_list(
    item: BoundFeature, held: Mapping[str, tuple[str, ...]], exported: Mapping[str, tuple[str, ...]]
) -> BoundFeature:
    known = held.get(item.name, exported.get(item.name))
    if item.categories is not None and known is not None and item.categories != known:
        raise UsageError(
            f"categories of {item.name} are {', '.join(item.categories[:5])} in the files and "
            f"{', '.join(known[:5])} in the model that is imported",
            hint="list them in its order, or leave `categories` out",
        )
    if item.categories is None and known is None:
        hint = f"list the values in the order of their codes: `categories: [...]` of {item.name}"
        raise UsageError(
            f"input {item.name} is a category, and nobody knows the codes that it was trained on", hint=hint
        )
    return replace(item, categories=item.categories if known is None else known)


def _prove(form: MatrixForm, sample: TrainingSet, found: Foreign) -> _Proof:
    matrix = form.encode(sample.values)
    places = choose_rows(len(matrix))
    golden = _predicted(found, found.runtime.prove, matrix[places])
    scores = _predicted(found, found.runtime.predict, matrix)
    columns = sample.values.select(item.name for item in form.inputs)[places].to_dict(as_series=False)
    known, label = _label(sample)
    task = _task(found, matrix, label)
    classes = classes_of(found.runtime, matrix[known]) if task == "classes" else None
    if found.format == ONNX:
        onnx = Converted(content=found.runtime.content)
    else:
        seen = matrix[:: max(1, len(matrix) // COMPARED)]
        onnx = found.runtime.convert(found.format, seen, form.category_positions())
    return _Proof(
        form=form,
        places=np.flatnonzero(known),
        matrix=matrix[known],
        label=label,
        scores=scores[known],
        task=task,
        classes=classes,
        golden=dump_golden(columns, golden),
        onnx=onnx,
        metrics=measure(label, scores[known], task, classes),
    )


def _task(found: Foreign, matrix: Matrix, label: npt.NDArray[np.float64]) -> Task:
    if found.runtime.has_several(matrix[:1]):
        return "classes"
    return "binary" if is_binary(label) else "numbers"


def _predicted(found: Foreign, predict: Callable[[Matrix], Scores], matrix: Matrix) -> Scores:
    """Return the scores of rows.

    Raises:
        UsageError: the model can't take them, or gives something else than a number for each.
        DataError: FC530, FC531, it ends its process, or takes too long or too much memory.
    """
    try:
        scores = predict(matrix)
    except FeaturectlError:
        raise
    except Exception as error:  # each library raises its own kinds
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{found.path} can't score the rows of the sample: {line[:200]}") from error
    if scores.shape != (len(matrix),):
        raise UsageError(f"{found.path} gives {scores.shape} scores for {len(matrix):,} rows")
    return scores


def _label(sample: TrainingSet) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return which rows have a label that measures, and their labels."""
    label = sample.values[sample.label] if sample.label else pl.Series([None] * sample.values.height)
    if not (label.dtype.is_numeric() or label.dtype == pl.Boolean):
        label = pl.Series([None] * len(label), dtype=pl.Float64)
    known = label.is_not_null().to_numpy()
    return known, label.filter(pl.Series(known)).cast(pl.Float64).to_numpy()


def _version(model: Model, sample: TrainingSet, found: Foreign, proof: _Proof, actor: Actor) -> ModelVersion:
    return ModelVersion(
        model=model.name,
        version=0,
        definition=dump_definition(model),
        inputs=proof.form.inputs,
        view_versions={name: bound.version for name, bound in sample.views.items()},
        table_versions={bound.label: bound.table_version for bound in sample.views.values()},
        params={"estimator": f"imported from {found.path.name}", "imported": {"sha256": found.sha256}},
        metrics=proof.metrics,
        label=sample.label,
        rows_train=0,
        rows_validation=len(proof.label),
        artifact="",
        artifact_format=found.format,
        artifact_bytes=0,
        artifact_sha256="",
        libraries=library_versions(
            ("polars", "numpy", "deltalake", *distributions_of(MODEL_FORMATS[found.format].library))
        ),
        code_commit=actor.commit,
        seed=0,
        created_at=actor.at,
    )
