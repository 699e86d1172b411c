"""Rows with a label -> a fitted model and how good it is on the rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.language.definitions.model import Trainer
from featurectl.models.conversion.convert import Converted, convert_model
from featurectl.models.estimators.base import FitRows
from featurectl.models.estimators.make import dump_estimator, fit_estimator, make_estimator, stops_early
from featurectl.models.golden_rows import choose_rows, dump_golden
from featurectl.models.importance import ImportanceRows, importance_of
from featurectl.models.input_warnings import InputWarning, warn_of_inputs
from featurectl.models.label_classes import check_labels_differ, warn_of_label
from featurectl.models.matrix import MatrixForm, fit_form
from featurectl.models.metrics import Task, is_binary, measure
from featurectl.models.profile.profile import Profile, take_profile
from featurectl.models.rows_to_score import RowsToScore
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import FUNCTION, ONNX, RUNS_CODE, Matrix, Runtime, check_code_allowed, classes_of
from featurectl.models.runtimes.estimator import Estimator, has_classes
from featurectl.models.runtimes.estimator import EstimatorRuntime as Loaded
from featurectl.models.runtimes.function import FunctionRuntime
from featurectl.models.split import Examples, TrainingSplit, label_ends_before, split_by_time, split_examples
from featurectl.models.trainer_command import CommandEnvironment, run_command
from featurectl.models.training_inputs import EncodedModel, TrainingInputs
from featurectl.registry.state import BoundFeature

NONE = np.empty(0)
STOP_SHARE = 0.1  # of the rows to train on: the last by time, by which an estimator knows when to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScores:
    """The rows that a model is judged on: raw inputs, the matrix made of them, labels, and the model's scores.

    `places` are those of the rows among the ones that they were taken from.
    """

    places: npt.NDArray[np.int64]
    rows: pl.DataFrame
    matrix: Matrix
    label: npt.NDArray[Any]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A fitted model as bytes, the form of its matrix, its metrics on the validation rows, and the split.

    `native` is the model as it is kept, `onnx` is it once more, for serving, `golden` are rows that it was trained on
    with their scores, `golden_places` where these stand among the rows that were given, `judged` those that the metrics
    are of. `task` is what was measured, `importance` the share of each input, `warnings` what is odd in the rows that
    it was trained on. `profile` is of the inputs of these rows, and of the scores of the validation rows, which are
    like those to come; without such, of these rows too. `left_out` counts the rows that it neither learned from nor was
    judged on, by reason.
    """

    form: MatrixForm
    format: str
    content: bytes
    native: Runtime
    onnx: Converted
    golden: bytes
    golden_places: npt.NDArray[np.int64]
    metrics: Mapping[str, float]
    rows_train: int
    rows_validation: int
    left_out: Mapping[str, int]
    train_from: datetime
    train_until: datetime
    validation_from: datetime | None
    judged: ValidationScores
    task: Task
    importance: Mapping[str, float]
    warnings: tuple[InputWarning, ...]
    profile: Profile


def fit_model(  # noqa: PLR0913  # rows, inputs and how, and who allows what
    examples: Examples,
    inputs: Sequence[BoundFeature],
    trainer: Trainer,
    *,
    allow_pickle: bool,
    model: str,
    commands: CommandEnvironment | None = None,
) -> FittedModel:
    """Return the model fitted on the earlier rows and measured on the last share by time, or on the holdout.

    Rows whose label or time is null are left out, and so are rows to train on whose label looks into the validation
    period. The same rows, seed and libraries give the same model where the
    estimator is deterministic. A trainer's command needs `commands` to run in.

    Raises:
        DataError: FC513-FC515, the estimator can't be made or kept, or there is nothing to learn from.
        UsageError: a command gave a pickle and --allow-pickle was not given.
    """
    if trainer.estimator is not None and ":" in trainer.estimator:
        check_code_allowed(FUNCTION, in_model=allow_pickle, by_flag=True)
    split = split_examples(examples, trainer, model)
    train = split.train
    label, truth = train.numbers(model), split.judged.numbers(model)  # what is no number is found before the fit
    form = fit_form(inputs, train.rows)
    learning = TrainingInputs(examples=train, form=form, matrix=form.encode(train.rows), label=label, model=model)
    made = _make(learning, trainer, commands, allow_pickle=allow_pickle)
    validation = _validation_rows(made.runtime, split, learning, truth)
    return _fitted(made, learning, validation, split, trainer.seed)


def _fitted(
    made: EncodedModel, learning: TrainingInputs, validation: ValidationScores, split: TrainingSplit, seed: int
) -> FittedModel:
    """Return what is to be said of a model that was made."""
    native, rows, times = made.runtime, learning.examples.rows, learning.examples.time.sort()
    task = _task(native, learning, validation.label)
    return FittedModel(
        form=learning.form,
        format=made.format,
        content=made.content,
        native=native,
        onnx=_onnx(made, learning),
        golden=_golden(learning, native),
        golden_places=learning.examples.taken[choose_rows(len(learning.matrix))],
        metrics=_metrics(native, validation, task),
        rows_train=len(learning.label),
        rows_validation=len(validation.label),
        left_out=split.left_out,
        train_from=times[0],
        train_until=times[-1],
        validation_from=split.judged_from,
        judged=validation,
        task=task,
        importance=_importance(native, learning, validation, task, seed),
        warnings=(*warn_of_label(learning.label, learning.examples), *warn_of_inputs(learning.form.inputs, rows)),
        profile=_profile(native, learning, validation),
    )


