"""Estimators as scikit-learn has them, once something has loaded them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Matrix, Scores, one_score


class Estimator(Protocol):
    """What a trainer's estimator must have: fit and predict, as scikit-learn's do."""

    def fit(self, matrix: Matrix, label: npt.NDArray[Any]) -> object:
        """Learn."""

    def predict(self, matrix: Matrix) -> npt.NDArray[Any]:
        """Return a class or a value per row."""


class Fitted:
    """A fitted estimator as a model."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator

    def predict(self, matrix: Matrix) -> Scores:
        """Return the probability of the positive class of a binary classifier, else the prediction, per row."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        proba = getattr(self.estimator, "predict_proba", None)
        if proba is not None:
            table = np.asarray(proba(matrix))
            if table.ndim == 2 and table.shape[1] == 2:
                return one_score(table)
        return np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(len(matrix))
