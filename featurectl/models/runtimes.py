"""Estimator -> bytes -> scores. Only data formats load by default; a pickle runs code and must be allowed."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from featurectl.errors import DataError, UsageError
from featurectl.models.matrix import Matrix

Scores = npt.NDArray[np.float64]

LIGHTGBM, PICKLE = "txt", "pkl"
_FIT_FAILURES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError)


class Runtime(Protocol):
    """A loaded model."""

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row: the probability of the positive class, or the predicted value."""


class Estimator(Protocol):
    """What a trainer's estimator must have: fit and predict, as scikit-learn's do."""

    def fit(self, matrix: Matrix, label: npt.NDArray[Any]) -> object:
        """Learn."""

    def predict(self, matrix: Matrix) -> npt.NDArray[Any]:
        """Return a class or a value per row."""


def make_estimator(name: str, params: Mapping[str, object], seed: int) -> Estimator:
    """Return a new estimator by its importable name; the seed goes in as `random_state` where it is taken.

    Raises:
        DataError: FC513, it can't be imported or does not take the parameters.
    """
    module, _, attribute = name.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        hint = "pip install 'featurectl[models]'" if module.split(".")[0] in {"lightgbm", "sklearn"} else ""
        raise DataError(f"estimator {name} can't be imported: {error}", code="FC513", hint=hint) from error
    try:
        estimator = factory(**params)
        if "random_state" not in params and "random_state" in getattr(estimator, "get_params", dict)():
            estimator.set_params(random_state=seed)
    except (TypeError, ValueError) as error:
        raise DataError(f"estimator {name} does not take these params: {error}", code="FC513") from error
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise DataError(f"estimator {name} has no fit and predict", code="FC513")
    return estimator  # type: ignore[no-any-return]


def fit_estimator(
    estimator: Estimator, matrix: Matrix, label: npt.NDArray[Any], names: Sequence[str], categories: Sequence[int]
) -> None:
    """Fit an estimator; LightGBM is told the names of the columns and which are categories.

    What an estimator prints goes to stderr: stdout is the result of the command.

    Raises:
        DataError: FC513, it refuses its parameters or the rows.
    """
    kind = f"{type(estimator).__module__}.{type(estimator).__name__}"
    try:
        with redirect_stdout(sys.stderr):
            if kind.startswith("lightgbm"):
                estimator.fit(matrix, label, feature_name=list(names), categorical_feature=list(categories))  # type: ignore[call-arg]
            else:
                estimator.fit(matrix, label)
    except _failures(kind) as error:
        raise DataError(f"{kind} could not be fitted: {error}", code="FC513") from error


def _failures(kind: str) -> tuple[type[Exception], ...]:
    if not kind.startswith("lightgbm"):
        return _FIT_FAILURES
    from lightgbm.basic import LightGBMError

    return (*_FIT_FAILURES, LightGBMError)


def dump_estimator(estimator: Estimator, *, allow_pickle: bool) -> tuple[str, bytes]:
    """Return the format and bytes of a fitted estimator.

    Raises:
        DataError: FC514, only a pickle can hold it and the model does not allow one.
    """
    booster = getattr(estimator, "booster_", None)
    if booster is not None and type(estimator).__module__.startswith("lightgbm"):
        return LIGHTGBM, booster.model_to_string().encode()
    if not allow_pickle:
        kind = f"{type(estimator).__module__}.{type(estimator).__name__}"
        raise DataError(
            f"{kind} can only be kept as a pickle, which runs code when it is loaded",
            code="FC514",
            hint="set `allow_pickle: true` in the model, or train a lightgbm estimator",
        )
    import joblib

    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return PICKLE, buffer.getvalue()


def load_runtime(kind: str, content: bytes, *, allow_pickle: bool) -> Runtime:
    """Return a model from its bytes.

    Raises:
        UsageError: it is a pickle and the command was not given --allow-pickle.
        DataError: FC513, the library that reads it is not installed.
    """
    if kind == LIGHTGBM:
        return _LightGbm(content)
    if not allow_pickle:
        raise UsageError("this model is a pickle, which runs code when it is loaded", hint="allow it: --allow-pickle")
    return _Pickle(content)


class _LightGbm:
    def __init__(self, content: bytes) -> None:
        try:
            import lightgbm
        except ImportError as error:
            hint = "pip install 'featurectl[models]'"
            raise DataError("lightgbm is not installed", code="FC513", hint=hint) from error
        self._booster = lightgbm.Booster(model_str=content.decode())

    def predict(self, matrix: Matrix) -> Scores:
        return np.asarray(self._booster.predict(matrix), dtype=np.float64)


class _Pickle:
    def __init__(self, content: bytes) -> None:
        import joblib

        self._estimator = joblib.load(io.BytesIO(content))

    def predict(self, matrix: Matrix) -> Scores:
        return predict_scores(self._estimator, matrix)


def predict_scores(estimator: Estimator, matrix: Matrix) -> Scores:
    """Return the probability of the positive class of a binary classifier, else the prediction, per row."""
    proba = getattr(estimator, "predict_proba", None)
    if proba is not None:
        table = np.asarray(proba(matrix))
        if table.ndim == 2 and table.shape[1] == 2:
            return table[:, 1].astype(np.float64)
    return np.asarray(estimator.predict(matrix), dtype=np.float64)
