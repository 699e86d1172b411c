"""Rows with a label -> a fitted model and how good it is on the rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.errors import DataError
from featurectl.models.conversion.convert import Converted, convert_model
from featurectl.models.estimators import dump_estimator, fit_estimator, make_estimator
from featurectl.models.golden import choose_rows, dump_golden
from featurectl.models.matrix import MatrixForm, fit_form
from featurectl.models.metrics import measure
from featurectl.models.runtimes.base import FUNCTION, RUNS_CODE, Matrix, Runtime, check_code_allowed
from featurectl.models.runtimes.estimator import Estimator
from featurectl.models.runtimes.estimator import Fitted as Loaded
from featurectl.models.runtimes.function import Function
from featurectl.models.runtimes.load import load_runtime
from featurectl.registry.state import BoundFeature
from featurectl.spec.definition import Trainer
from featurectl.units import counted

NONE = np.empty(0)
COMPARED = 2_000  # rows at least, where there are as many


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The rows that a model is judged on: raw inputs, the matrix made of them, labels, and the model's scores."""

    rows: pl.DataFrame
    matrix: Matrix
    label: npt.NDArray[Any]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted model as bytes, the form of its matrix, its metrics on the validation rows, and the split.

    `onnx` is the model once more, for serving, `golden` are rows that it was trained on with their scores, `judged`
    those that the metrics are of.
    """

    form: MatrixForm
    format: str
    content: bytes
    onnx: Converted
    golden: bytes
    metrics: Mapping[str, float]
    rows_train: int
    rows_validation: int
    validation_from: datetime | None
    judged: Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows to learn from: inputs, label (null: left out) and the instant of each.

    `horizon_us` is how far the label of a row looks beyond its instant.
    """

    rows: pl.DataFrame
    label: pl.Series
    time: pl.Series
    horizon_us: int = 0


def fit_model(
    examples: Examples, inputs: Sequence[BoundFeature], trainer: Trainer, *, allow_pickle: bool, model: str
) -> Fitted:
    """Return the model fitted on the earlier rows and measured on the last share of rows by time.

    Rows whose label or time is null are left out, and so are rows to train on whose label looks into the validation
    period. The same rows, seed and libraries give the same model where the
    estimator is deterministic.

    Raises:
        DataError: FC513-FC515, the estimator can't be made or kept, or there is nothing to learn from.
    """
    assert trainer.estimator is not None
    if ":" in trainer.estimator:
        check_code_allowed(FUNCTION, in_model=allow_pickle, by_flag=True)
    known = _known(examples, trainer)
    label = _numbers(known.label, model)
    is_train, cut = split_by_time(known.time, trainer.split_fraction)
    unseen = ~is_train
    is_train &= label_ends_before(known, cut)
    if not is_train.any():
        raise DataError(
            f"model {model}: no rows to train on ({counted(examples.rows.height, 'row')}, "
            f"{known.rows.height:,} with a label)",
            code="FC515",
        )
    form = fit_form(inputs, known.rows.filter(pl.Series(is_train)))
    matrix = form.encode(known.rows)
    estimator = make_estimator(trainer.estimator, trainer.params, trainer.seed)
    names = [item.name for item in form.inputs]
    fit_estimator(estimator, matrix[is_train], label[is_train], names, form.category_positions())
    kind, content = dump_estimator(estimator, allow_pickle=allow_pickle)
    native = _runtime(kind, content, estimator)
    seen = matrix[is_train]
    judged = Judged(
        rows=known.rows.filter(pl.Series(unseen)),
        matrix=matrix[unseen],
        label=label[unseen],
        scores=native.predict(matrix[unseen]) if unseen.any() else NONE,
    )
    return Fitted(
        form=form,
        format=kind,
        content=content,
        onnx=convert_model(kind, content, native, _spread(seen), form.category_positions()),
        golden=_golden(form, known.rows.filter(pl.Series(is_train)), seen, native),
        metrics=measure(judged.label, judged.scores),
        rows_train=int(is_train.sum()),
        rows_validation=int(unseen.sum()),
        validation_from=cut,
        judged=judged,
    )


def _runtime(kind: str, content: bytes, estimator: Estimator) -> Runtime:
    """Return what is kept, as it will be loaded, so that the metrics are those of it.

    What would run code then is not loaded, for nobody gave leave to that here: it is measured as it was fitted.
    """
    if kind in RUNS_CODE:
        return estimator if isinstance(estimator, Function) else Loaded(estimator)
    return load_runtime(kind, content, allow_pickle=False)


def _spread(seen: Matrix) -> Matrix:
    """Return some of the rows, from the first to the last; enough to compare two forms of a model on."""
    return seen[:: max(1, len(seen) // COMPARED)]


def _golden(form: MatrixForm, rows: pl.DataFrame, seen: Matrix, native: Runtime) -> bytes:
    places = choose_rows(len(seen))
    columns = rows.select(item.name for item in form.inputs)[places].to_dict(as_series=False)
    return dump_golden(columns, native.predict(seen[places]))


def split_by_time(time: pl.Series, fraction: float) -> tuple[npt.NDArray[np.bool_], datetime | None]:
    """Return which rows are trained on, and the instant from which on they are not.

    The last `fraction` of the rows by time validate; rows of one instant stay together, on that side.
    """
    ordered = time.sort()
    first = int(np.floor(len(time) * (1 - fraction)))
    if first >= len(time):
        return np.ones(len(time), dtype=bool), None
    cut = ordered[first]
    return (time < cut).to_numpy(), cut


def label_ends_before(examples: Examples, cut: datetime | None) -> npt.NDArray[np.bool_]:
    """Return which rows have a label that is decided when the validation period begins."""
    if cut is None:
        return np.ones(len(examples.time), dtype=bool)
    return (examples.time <= cut - timedelta(microseconds=examples.horizon_us)).to_numpy()


def _known(examples: Examples, trainer: Trainer) -> Examples:
    keep = (examples.label.is_not_null() & examples.time.is_not_null()).to_numpy()
    if trainer.sample < 1.0:
        keep &= np.random.default_rng(trainer.seed).random(len(keep)) < trainer.sample
    mask = pl.Series(keep)
    return replace(
        examples,
        rows=examples.rows.filter(mask),
        label=examples.label.filter(mask),
        time=examples.time.filter(mask),
    )


def _numbers(label: pl.Series, model: str) -> npt.NDArray[Any]:
    if label.dtype == pl.Boolean:
        return label.cast(pl.Int64).to_numpy()
    if label.dtype.is_numeric():
        return label.to_numpy()
    raise DataError(
        f"model {model}: the label {label.name} is {label.dtype}; a label is a bool or a number", code="FC515"
    )
