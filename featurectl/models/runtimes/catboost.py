"""CatBoost's binary format."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from featurectl.models.runtimes.base import Matrix, Scores, not_installed, one_score

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
        table = np.asarray(self._model.predict(matrix, self._answer, thread_count=self._threads))
        if self._answer != _PROBABILITY and table.ndim > 1:
            table = table[:, 0]  # of a value and its uncertainty
        return one_score(table)


def _answer(model: Any) -> str:
    """Return what to ask a model for: a probability, or the value that it was trained on."""
    if len(model.classes_):
        return _PROBABILITY
    return "Exponent" if str(model.get_all_params()["loss_function"]).startswith(_LOGARITHMS) else "RawFormulaVal"
