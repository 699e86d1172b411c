"""LightGBM's text format."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Classes, Matrix, Scores, not_installed, numbered, one_score


class LightGbm:
    """A LightGBM booster; `threads` 0 means as many as LightGBM likes."""

    def __init__(self, content: bytes, threads: int = 0) -> None:
        try:
            import lightgbm
        except ImportError as error:
            raise not_installed("lightgbm") from error
        text = content.decode()
        _check_trees(text)
        self._booster = lightgbm.Booster(model_str=text)
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


def _check_trees(text: str) -> None:
    """See that trees lie where a model's head says: LightGBM takes a file that was cut, and dies of one that is torn.

    Raises:
        ValueError: they do not, or there are none.
    """
    head, mark, _ = text.partition("\nTree=")
    if not mark:
        raise ValueError("it has no trees")
    if "\nparameters:" in text and "\nend of parameters" not in text:  # the lists of categories come behind them
        raise ValueError("its parameters have no end: it is cut off, or was changed")
    told = re.search(r"^tree_sizes=([\d ]*)$", head, re.MULTILINE)
    if told is None:  # a version of long ago did not say it
        return
    place, sizes = len(head) + 1, [int(size) for size in told[1].split()]
    for number, size in enumerate(sizes):
        if not text.startswith(f"Tree={number}\n", place):
            raise ValueError(f"tree {number} of {len(sizes)} is not where its head says: it is cut off, or was changed")
        place += size
    if not text.startswith("end of trees", place):
        raise ValueError("its trees do not end where its head says: it is cut off, or was changed")
