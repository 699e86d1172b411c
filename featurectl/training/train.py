"""Train a registered model: its training set, the fit, the artifact, a model version in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib import metadata

import polars as pl

from featurectl.errors import DataError, PlanError
from featurectl.models.artifact import write_artifact
from featurectl.models.fit import Examples, Fitted, fit_model
from featurectl.models.gates.base import Rival
from featurectl.models.gates.evaluate import failed_gates, gates_asked, measure_gates
from featurectl.models.gates.evidence import evidence_of_fitted
from featurectl.models.golden import GOLDEN
from featurectl.models.judged import JUDGED, JudgedRows, dump_judged
from featurectl.models.runtimes.base import ONNX
from featurectl.registry.base import Registry
from featurectl.registry.skew import input_fingerprint
from featurectl.registry.state import CHAMPION, BoundFeature, ModelVersion
from featurectl.spec.definition import DerivedInput, FeatureInput, Model, ModelInput, RequestInput, Trainer
from featurectl.spec.definition_json import dump_definition, load_model
from featurectl.training.champion import Contender, Ring, current_champion, score_champion
from featurectl.training.join import BoundView
from featurectl.training.manifest import library_versions
from featurectl.training.training_set import TrainingSet, require_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where a trained model goes, and what is said of it: when, by whom, from which commit ("" without one).

    `ring` is where the champion is that it is compared with.
    """

    registry: Registry
    ring: Ring
    now: datetime
    who: str
    commit: str


def require_trainer(model: Model) -> Trainer:
    """Return the model's trainer.

    Raises:
        DataError: FC513, it has none.
        PlanError: FC402, it is a command, which this version does not run.
    """
    if model.trainer is None:
        raise DataError(f"model {model.name} has no trainer", code="FC513", hint="add `trainer: {estimator: ...}`")
    if model.trainer.estimator is None:
        raise PlanError(f"model {model.name}: `trainer.run` is not in this version", code="FC402")
    return model.trainer


def train_model(model: Model, training_set: TrainingSet, to: Registration) -> ModelVersion:
    """Return the registered version of a model trained on a training set, with what its gates found.

    A version that fails a gate is kept as rejected; the first one that passes becomes champion. Nothing is registered
    unless the artifact is written; an artifact without a version is harmless.
    """
    trainer, gates = require_trainer(model), gates_asked(model.gates)
    label = require_label(training_set, model.spine.label, model.name)
    ahead_us = model.spine.label.horizon_us if model.spine.label else None
    examples = Examples(rows=training_set.values, label=label, time=training_set.time, horizon_us=ahead_us or 0)
    bound = [bind_input(item, training_set.views) for item in model.inputs]
    fitted = fit_model(examples, bound, trainer, allow_pickle=model.allow_pickle, model=model.name)
    judged = _judged_rows(training_set, fitted)
    version = _stored(_version(model, training_set, fitted, to), fitted, judged, to.ring.location)
    results = measure_gates(
        gates, lambda: evidence_of_fitted(fitted, trainer.seed, _rival(version, judged, training_set, to))
    )
    version = replace(version, gates=results, status="rejected" if failed_gates(results) else "registered")
    project = to.ring.state.project
    has_champion = (model.name, CHAMPION) in to.registry.load_state(project).aliases
    first = version.status == "registered" and not has_champion
    return to.registry.write_model_version(project, version, [CHAMPION] if first else [], to.who)


def _judged_rows(training_set: TrainingSet, fitted: Fitted) -> JudgedRows:
    spine, judged = training_set.spine, fitted.judged
    plain = [column for column in spine.own if column.name not in spine.rows.columns]
    return JudgedRows(
        spine=pl.DataFrame([*spine.rows, *plain])[judged.places],
        time=spine.time[judged.places],
        inputs=judged.rows.select(item.name for item in fitted.form.inputs),
        label=judged.label,
    )


