"""Bounds of metrics, and what a metric gains over the champion's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurectl.language.definitions.gates import LESS_IS_BETTER, Gates
from featurectl.models.gates.base import GateEvidence, answer, bound, figure, keeps
from featurectl.registry.state import GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """`min_METRIC` or `max_METRIC`: a bound of a metric on the validation rows. One too good gives away a leak."""

    metric: str
    least: float | None = None
    most: float | None = None

    @property
    def name(self) -> str:
        """`min_auc`."""
        return f"{'min' if self.least is not None else 'max'}_{self.metric}"

    @property
    def asked(self) -> str:
        """`at least 0.65`."""
        return f"at least {bound(self.least)}" if self.least is not None else f"at most {bound(self.most or 0)}"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Measure the metric on all validation rows; what can't be measured is not reached."""
        found = evidence.metrics(evidence.scores, evidence.classes)
        if self.metric not in found:
            return answer(self, f"not measured: {_measurable(evidence, found)}", False)
        value = found[self.metric]
        return answer(self, figure(value), keeps(value, self.least, self.most))


@dataclass(frozen=True, slots=True, kw_only=True)
class GainGate:
    """`min_METRIC_gain_over_champion`: how much better a metric is than the champion's, both on the same rows.

    Of a metric that is better the smaller it is, the gain is by how much it is smaller. A negative bound is what a
    version may be worse by.
    """

    metric: str
    least: float

    @property
    def name(self) -> str:
        """`min_auc_gain_over_champion`."""
        return f"min_{self.metric}_gain_over_champion"

    @property
    def asked(self) -> str:
        """`at least -0.002`."""
        return f"at least {bound(self.least)}"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Measure both on the same rows."""
        champion = evidence.champion
        if champion is None:
            return answer(self, "no champion", True)
        if champion.missing:
            return answer(self, f"not measured: champion v{champion.version}: {champion.missing}", False)
        ours = evidence.metrics(evidence.scores, evidence.classes)
        theirs = evidence.metrics(champion.scores, champion.classes)
        if self.metric not in ours:
            return answer(self, f"not measured: {_measurable(evidence, ours)}", False)
        if self.metric not in theirs:
            return answer(self, f"not measured: of champion v{champion.version} {_measurable(evidence, theirs)}", False)
        own, other = ours[self.metric], theirs[self.metric]
        gain = round(other - own if self.metric in LESS_IS_BETTER else own - other, 6)
        text = f"{figure(gain)} ({figure(own)}, champion v{champion.version} {figure(other)})"
        return answer(self, text, keeps(gain, self.least, None))


def metric_gates(gates: Gates) -> Sequence[MetricGate]:
    """Return a gate for each bound of a metric."""
    least = [MetricGate(metric=name, least=bound) for name, bound in gates.least.items()]
    return [*least, *(MetricGate(metric=name, most=bound) for name, bound in gates.most.items())]


def gain_gates(gates: Gates) -> Sequence[GainGate]:
    """Return a gate for each metric that has to gain over the champion's."""
    return [GainGate(metric=name, least=bound) for name, bound in gates.least_gain.items()]


def _measurable(evidence: GateEvidence, found: dict[str, float]) -> str:
    if not len(evidence.label):
        return "there are no validation rows"
    return f"the validation rows give {', '.join(sorted(found))}" if found else "a score is no finite number"
