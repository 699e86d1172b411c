"""Estimators as scikit-learn has them, once something has loaded them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Classes, Matrix, Runtime, Scores, classes_of, one_score


class Estimator(Protocol):
    """What a trainer's estimator must have: fit and predict, as scikit-learn's do."""

    def fit(self, matrix: Matrix, label: npt.NDArray[Any]) -> object:
        """Learn."""

    def predict(self, matrix: Matrix) -> npt.NDArray[Any]:
        """Return a class or a value per row."""


class EstimatorRuntime:
    """A fitted estimator as a model."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator

    def predict(self, matrix: Matrix) -> Scores:
        """Return the probability of the positive class of a binary classifier, else the prediction, per row."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        with _names_unasked(self.estimator):
            proba = getattr(self.estimator, "predict_proba", None)
            if proba is not None:
                table = np.asarray(proba(matrix))
                if table.ndim == 2 and table.shape[1] == 2:
                    return one_score(table)
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(len(matrix))

    def classes(self, matrix: Matrix) -> Classes | None:
        """Return the probabilities of more than two classes, or None."""
        proba, labels = getattr(self.estimator, "predict_proba", None), getattr(self.estimator, "classes_", None)
        with _names_unasked(self.estimator):
            table = None if proba is None or labels is None else np.asarray(proba(matrix))
        if table is None or table.ndim != 2 or table.shape[1] <= 2:
            return None
        return Classes(labels=np.asarray(labels), table=table.astype(np.float64))

    def gains(self) -> npt.NDArray[np.float64] | None:
        """Return the estimator's own importances, or None."""
        found = getattr(self.estimator, "feature_importances_", None)
        return None if found is None else np.asarray(found, dtype=np.float64)

    def weights(self) -> npt.NDArray[np.float64] | None:
        """Return the size of a linear estimator's coefficient for each input, or None."""
        found = getattr(self.estimator, "coef_", None)
        return None if found is None else np.abs(np.atleast_2d(np.asarray(found, dtype=np.float64))).mean(axis=0)


@contextmanager
def _names_unasked(estimator: object) -> Iterator[None]:
    """Keep scikit-learn from warning that columns have no names: an import has seen that they are those of the fit."""
    if not hasattr(estimator, "feature_names_in_"):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        yield


def class_count(estimator: object) -> int | None:
    """Return how many classes a fitted estimator distinguishes, None where it does not say."""
    labels = getattr(estimator, "classes_", None)
    return None if labels is None else len(labels)


def has_classes(runtime: Runtime, matrix: Matrix) -> bool:
    """Return whether a model distinguishes more than two classes; `matrix` is some row that it takes."""
    labels = getattr(runtime.estimator, "classes_", ()) if isinstance(runtime, EstimatorRuntime) else ()
    return len(labels) > 2 or classes_of(runtime, matrix) is not None
