"""A feature that knows the label by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.language.definitions.gates import Gates
from featurectl.models.gates.base import ENOUGH_OF_A_CLASS, ENOUGH_ROWS, GateEvidence, answer, figure
from featurectl.models.metrics import is_binary
from featurectl.models.request_matrix import CATEGORY
from featurectl.registry.state import GateResult

MOST: Final = 0.99
_MOST_ROWS: Final = 200_000
MatrixColumn = npt.NDArray[np.float32]
ClassLabels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageGate:
    """`single_feature_auc`: no input orders the validation rows by itself. Asked of every model with two classes.

    A number is judged by its order, either way round, with nulls below or above all others; a category by the label's
    mean among other rows of its value.
    """

    @property
    def name(self) -> str:
        """What no key of the language asks for."""
        return "single_feature_auc"

    @property
    def asked(self) -> str:
        """`at most 0.99 for each input`."""
        return f"at most {MOST} for each input"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Measure each input on up to 200,000 of the validation rows; few rows prove nothing."""
        label = evidence.label
        if evidence.task != "binary" or not is_binary(label):
            return answer(self, "the label has not two classes", None)
        ones = int(label.sum())
        if len(label) < ENOUGH_ROWS or min(ones, len(label) - ones) < ENOUGH_OF_A_CLASS:
            few = f"{len(label):,} validation rows, {ones:,} of the positive class"
            return answer(self, f"{few}; {ENOUGH_ROWS} are enough, {ENOUGH_OF_A_CLASS} of each class", None)
        step = -(-len(label) // _MOST_ROWS)
        matrix, known = evidence.matrix[::step], label[::step].astype(np.int64)
        found = {
            item.name: auc_alone(matrix[:, place], known, is_category=item.model_dtype == CATEGORY, seed=evidence.seed)
            for place, item in enumerate(evidence.inputs)
        }
        best = max(found, key=lambda name: found[name])
        leaks = [f"{name} {figure(auc)}" for name, auc in found.items() if auc > MOST]
        return answer(self, ", ".join(leaks) or f"{best} {figure(found[best])}", not leaks)


def leakage_gates(_: Gates) -> Sequence[LeakageGate]:
    """Return the gate, which every version has."""
    return [LeakageGate()]


def auc_alone(column: MatrixColumn, label: ClassLabels, *, is_category: bool, seed: int) -> float:
    """Return the AUC of a column as a score of its own, at its best."""
    values = _rates_elsewhere(column, label, seed) if is_category else column
    _, ranks = np.unique(values, return_inverse=True)  # NaN stands last
    nulls_first = np.where(np.isnan(values), 0, ranks + 1)
    return max(_better_way(order, label) for order in (ranks, nulls_first))


def _better_way(ranks: npt.NDArray[np.int64], label: ClassLabels) -> float:
    """Return the share of pairs of a one and a zero that ranks put in order, a tie for half, or in reverse."""
    ones = np.bincount(ranks, weights=label)
    zeros = np.bincount(ranks, weights=1 - label)
    pairs = float(ones.sum() * zeros.sum())
    if not pairs:
        return 0.5
    auc = float((ones * (np.cumsum(zeros) - zeros / 2)).sum()) / pairs
    return round(max(auc, 1 - auc), 6)


def _rates_elsewhere(column: MatrixColumn, label: ClassLabels, seed: int) -> npt.NDArray[np.float64]:
    """Return the label's mean among the rows of the other half that have the row's value, null being one of them.

    A value that the other half lacks has the mean of all: what stands in one row alone says nothing.
    """
    _, codes = np.unique(column, return_inverse=True)
    half = np.random.default_rng(seed).random(len(column)) < 0.5
    rates = np.full(len(column), label.mean())
    for own in (half, ~half):
        rows = np.bincount(codes[~own], minlength=codes.max() + 1)
        ones = np.bincount(codes[~own], weights=label[~own], minlength=codes.max() + 1)
        known = own & (rows[codes] > 0)
        rates[known] = ones[codes[known]] / rows[codes[known]]
    return rates
