"""How good scores are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def is_binary(label: npt.NDArray[Any]) -> bool:
    """Return whether a label has the two values 0 and 1 (or false and true) and no other."""
    return bool(np.isin(label, (0, 1)).all())


def measure(label: npt.NDArray[Any], scores: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics of scores against the label, by name, rounded to six places.

    Binary: auc, log_loss, accuracy at 0.5, and the label's positive rate; auc only where both classes occur.
    Else: mae, rmse and r2. No rows: nothing.
    """
    if not len(label):
        return {}
    found = _binary(label.astype(np.int64), scores) if is_binary(label) else _regression(label, scores)
    return {name: round(float(value), 6) for name, value in found.items()}


def _binary(label: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> dict[str, float]:
    from sklearn import metrics

    found = {"positive_rate": float(label.mean()), "accuracy": metrics.accuracy_score(label, scores >= 0.5)}
    if 0 < label.sum() < len(label):
        found["auc"] = metrics.roc_auc_score(label, scores)
        if scores.min() >= 0 and scores.max() <= 1:
            found["log_loss"] = metrics.log_loss(label, scores)
    return found


def _regression(label: npt.NDArray[Any], scores: npt.NDArray[np.float64]) -> dict[str, float]:
    from sklearn import metrics

    return {
        "mae": metrics.mean_absolute_error(label, scores),
        "rmse": metrics.root_mean_squared_error(label, scores),
        "r2": metrics.r2_score(label, scores) if len(label) > 1 else float("nan"),
    }
