"""XGBoost's UBJSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Classes, Matrix, Scores, not_installed, numbered, one_score


class XGBoost:
    """An XGBoost booster; `threads` 0 means as many as XGBoost likes."""

    def __init__(self, content: bytes, threads: int = 0) -> None:
        try:
            import xgboost
        except ImportError as error:
            raise not_installed("xgboost") from error
        if content[:1] != b"{" or content[-1:] != b"}":  # it would end the process, as most files that are cut off
            raise ValueError("it is cut off, or no UBJSON")
        self._booster = xgboost.Booster({"nthread": threads})
        self._booster.load_model(bytearray(content))

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        return one_score(self._answer(matrix))

    def classes(self, matrix: Matrix) -> Classes | None:
        """Return the probabilities of more than two classes, or None."""
        return numbered(self._answer(matrix))

    def gains(self) -> npt.NDArray[np.float64] | None:
        """Return the sum of the gains of each input's splits; None for a model that is no trees."""
        try:
            found = self._booster.get_score(importance_type="total_gain")
        except ValueError:
            return None
        names = self._booster.feature_names or [f"f{place}" for place in range(self._booster.num_features())]
        return np.array([found.get(name, 0.0) for name in names], dtype=np.float64)

    def _answer(self, matrix: Matrix) -> npt.NDArray[Any]:
        return np.asarray(self._booster.inplace_predict(matrix, validate_features=False))
