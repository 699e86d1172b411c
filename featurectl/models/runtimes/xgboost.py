"""XGBoost's UBJSON."""

from __future__ import annotations

import numpy as np

from featurectl.models.runtimes.base import Matrix, Scores, not_installed, one_score


class XGBoost:
    """An XGBoost booster; `threads` 0 means as many as XGBoost likes."""

    def __init__(self, content: bytes, threads: int = 0) -> None:
        try:
            import xgboost
        except ImportError as error:
            raise not_installed("xgboost") from error
        self._booster = xgboost.Booster({"nthread": threads})
        self._booster.load_model(bytearray(content))

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        return one_score(np.asarray(self._booster.inplace_predict(matrix, validate_features=False)))
