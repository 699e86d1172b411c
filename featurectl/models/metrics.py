"""How good scores are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from featurectl.models.runtimes.base import Classes, Scores

Task = Literal["binary", "classes", "numbers"]
_CLASSES: Final = "macro_f1"  # a metric of several classes alone
_TINY: Final = float(np.finfo(np.float64).eps)


def part_of(classes: Classes | None, at: npt.NDArray[np.bool_]) -> Classes | None:
    """Return the probabilities of some of the rows."""
    return None if classes is None else Classes(labels=classes.labels, table=classes.table[at])


def is_binary(label: npt.NDArray[Any]) -> bool:
    """Return whether a label has the two values 0 and 1 (or false and true) and no other."""
    return bool(np.isin(label, (0, 1)).all())


def task_of(metrics: Mapping[str, float]) -> Task:
    """Return what was measured, by the names of the metrics."""
    if _CLASSES in metrics:
        return "classes"
    return "numbers" if "rmse" in metrics else "binary"


def measure(
    label: npt.NDArray[Any], scores: Scores, task: Task | None = None, classes: Classes | None = None
) -> dict[str, float]:
    """Return the metrics of scores against the label, by name, rounded to six places; none that is no number.

    Without a task: binary where the label is 0 and 1, else numbers. Of several classes the scores are the likeliest,
    and log_loss needs the probabilities of all. No rows, or a score that is no finite number: nothing.
    """
    if not len(label) or not np.isfinite(scores).all():
        return {}
    task = task or ("binary" if is_binary(label) else "numbers")
    if task == "binary":
        found = _binary(label.astype(np.int64), scores)
    elif task == "classes":
        found = _classes(label, scores, classes)
    else:
        found = _numbers(label.astype(np.float64), scores)
    return {name: round(float(value), 6) for name, value in found.items() if np.isfinite(value)}


def _binary(label: npt.NDArray[np.int64], scores: Scores) -> dict[str, float]:
    said = scores >= 0.5
    hits = float((said & (label == 1)).sum())
    found = {
        "positive_rate": label.mean(),
        "accuracy": (said == label).mean(),
        "precision": hits / max(said.sum(), 1),
        "recall": hits / max(label.sum(), 1),
        "f1": 2 * hits / max(said.sum() + label.sum(), 1),
    }
    if scores.min() >= 0 and scores.max() <= 1:
        found["brier"] = ((scores - label) ** 2).mean()
    if 0 < label.sum() < len(label):
        found["auc"] = auc(label, scores)
        found["average_precision"] = _average_precision(label, scores)
        if "brier" in found:
            likely = np.clip(np.where(label == 1, scores, 1 - scores), _TINY, 1 - _TINY)
            found["log_loss"] = -np.log(likely).mean()
    return found


def auc(label: npt.NDArray[np.int64], scores: Scores) -> float:
    """Return the share of pairs of a positive and a negative row in which the positive one scores more; ties half."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # of equal scores the middle one
    positive = int(label.sum())
    above = rank[label == 1].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(label) - positive)))


def counts_from_the_top(label: npt.NDArray[np.int64], scores: Scores) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return, at each distinct score from the greatest on, how many rows and how many positive ones reach it."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return last + 1, np.cumsum(label[order])[last]


def _average_precision(label: npt.NDArray[np.int64], scores: Scores) -> float:
    rows, hits = counts_from_the_top(label, scores)
    return float((np.diff(hits, prepend=0) * hits / rows).sum() / label.sum())


def _classes(label: npt.NDArray[Any], scores: Scores, classes: Classes | None) -> dict[str, float]:
    parts = []
    for value in np.unique(np.concatenate([label, scores])):
        hits = ((label == value) & (scores == value)).sum()
        parts.append(2 * hits / ((label == value).sum() + (scores == value).sum()))
    found = {"accuracy": float((label == scores).mean()), _CLASSES: float(np.mean(parts))}
    if classes is not None and np.isin(label, classes.labels).all():
        likely = classes.table[np.arange(len(label)), np.searchsorted(classes.labels, label)]
        found["log_loss"] = float(-np.log(np.clip(likely, _TINY, 1)).mean())
    return found


def _numbers(label: npt.NDArray[np.float64], scores: Scores) -> dict[str, float]:
    error = scores - label
    spread = ((label - label.mean()) ** 2).sum()
    found = {"mae": np.abs(error).mean(), "rmse": np.sqrt((error**2).mean())}
    if spread > 0:
        found["r2"] = 1 - (error**2).sum() / spread
    if (label != 0).all():
        found["mape"] = np.abs(error / label).mean()
    return found
