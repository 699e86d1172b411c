"""Train a registered model: its training set, the fit, the artifact, a model version in the registry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.erasures import Erasures, KeyPart
from featurectl.core.errors import DataError, TryAgainError
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import counted, plural
from featurectl.identity.fingerprint import feature_fingerprints
from featurectl.language.definitions.json_form import dump_definition
from featurectl.language.definitions.model import DerivedInput, FeatureInput, Model, ModelInput, RequestInput, Trainer
from featurectl.models.all_model_formats import MODEL_FORMATS
from featurectl.models.artifact import write_artifact
from featurectl.models.card import CARD, CHART, CardParts, render_card
from featurectl.models.charts import draw_charts
from featurectl.models.fit import FittedModel, fit_model
from featurectl.models.gates.all_gates import gates_asked
from featurectl.models.gates.base import Champion, GateEvidence
from featurectl.models.gates.evaluate import failed_gates, measure_gates
from featurectl.models.gates.evidence import evidence_of_fitted
from featurectl.models.golden_rows import EntityKeys, with_keys
from featurectl.models.runtimes.base import ONNX
from featurectl.models.trainer_command import CommandEnvironment
from featurectl.models.validation_rows import ValidationRows
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.training.artifact_files import ModelFiles, store_files
from featurectl.operations.training.champion import Candidate, EvaluationContext, current_champion, score_champion
from featurectl.operations.training.data import TrainingData
from featurectl.operations.training.distributions import distributions_of
from featurectl.operations.training.erased_spine import joined_entities, without_erased
from featurectl.operations.training.manifest import library_versions
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.training_set import TrainingSet
from featurectl.operations.views import BoundView
from featurectl.registry.skew import input_fingerprint
from featurectl.registry.state import CHAMPION, BoundFeature, ModelVersion
from featurectl.workspace.actor import Actor
from featurectl.workspace.run_id import run_id_of

_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A version with what it was fitted on; its number is 0 and it has no files unless it is registered."""

    version: ModelVersion
    fitted: FittedModel


def require_trainer(model: Model) -> Trainer:
    """Return the model's trainer.

    Raises:
        DataError: FC513, it has none.
    """
    if model.trainer is None:
        raise DataError(f"model {model.name} has no trainer", code="FC513", hint="add `trainer: {estimator: ...}`")
    return model.trainer


def fit_version(data: TrainingData, commands: CommandEnvironment, actor: Actor) -> Trained:
    """Return a model fitted on its data, as a version that is not registered."""
    model, trainer = data.model, require_trainer(data.model)
    bound = bind_inputs(model.inputs, data.rows.views)
    fitted = fit_model(
        data.examples(), bound, trainer, allow_pickle=model.allow_pickle, model=model.name, commands=commands
    )
    return Trained(version=_version(data, fitted, actor), fitted=fitted)


def register(trained: Trained, data: TrainingData, context: EvaluationContext, actor: Actor) -> Trained:
    """Return a fitted version once it is registered, with what its gates found.

    A version that fails a gate is kept as rejected; the first one that passes becomes champion. The champion that it
    is compared with is the one of now: it may have moved while the model was fitted. Nothing is registered unless its
    files are written; files without a version are harmless.

    Raises:
        TryAgainError: keys of rows that it is made of were erased meanwhile.
    """
    context = replace(context, state=context.workspace.registry().load_state(context.state.project))
    _require_unerased(data, context.state.erasures)
    model, fitted, location = data.model, trained.fitted, context.location
    inputs = fitted.judged.rows.select(item.name for item in fitted.form.inputs)
    judged = validation_rows((data.holdout or data.rows).spine, fitted.judged.places, inputs, fitted.judged.label)
    files = ModelFiles(
        format=fitted.format,
        content=fitted.content,
        onnx=fitted.onnx,
        golden=with_keys(
            fitted.golden, entity_keys(data.model, data.rows, fitted.golden_places), context.erasure_secret()
        ),
        judged=judged,
        profile=fitted.profile,
    )
    version = store_files(trained.version, files, location)
    seed = require_trainer(model).seed

    def look() -> GateEvidence:
        return evidence_of_fitted(fitted, seed, champion_of(version, model, data.rows.views, judged, context))

    version = _with_card(gated(version, model, look), fitted, model, location)
    return replace(trained, version=_written(version, data, context, actor))


