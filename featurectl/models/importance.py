"""How much each input of a model counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from featurectl.models.metrics import Task, auc, is_binary
from featurectl.models.runtimes.base import Matrix, Runtime, Scores, gains_of
from featurectl.models.runtimes.estimator import EstimatorRuntime

SAMPLE: Final = 2_000  # rows at most whose inputs are shuffled


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceRows:
    """Rows by which inputs are compared: those `seen` in training, and others with their labels."""

    seen: Matrix
    matrix: Matrix
    label: npt.NDArray[Any]
    task: Task
    seed: int


def importance_of(runtime: Runtime, names: Sequence[str], evidence: ImportanceRows) -> dict[str, float]:
    """Return the share of each input in a model's work; they add up to 1. Nothing where no input counts.

    By the model's own account where it has one: the gain of its splits, a forest's importances, or the coefficients of
    a linear model times the standard deviations of the inputs that it has seen. Else by how much worse it becomes when
    the input is shuffled among some of the other rows, drawn with the seed.
    """
    found = gains_of(runtime)
    weights = runtime.weights() if isinstance(runtime, EstimatorRuntime) and found is None else None
    if weights is not None and len(weights) == len(names):
        found = weights * np.nan_to_num(np.std(evidence.seen.astype(np.float64), axis=0))
    if found is None or len(found) != len(names):
        found = _shuffled(runtime, evidence)
    found = np.clip(np.nan_to_num(found, posinf=0.0), 0, None)
    total = found.sum()
    return {name: round(float(value / total), 6) for name, value in zip(names, found, strict=True)} if total else {}


def _shuffled(runtime: Runtime, evidence: ImportanceRows) -> Scores:
    """Return how much worse a model becomes by each input that is shuffled."""
    random, width = np.random.default_rng(evidence.seed), evidence.matrix.shape[1]
    matrix, label = _sample(evidence.matrix, evidence.label, random)
    whole = _goodness(label, runtime.predict(matrix), evidence.task)
    lost = np.zeros(width)
    for place in range(width):
        disturbed = matrix.copy()
        disturbed[:, place] = random.permutation(disturbed[:, place])
        lost[place] = whole - _goodness(label, runtime.predict(disturbed), evidence.task)
    return lost


def _sample(matrix: Matrix, label: npt.NDArray[Any], random: np.random.Generator) -> tuple[Matrix, npt.NDArray[Any]]:
    if len(matrix) <= SAMPLE:
        return matrix, label
    chosen = np.sort(random.choice(len(matrix), SAMPLE, replace=False))
    return matrix[chosen], label[chosen]


def _goodness(label: npt.NDArray[Any], scores: Scores, task: Task) -> float:
    if task == "classes":
        return float((label == scores).mean())
    if task == "binary" and is_binary(label) and 0 < label.sum() < len(label):
        return auc(label.astype(np.int64), scores)
    return -float(((label - scores) ** 2).mean())
