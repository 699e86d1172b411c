"""LightGBM's text format."""

from __future__ import annotations

import numpy as np

from featurectl.models.runtimes.base import Matrix, Scores, not_installed, one_score


class LightGbm:
    """A LightGBM booster; `threads` 0 means as many as LightGBM likes."""

    def __init__(self, content: bytes, threads: int = 0) -> None:
        try:
            import lightgbm
        except ImportError as error:
            raise not_installed("lightgbm") from error
        self._booster = lightgbm.Booster(model_str=content.decode())
        self._threads = threads

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        return one_score(np.asarray(self._booster.predict(matrix, num_threads=self._threads)))