def _written(version: ModelVersion, data: TrainingData, context: EvaluationContext, actor: Actor) -> ModelVersion:
    """Return the version once it is registered; erasures that come in between are looked at first."""
    for tries_left in reversed(range(_TRIES)):
        state = context.workspace.registry().load_state(context.state.project)
        try:
            _require_unerased(data, state.erasures)
        except TryAgainError:
            named = {path for item in state.model_versions for path in (item.judged, item.golden)}
            open_loose(context.location).remove_files(sorted({version.judged, version.golden} - named - {""}))
            raise
        try:
            return write_version(version, context, actor, erased=state.erasures.number)
        except TryAgainError:
            if not tries_left:
                raise
    raise AssertionError("there is a try")


def _require_unerased(data: TrainingData, erasures: Erasures) -> None:
    """Refuse rows of erased keys: beside a version nothing would remove them.

    Raises:
        TryAgainError: there are some, which were erased since the training set was made.
    """
    for made in [data.rows, *([] if data.holdout is None else [data.holdout])]:
        joined = joined_entities(data.model.inputs, made.views, data.model.spine.label)
        if (erased := made.spine.height - without_erased(made.spine, joined, erasures).height) > 0:
            what = f"{counted(erased, 'row')} of the training set of {data.model.name}"
            raise TryAgainError(f"{what} {plural(erased, 'was', 'were')} erased meanwhile", hint="run it again")


def gated(version: ModelVersion, model: Model, look: Callable[[], GateEvidence]) -> ModelVersion:
    """Return a version with what its gates found; `look` gives what there is to measure."""
    results = measure_gates(gates_asked(model.gates), look)
    return replace(version, gates=results, status="rejected" if failed_gates(results) else "registered")


def write_version(
    version: ModelVersion,
    context: EvaluationContext,
    actor: Actor,
    *,
    is_imported: bool = False,
    erased: int | None = None,
) -> ModelVersion:
    """Return a version once it is registered; the first one becomes champion that was trained here and not rejected.

    Raises:
        TryAgainError: there is a later erasure than that of number `erased`.
    """
    claims = [CHAMPION] if version.status == "registered" and not is_imported else []
    version = replace(version, run_id=run_id_of(context.workspace.environ))
    registry = context.workspace.registry()
    return registry.write_model_version(context.state.project, version, [], actor.who, claims, erased=erased)


def validation_rows(
    spine: SpineRows, places: npt.NDArray[np.int64], inputs: pl.DataFrame, label: npt.NDArray[Any]
) -> ValidationRows:
    """Return the rows at some places of a spine, with the inputs and labels that were made of them."""
    plain = [column for column in spine.own if column.name not in spine.rows.columns]
    whole = pl.DataFrame([*spine.rows, *plain])
    known = None if spine.known is None else spine.known[places]
    return ValidationRows(spine=whole[places], time=spine.time[places], inputs=inputs, label=label, known=known)


def entity_keys(model: Model, made: TrainingSet, places: npt.NDArray[np.int64]) -> EntityKeys:
    """Return the keys of the entities that some rows of a spine are of, by the spine's columns."""
    found: dict[tuple[str, ...], list[tuple[KeyPart | None, ...]]] = {}
    for item in joined_entities(model.inputs, made.views, model.spine.label):
        if all(column in made.spine.rows.columns for column in item.columns):
            keys = [
                made.spine.rows[column][places].cast(polars_dtype(dtype), strict=False).to_list()
                for column, dtype in zip(item.columns, item.entity.keys.values(), strict=True)
            ]
            found[item.columns] = list(zip(*keys, strict=True))
    return found


def champion_of(
    version: ModelVersion,
    model: Model,
    views: Mapping[str, BoundView],
    judged: ValidationRows,
    context: EvaluationContext,
) -> Champion | None:
    """Return the champion with its scores of the rows that a version was judged on; None where it is not asked for."""
    champion = current_champion(context.state, version.model)
    if champion is None or not (model.gates and model.gates.least_gain):
        return None
    candidate = Candidate(model=model, view_versions=version.view_versions, views=views)
    return score_champion(champion, candidate, judged, context)


