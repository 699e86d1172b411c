"""`package.module:function`: scores by a Python function of the matrix, with nothing to fit."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from featurectl.core.errors import DataError
from featurectl.models.runtimes.base import Matrix, Scores


class FunctionRuntime:
    """A function from a float32 matrix to a score per row."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._function = _import(name)

    def fit(self, matrix: Matrix, label: object) -> None:
        """Learn nothing."""

    def predict(self, matrix: Matrix) -> Scores:
        """Return what the function gives.

        Raises:
            DataError: FC513, that is not a number per row.
        """
        scores = np.asarray(self._function(matrix))
        if scores.shape != (len(matrix),) or scores.dtype.kind not in "fiub":
            raise DataError(
                f"{self.name} gives {scores.dtype} of shape {scores.shape} for {len(matrix):,} rows",
                code="FC513",
                hint="it takes a float32 matrix and returns a number per row",
            )
        return scores.astype(np.float64)


def _import(name: str) -> Callable[[Matrix], Any]:
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"function {name} can't be imported: {error}", code="FC513") from error
    if not callable(function):
        raise DataError(f"{name} is no function", code="FC513")
    return function  # type: ignore[no-any-return]  # a person's own function
