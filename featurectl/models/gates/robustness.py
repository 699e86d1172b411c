"""What scores suffer when inputs are disturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from featurectl.language.definitions.gates import Gates
from featurectl.models.gates.base import GateEvidence, answer, bound, figure, keeps
from featurectl.models.request_matrix import CATEGORY, RowEncoder
from featurectl.models.runtimes.base import Matrix
from featurectl.registry.state import BoundFeature, GateResult

_BOOL: Final = "bool"
_ORDER: Final = ("noise", "missing", "unseen")  # each draws from a generator of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessGate:
    """`robustness.noise`, `.missing` or `.unseen`: how far the mean score moves, and what AUC loses.

    Noise is normal, `amount` standard deviations of each numeric column; `missing` makes a share of the values of each
    column null, for which the input's default stands where it has one; `unseen` gives a share of the values of each
    category another one than the model knows.
    """

    kind: str
    amount: float
    most_shift: float | None = None
    most_drop: float | None = None

    @property
    def name(self) -> str:
        """`robustness.noise`."""
        return f"robustness.{self.kind}"

    @property
    def asked(self) -> str:
        """`0.05: mean shift at most 0.1, AUC drop at most 0.02`."""
        bounds = (("mean shift", self.most_shift), ("AUC drop", self.most_drop))
        parts = [f"{what} at most {bound(most)}" for what, most in bounds if most is not None]
        return f"{bound(self.amount)}: {', '.join(parts)}"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Score the disturbed validation rows and compare."""
        if not len(evidence.label):
            return answer(self, "not measured: there are no validation rows", False)
        rng = np.random.default_rng([evidence.seed, _ORDER.index(self.kind)])
        matrix = evidence.matrix.copy()
        if not sum(_DISTURB[self.kind](matrix[:, i], item, self.amount, rng) for i, item in enumerate(evidence.inputs)):
            return answer(self, "no input can be disturbed so", None)
        try:
            scores = evidence.native.predict(matrix)
        except ValueError as error:
            return answer(self, f"the model refuses such rows: {str(error).splitlines()[0]}", False)
        parts, passed = [], True
        if self.most_shift is not None:
            shift = abs(float(scores.mean() - evidence.scores.mean()))
            parts, passed = [f"mean shift {figure(shift)}"], keeps(shift, None, self.most_shift)
        if self.most_drop is not None:
            before, after = (evidence.metrics(found).get("auc") for found in (evidence.scores, scores))
            drop = None if before is None or after is None else round(before - after, 6)
            why = "the label has not two classes" if before is None else "a score is no finite number"
            parts.append(f"AUC not measured: {why}" if drop is None else f"AUC drop {figure(drop)}")
            passed = passed and drop is not None and keeps(drop, None, self.most_drop)
        return answer(self, ", ".join(parts), passed)


def robustness_gates(gates: Gates) -> Sequence[RobustnessGate]:
    """Return a gate for each disturbance that is asked for."""
    bounds = gates.robustness
    if bounds is None:
        return []
    return [
        RobustnessGate(kind=kind, amount=amount, most_shift=bounds.max_mean_shift, most_drop=bounds.max_auc_drop)
        for kind, amount in bounds.disturbances().items()
    ]


def _add_noise(column: Matrix, item: BoundFeature, amount: float, rng: np.random.Generator) -> bool:
    finite = np.isfinite(column)
    if item.model_dtype in (CATEGORY, _BOOL) or not finite.any():
        return False
    deviation = float(column[finite].std(dtype=np.float64))
    column += rng.normal(0.0, amount * deviation, len(column)).astype(np.float32)
    return True


def _make_missing(column: Matrix, item: BoundFeature, amount: float, rng: np.random.Generator) -> bool:
    column[rng.random(len(column)) < amount] = RowEncoder([item]).encode({item.name: [item.default]}, 1)[0, 0]
    return True


def _make_unseen(column: Matrix, item: BoundFeature, amount: float, rng: np.random.Generator) -> bool:
    if item.model_dtype != CATEGORY:
        return False
    column[rng.random(len(column)) < amount] = np.nan  # what a value is that the list of categories lacks
    return True


Disturb = Callable[[Matrix, BoundFeature, float, np.random.Generator], bool]  # in place; False: not this column
_DISTURB: Final[Mapping[str, Disturb]] = {"noise": _add_noise, "missing": _make_missing, "unseen": _make_unseen}