def _with_card(version: ModelVersion, fitted: FittedModel, model: Model, location: str) -> ModelVersion:
    """Return a version with its card, which lies with its charts beside the artifact."""
    charts = draw_charts(fitted.judged.label, fitted.judged.scores, fitted.task, fitted.importance)
    files = {title: write_artifact(location, version.model, CHART, svg.encode()) for title, svg in charts.items()}
    names = {title: PurePosixPath(file.path).name for title, file in files.items()}
    text = render_card(CardParts(version=version, model=model, fitted=fitted, charts=names))
    card = write_artifact(location, version.model, CARD, text.encode())
    return replace(version, card=card.path, card_sha256=card.sha256)


def bind_inputs(inputs: Sequence[ModelInput], views: Mapping[str, BoundView]) -> list[BoundFeature]:
    """Return inputs fixed to the versions of the views that they read."""
    features = {name: feature_fingerprints(bound.view) for name, bound in views.items()}
    return [_bind_input(item, input_fingerprint(item, features), views) for item in inputs]


def _bind_input(item: ModelInput, fingerprint: str, views: Mapping[str, BoundView]) -> BoundFeature:
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


def _version(data: TrainingData, fitted: FittedModel, actor: Actor) -> ModelVersion:
    model, trainer, views = data.model, require_trainer(data.model), data.rows.views
    modules = (*trainer_libraries(trainer), *_libraries_of(fitted))
    return ModelVersion(
        model=model.name,
        version=0,
        definition=dump_definition(model),
        inputs=fitted.form.inputs,
        view_versions={name: bound.version for name, bound in views.items()},
        table_versions={bound.label: bound.table_version for bound in views.values()},
        params=_params(trainer),
        metrics=fitted.metrics,
        label=data.rows.label,
        rows_train=fitted.rows_train,
        rows_validation=fitted.rows_validation,
        left_out=_left_out(data, fitted.left_out),
        artifact="",
        artifact_format=fitted.format,
        artifact_bytes=len(fitted.content),
        artifact_sha256=hashlib.sha256(fitted.content).hexdigest(),
        libraries=library_versions(tuple(dict.fromkeys(("polars", "numpy", "deltalake", *modules)))),
        code_commit=actor.commit,
        seed=trainer.seed,
        created_at=actor.at,
        importance=fitted.importance,
        manifest=data.manifest,
    )


def _left_out(data: TrainingData, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of rows that were left out, immature labels and those before their source apart."""
    found = dict(counts)
    for prefix, rows in (("", data.rows), ("validation_", data.holdout)):
        if rows is not None:
            missing = rows.missing.up_to(data.now, rows.time)  # later rows are left out for that
            immature, before = int(missing.immature.sum()), int(missing.before_source.sum())
            found[f"{prefix}immature_label"] = immature
            found[f"{prefix}label_before_source"] = before
            found[f"{prefix}null_label"] -= immature + before
            found |= {f"{prefix}erased": rows.spine.erased} if rows.spine.erased else {}
    return found


def _params(trainer: Trainer) -> dict[str, object]:
    judged_on = trainer.validation_source
    return {
        "estimator": trainer.estimator,
        "run": trainer.run,
        "params": dict(trainer.params),
        "split_fraction": trainer.split_fraction,
        "validation_source": judged_on.name if judged_on else None,
        "sample": trainer.sample,
        "seed": trainer.seed,
    }


def trainer_libraries(trainer: Trainer) -> tuple[str, ...]:
    """Return the distributions that an estimator's top module comes from; none for a module that is just there."""
    top = (trainer.estimator or "").partition(":")[0].split(".")[0]
    return distributions_of(top)


def _libraries_of(fitted: FittedModel) -> tuple[str, ...]:
    """Return the distributions that read the model file, and those that made the ONNX file if there is one."""
    known = MODEL_FORMATS.get(fitted.format)
    readers = distributions_of("" if known is None else known.reader)
    return (*readers, "onnx", "onnxruntime") if fitted.onnx.content and fitted.format != ONNX else readers