def _validation_rows(
    native: Runtime, split: TrainingSplit, learning: TrainingInputs, truth: npt.NDArray[Any]
) -> ValidationScores:
    """Return the rows that a model has not seen, scored by its bytes as they will be loaded: by what is kept of it."""
    rows = split.judged
    matrix = learning.form.encode(rows.rows)
    asked = RowsToScore(model=f"model {learning.model}", inputs=learning.names, origin="those to judge it on")
    return ValidationScores(
        places=rows.taken,
        rows=rows.rows,
        matrix=matrix,
        label=truth,
        scores=asked.predict(native, matrix) if len(matrix) else NONE,
    )


def _metrics(native: Runtime, validation: ValidationScores, task: Task) -> Mapping[str, float]:
    classes = classes_of(native, validation.matrix) if task == "classes" else None
    return measure(validation.label, validation.scores, task, classes)


def _importance(
    native: Runtime, learning: TrainingInputs, validation: ValidationScores, task: Task, seed: int
) -> Mapping[str, float]:
    """Return the share of each input on the validation rows; without such, on the rows that it was trained on."""
    measured = validation if len(validation.label) else learning
    rows = ImportanceRows(seen=learning.matrix, matrix=measured.matrix, label=measured.label, task=task, seed=seed)
    return importance_of(native, learning.names, rows)


def _profile(native: Runtime, learning: TrainingInputs, validation: ValidationScores) -> Profile:
    scores = validation.scores if len(validation.scores) else native.predict(learning.matrix)
    return take_profile(learning.form.inputs, learning.examples.rows, scores)


def _make(
    learning: TrainingInputs, trainer: Trainer, commands: CommandEnvironment | None, *, allow_pickle: bool
) -> EncodedModel:
    if trainer.estimator is None:
        assert commands is not None
        return run_command(learning, trainer, commands, allow_pickle=allow_pickle)
    estimator = make_estimator(trainer.estimator, trainer.params, trainer.seed)
    keep = np.ones(len(learning.label), dtype=bool)
    stop = None
    if stops_early(estimator, trainer.params):
        keep, stop = _split_off(learning)
    rows = FitRows(
        matrix=learning.matrix[keep],
        label=learning.label[keep],
        names=learning.names,
        categories=learning.form.category_positions(),
        stop=stop,
    )
    check_labels_differ(estimator, rows.label, learning.examples, learning.model)
    fit_estimator(estimator, rows)
    kind, content = dump_estimator(estimator, allow_pickle=allow_pickle)
    return EncodedModel(format=kind, content=content, runtime=_runtime(kind, content, estimator))


def _split_off(learning: TrainingInputs) -> tuple[npt.NDArray[np.bool_], tuple[Matrix, npt.NDArray[Any]] | None]:
    """Return which rows an estimator learns from, and the last rows by time, by which it stops.

    Where that leaves it no earlier rows it stops by those that it learns from.
    """
    early, cut = split_by_time(learning.examples.time, STOP_SHARE)
    keep = early & label_ends_before(learning.examples, cut)
    if not keep.any():
        return np.ones(len(early), dtype=bool), (learning.matrix, learning.label)
    return keep, (learning.matrix[~early], learning.label[~early])


def _task(native: Runtime, learning: TrainingInputs, truth: npt.NDArray[Any]) -> Task:
    if is_binary(learning.label) and is_binary(truth):
        return "binary"
    return "classes" if has_classes(native, learning.matrix[:1]) else "numbers"


def _onnx(made: EncodedModel, learning: TrainingInputs) -> Converted:
    if made.onnx is not None:
        return made.onnx
    if made.format == ONNX:
        return Converted(content=made.content)
    positions = learning.form.category_positions()
    return convert_model(made.format, made.content, made.runtime, learning.spread(), positions)


def _runtime(kind: str, content: bytes, estimator: Estimator) -> Runtime:
    """Return what is kept, as it will be loaded, so that the metrics are those of it.

    What would run code then is not loaded, for nobody allowed that here: it is measured as it was fitted.
    """
    if kind in RUNS_CODE:
        return estimator if isinstance(estimator, FunctionRuntime) else Loaded(estimator)
    return load_runtime(kind, content, allow_pickle=False)


def _golden(learning: TrainingInputs, native: Runtime) -> bytes:
    places = choose_rows(len(learning.matrix))
    columns = learning.examples.rows.select(learning.names)[places].to_dict(as_series=False)
    return dump_golden(columns, native.predict(learning.matrix[places]))
