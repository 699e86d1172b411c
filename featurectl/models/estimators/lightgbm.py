"""LightGBM's estimators."""

from __future__ import annotations

from inspect import signature
from typing import Any, ClassVar

from featurectl.models.estimators.base import EstimatorLibrary, FitRows
from featurectl.models.runtimes.base import LIGHTGBM


class LightGbmLibrary(EstimatorLibrary):
    """It is given names and categories of columns by `fit`, and is kept as text."""

    stops_early: ClassVar[bool] = True
    numbers_classes: ClassVar[bool] = True

    def prepare(self, estimator: Any, rows: FitRows) -> dict[str, Any]:
        """Return names, categories, and the rows to stop by as the installed version takes them."""
        columns = {"feature_name": list(rows.names), "categorical_feature": list(rows.categories)}
        if rows.stop is None:
            return columns
        if "eval_X" in signature(estimator.fit).parameters:
            return {**columns, "eval_X": (rows.stop[0],), "eval_y": (rows.stop[1],)}
        return {**columns, "eval_set": [rows.stop]}

    def failures(self) -> tuple[type[Exception], ...]:
        """Return the errors of Python, and its own."""
        from lightgbm.basic import LightGBMError

        return (*super().failures(), LightGBMError)

    def dump(self, estimator: Any, *, allow_pickle: bool) -> tuple[str, bytes] | None:
        """Return the booster as text."""
        if not hasattr(estimator, "booster_"):
            return super().dump(estimator, allow_pickle=allow_pickle)
        return LIGHTGBM, estimator.booster_.model_to_string().encode()
