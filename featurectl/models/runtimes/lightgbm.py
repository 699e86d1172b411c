"""LightGBM's text format."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Classes, Matrix, Scores, not_installed, numbered, one_score


def without_parameters(text: str) -> str:
    """Return a model without its parameters: no score follows from them, and LightGBM aborts over unknown ones."""
    before, mark, rest = text.partition("\nparameters:")
    _, end, after = rest.partition("\nend of parameters")
    return f"{before}{mark}{end}{after}" if end else text


class LightGbm:
    """A LightGBM booster; `threads` 0 means as many as LightGBM likes."""

    def __init__(self, content: bytes, threads: int = 0) -> None:
        try:
            import lightgbm
        except ImportError as error:
            raise not_installed("lightgbm") from error
        text = content.decode()
        if "\nend of trees" not in text or ("\nparameters:" in text and "\nend of parameters" not in text):
            raise ValueError("it is cut off")  # LightGBM would take the trees that are left
        self._booster = lightgbm.Booster(model_str=without_parameters(text))
        self._threads = threads

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        return one_score(self._answer(matrix))

    def classes(self, matrix: Matrix) -> Classes | None:
        """Return the probabilities of more than two classes, or None."""
        return numbered(self._answer(matrix))

    def gains(self) -> npt.NDArray[np.float64]:
        """Return the sum of the gains of each input's splits."""
        return np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)

    def _answer(self, matrix: Matrix) -> npt.NDArray[Any]:
        return np.asarray(self._booster.predict(matrix, num_threads=self._threads))
