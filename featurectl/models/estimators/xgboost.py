"""XGBoost's estimators."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from featurectl.models.estimators.base import EstimatorLibrary, FitRows
from featurectl.models.runtimes.base import XGBOOST


class XGBoostLibrary(EstimatorLibrary):
    """The kinds of columns are set before the fit, and is kept as UBJSON. Its own error is a ValueError."""

    stops_early: ClassVar[bool] = True

    def prepare(self, estimator: Any, rows: FitRows) -> dict[str, Any]:
        """Set the kinds of columns, and return the rows to stop by.

        Raises:
            ValueError: `missing` is a number: a null is NaN here.
        """
        params = estimator.get_params()
        missing = params.get("missing")
        if missing is not None and not np.isnan(missing):
            raise ValueError("a null is NaN here, so `missing` can't be another number")
        if rows.categories and params.get("feature_types") is None:
            types = ["c" if place in rows.categories else "q" for place in range(len(rows.names))]
            estimator.set_params(feature_types=types, enable_categorical=True)
        return {} if rows.stop is None else {"eval_set": [rows.stop], "verbose": False}

    def dump(self, estimator: Any, *, allow_pickle: bool) -> tuple[str, bytes] | None:
        """Return the booster up to its best round as UBJSON."""
        if not hasattr(estimator, "get_booster"):
            return super().dump(estimator, allow_pickle=allow_pickle)
        return XGBOOST, bytes(_best_rounds(estimator).save_raw("ubj"))


def _best_rounds(estimator: Any) -> Any:
    """Return XGBoost's model up to its best round, which only its own scikit-learn class would stop at by itself."""
    booster = estimator.get_booster()
    best = booster.attr("best_iteration")
    return booster if best is None else booster[: int(best) + 1]