def _rival(version: ModelVersion, judged: JudgedRows, training_set: TrainingSet, to: Registration) -> Rival | None:
    """Return the champion with its scores of the rows that a version was judged on; None where it is not asked for."""
    model, champion = load_model(version.definition), current_champion(to.ring.state, version.model)
    if champion is None or not (model.gates and model.gates.least_gain):
        return None
    contender = Contender(model=model, view_versions=version.view_versions, views=training_set.views)
    return score_champion(champion, contender, judged, to.ring)


def _stored(version: ModelVersion, fitted: Fitted, judged: JudgedRows, location: str) -> ModelVersion:
    """Return a version with its files, once they are written."""
    native = write_artifact(location, version.model, fitted.format, fitted.content)
    golden = write_artifact(location, version.model, GOLDEN, fitted.golden)
    version = replace(
        version,
        artifact=native.path,
        artifact_format=native.format,
        artifact_bytes=native.size_bytes,
        artifact_sha256=native.sha256,
        golden=golden.path,
        golden_sha256=golden.sha256,
        onnx_missing=fitted.onnx.missing,
    )
    if len(judged.label):
        rows = write_artifact(location, version.model, JUDGED, dump_judged(judged))
        version = replace(version, judged=rows.path, judged_sha256=rows.sha256)
    if not fitted.onnx.content:
        return version
    onnx = write_artifact(location, version.model, ONNX, fitted.onnx.content)
    return replace(version, onnx=onnx.path, onnx_bytes=onnx.size_bytes, onnx_sha256=onnx.sha256)


def bind_input(item: ModelInput, views: Mapping[str, BoundView]) -> BoundFeature:
    """Return an input fixed to the version of the view that it reads."""
    fingerprint = input_fingerprint(item, {name: bound.view for name, bound in views.items()})
    match item:
        case FeatureInput():
            bound = views[item.view]
            dtype = item.dtype or bound.view.dtype_of(item.feature) or ""
            model_dtype = item.model_dtype or dtype
            return BoundFeature(
                name=item.name,
                dtype=dtype,
                model_dtype=model_dtype,
                view=item.view,
                view_version=bound.version,
                feature=item.feature,
                default=item.default,
                categories=item.categories,
                fingerprint=fingerprint,
            )
        case RequestInput():
            return BoundFeature(name=item.name, dtype=item.dtype, model_dtype=item.model_dtype, fingerprint=fingerprint)
        case DerivedInput():
            dtype = item.dtype or "float64"
            return BoundFeature(
                name=item.name, dtype=dtype, model_dtype=dtype, default=item.default, fingerprint=fingerprint
            )


def _version(model: Model, training_set: TrainingSet, fitted: Fitted, to: Registration) -> ModelVersion:
    trainer = require_trainer(model)
    return ModelVersion(
        model=model.name,
        version=0,
        definition=dump_definition(model),
        inputs=fitted.form.inputs,
        view_versions={name: bound.version for name, bound in training_set.views.items()},
        table_versions={bound.label: bound.table_version for bound in training_set.views.values()},
        params={**asdict(trainer), "params": dict(trainer.params)},
        metrics=fitted.metrics,
        label=training_set.label,
        rows_train=fitted.rows_train,
        rows_validation=fitted.rows_validation,
        artifact="",
        artifact_format=fitted.format,
        artifact_bytes=0,
        artifact_sha256="",
        libraries=library_versions(("polars", "numpy", "deltalake", *trainer_libraries(trainer), *_converters(fitted))),
        code_commit=to.commit,
        seed=trainer.seed,
        created_at=to.now,
    )


def trainer_libraries(trainer: Trainer) -> tuple[str, ...]:
    """Return the distributions that an estimator's top module comes from; none for a module that is just there."""
    top = (trainer.estimator or "").partition(":")[0].split(".")[0]
    return tuple(sorted(set(metadata.packages_distributions().get(top, ()))))


def _converters(fitted: Fitted) -> tuple[str, ...]:
    """Return the distributions that made the ONNX file, or none."""
    return ("onnx", "onnxruntime") if fitted.onnx.content else ()
