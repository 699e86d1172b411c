"""Rows with a label -> a fitted model and how good it is on the rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.language.definitions.objects import Trainer
from featurectl.models.command import CommandEnvironment, run_command
from featurectl.models.conversion.convert import Converted, convert_model
from featurectl.models.estimators import dump_estimator, fit_estimator, make_estimator, stops_early
from featurectl.models.golden import choose_rows, dump_golden
from featurectl.models.importance import ImportanceRows, importance_of
from featurectl.models.matrix import MatrixForm, fit_form
from featurectl.models.metrics import Task, is_binary, measure
from featurectl.models.profile.profile import Profile, take_profile
from featurectl.models.runtimes.base import FUNCTION, ONNX, RUNS_CODE, Matrix, Runtime, check_code_allowed, classes_of
from featurectl.models.runtimes.estimator import Estimator, has_classes
from featurectl.models.runtimes.estimator import EstimatorRuntime as Loaded
from featurectl.models.runtimes.function import FunctionRuntime
from featurectl.models.runtimes.load import load_runtime
from featurectl.models.split import Examples, label_ends_before, split_by_time, split_examples
from featurectl.models.training_inputs import MadeModel, TrainingInputs
from featurectl.models.warn import InputWarning, warn_of_inputs
from featurectl.registry.state import BoundFeature

NONE = np.empty(0)
COMPARED = 2_000  # rows at least, where there are as many
STOP_SHARE = 0.1  # of the rows to train on: the last by time, by which an estimator knows when to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRows:
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
    with their scores, `judged` those that the metrics are of. `task` is what was measured, `importance` the share of
    each input, `warnings` what is odd in the rows that it was trained on. `profile` is of the inputs of these rows,
    and of the scores of the validation rows, which are like those to come; without such, of these rows too.
    """

    form: MatrixForm
    format: str
    content: bytes
    native: Runtime
    onnx: Converted
    golden: bytes
    metrics: Mapping[str, float]
    rows_train: int
    rows_validation: int
    train_from: datetime
    train_until: datetime
    validation_from: datetime | None
    judged: ValidationRows
    task: Task
    importance: Mapping[str, float]
    warnings: tuple[InputWarning, ...]
    profile: Profile


def fit_model(  # noqa: PLR0913
    examples: Examples,
    inputs: Sequence[BoundFeature],
    trainer: Trainer,
    *,
    allow_pickle: bool,
    model: str,
    workshop: CommandEnvironment | None = None,
) -> FittedModel:
    """Return the model fitted on the earlier rows and measured on the last share by time, or on the holdout.

    Rows whose label or time is null are left out, and so are rows to train on whose label looks into the validation
    period. The same rows, seed and libraries give the same model where the
    estimator is deterministic. A trainer's command needs a `workshop` to run in.

    Raises:
        DataError: FC513-FC515, the estimator can't be made or kept, or there is nothing to learn from.
        UsageError: a command gave a pickle and --allow-pickle was not given.
    """
    if trainer.estimator is not None and ":" in trainer.estimator:
        check_code_allowed(FUNCTION, in_model=allow_pickle, by_flag=True)
    split = split_examples(examples, trainer, model)
    train = split.train
    label, truth = train.numbers(model), split.judged.numbers(model)
    form = fit_form(inputs, train.rows)
    lesson = TrainingInputs(examples=train, form=form, matrix=form.encode(train.rows), label=label, model=model)
    made = _make(lesson, trainer, workshop, allow_pickle=allow_pickle)
    # Measured on the bytes as they will be loaded, so that the metrics are those of what is kept.
    native = made.runtime
    unseen = form.encode(split.judged.rows)
    scores = native.predict(unseen) if len(unseen) else NONE
    task = _task(native, lesson, truth)
    times = train.time.sort()
    by = (unseen, truth) if len(truth) else (lesson.matrix, label)
    evidence = ImportanceRows(seen=lesson.matrix, matrix=by[0], label=by[1], task=task, seed=trainer.seed)
    return FittedModel(
        form=form,
        format=made.format,
        content=made.content,
        native=native,
        onnx=_onnx(made, lesson),
        golden=_golden(lesson, native),
        metrics=measure(truth, scores, task, classes_of(native, unseen) if task == "classes" else None),
        rows_train=len(label),
        rows_validation=len(truth),
        train_from=times[0],
        train_until=times[-1],
        validation_from=split.judged_from,
        judged=ValidationRows(
            places=split.judged.taken, rows=split.judged.rows, matrix=unseen, label=truth, scores=scores
        ),
        task=task,
        importance=importance_of(native, lesson.names, evidence),
        warnings=warn_of_inputs(form.inputs, train.rows),
        profile=take_profile(form.inputs, train.rows, scores if len(scores) else native.predict(lesson.matrix)),
    )


