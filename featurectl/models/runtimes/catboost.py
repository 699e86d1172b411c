"""CatBoost's binary format."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Classes, Matrix, Scores, not_installed, numbered, one_score

_PROBABILITY: Final = "Probability"
_LOGARITHMS: Final = ("Poisson", "Tweedie")  # losses whose trees add up to the logarithm of the value


class CatBoost:
    """A CatBoost model; `threads` 0 means as many as CatBoost likes."""

    def __init__(self, content: bytes, threads: int = 0) -> None:
        try:
            import catboost
        except ImportError as error:
            raise not_installed("catboost") from error
        self._model = catboost.CatBoost().load_model(blob=content)
        self._answer = _answer(self._model)
        self._threads = threads or -1

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        table = self._table(matrix)
        if self._answer != _PROBABILITY and table.ndim > 1:
            table = table[:, 0]  # of a value and its uncertainty
        return one_score(table)

    def classes(self, matrix: Matrix) -> Classes | None:
        """Return the probabilities of more than two classes, or None."""
        return numbered(self._table(matrix)) if self._answer == _PROBABILITY else None

    def gains(self) -> npt.NDArray[np.float64]:
        """Return how much each input changes what the model gives, on average."""
        return np.asarray(self._model.get_feature_importance(), dtype=np.float64)

    def _table(self, matrix: Matrix) -> npt.NDArray[Any]:
        return np.asarray(self._model.predict(matrix, self._answer, thread_count=self._threads))


def _answer(model: Any) -> str:
    """Return what to ask a model for: a probability, or the value that it was trained on."""
    if len(model.classes_):
        return _PROBABILITY
    return "Exponent" if str(model.get_all_params()["loss_function"]).startswith(_LOGARITHMS) else "RawFormulaVal"
