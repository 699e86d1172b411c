"""All gates of a model, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from featurectl.core.errors import DataError
from featurectl.language.definitions.gates import METRICS, Gates
from featurectl.models.gates.base import Gate, GateEvidence
from featurectl.models.gates.equality import EqualityGate
from featurectl.models.gates.latency import LatencyGate
from featurectl.models.gates.leakage import LeakageGate
from featurectl.models.gates.metric import GainGate, MetricGate
from featurectl.models.gates.robustness import RobustnessGate
from featurectl.models.gates.size import SizeGate
from featurectl.models.gates.slices import SliceGate
from featurectl.registry.state import GateResult


def gates_asked(gates: Gates | None) -> list[Gate]:
    """Return what is asked of a version: what the model's `gates` say, and what is asked of every model.

    Raises:
        DataError: FC104, a bound is of a metric that nobody measures.
    """
    gates = gates or Gates()
    unknown = [name for name in gates.metrics() if name not in METRICS]
    if unknown:
        raise DataError(f"gates: no metric {unknown[0]!r}", code="FC104", hint=f"metrics: {', '.join(METRICS)}")
    bounds = [MetricGate(metric=name, least=bound) for name, bound in gates.least.items()]
    bounds += [MetricGate(metric=name, most=bound) for name, bound in gates.most.items()]
    found: list[Gate] = [*bounds]
    found += [GainGate(metric=name, least=bound) for name, bound in gates.least_gain.items()]
    found += [SliceGate(column=name, bound=bound) for name in gates.slices for bound in bounds]
    if gates.max_model_size_mb is not None:
        found.append(SizeGate(most=gates.max_model_size_mb))
    if gates.max_latency_p99_ms is not None:
        found.append(LatencyGate(most=gates.max_latency_p99_ms))
    return [*found, *_robustness(gates), EqualityGate(), LeakageGate()]


def _robustness(gates: Gates) -> list[RobustnessGate]:
    asked = gates.robustness
    if asked is None:
        return []
    return [
        RobustnessGate(kind=kind, amount=amount, most_shift=asked.max_mean_shift, most_drop=asked.max_auc_drop)
        for kind, amount in asked.disturbances().items()
    ]


def measure_gates(
    gates: Iterable[Gate], look: Callable[[], GateEvidence], stored: Sequence[GateResult] = ()
) -> tuple[GateResult, ...]:
    """Return the result of each gate: a stored one where the same was asked, else measured now.

    `look` is asked for what there is to measure once it is needed. A gain is measured anew always: the champion moves.
    """
    known = {(item.name, item.asked): item for item in stored}
    evidence: GateEvidence | None = None
    found = []
    for gate in gates:
        result = None if isinstance(gate, GainGate) else known.get((gate.name, gate.asked))
        if result is None:
            evidence = evidence or look()
            result = gate.measure(evidence)
        found.append(result)
    return tuple(found)


def failed_gates(results: Iterable[GateResult]) -> list[GateResult]:
    """Return the results of gates that a version does not pass; what could not be measured is none."""
    return [item for item in results if item.passed is False]