def _make(
    lesson: TrainingInputs, trainer: Trainer, workshop: CommandEnvironment | None, *, allow_pickle: bool
) -> MadeModel:
    if trainer.estimator is None:
        assert workshop is not None
        return run_command(lesson, trainer, workshop, allow_pickle=allow_pickle)
    estimator = make_estimator(trainer.estimator, trainer.params, trainer.seed)
    keep = np.ones(len(lesson.label), dtype=bool)
    stop = None
    if stops_early(estimator, trainer.params):
        keep, stop = _split_off(lesson)
    categories = lesson.form.category_positions()
    fit_estimator(estimator, lesson.matrix[keep], lesson.label[keep], lesson.names, categories, stop=stop)
    kind, content = dump_estimator(estimator, allow_pickle=allow_pickle)
    return MadeModel(format=kind, content=content, runtime=_runtime(kind, content, estimator))


def _split_off(lesson: TrainingInputs) -> tuple[npt.NDArray[np.bool_], tuple[Matrix, npt.NDArray[Any]] | None]:
    """Return which rows an estimator learns from, and the last rows by time, which tell it when to stop.

    Where that leaves it no earlier rows it stops by those that it learns from.
    """
    early, cut = split_by_time(lesson.examples.time, STOP_SHARE)
    keep = early & label_ends_before(lesson.examples, cut)
    if not keep.any():
        return np.ones(len(early), dtype=bool), (lesson.matrix, lesson.label)
    return keep, (lesson.matrix[~early], lesson.label[~early])


def _task(native: Runtime, lesson: TrainingInputs, truth: npt.NDArray[Any]) -> Task:
    if is_binary(lesson.label) and is_binary(truth):
        return "binary"
    return "classes" if has_classes(native, lesson.matrix[:1]) else "numbers"


def _onnx(made: MadeModel, lesson: TrainingInputs) -> Converted:
    if made.format == ONNX:
        return Converted(content=made.content)
    positions = lesson.form.category_positions()
    return convert_model(made.format, made.content, made.runtime, _spread(lesson.matrix), positions)


def _runtime(kind: str, content: bytes, estimator: Estimator) -> Runtime:
    """Return what is kept, as it will be loaded, so that the metrics are those of it.

    What would run code then is not loaded, for nobody gave leave to that here: it is measured as it was fitted.
    """
    if kind in RUNS_CODE:
        return estimator if isinstance(estimator, FunctionRuntime) else Loaded(estimator)
    return load_runtime(kind, content, allow_pickle=False)


def _spread(seen: Matrix) -> Matrix:
    """Return some of the rows, from the first to the last; enough to compare two forms of a model on."""
    return seen[:: max(1, len(seen) // COMPARED)]


def _golden(lesson: TrainingInputs, native: Runtime) -> bytes:
    places = choose_rows(len(lesson.matrix))
    columns = lesson.examples.rows.select(lesson.names)[places].to_dict(as_series=False)
    return dump_golden(columns, native.predict(lesson.matrix[places]))
