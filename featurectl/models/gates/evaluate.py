"""What the gates of a version find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from featurectl.models.gates.base import Gate, GateEvidence
from featurectl.models.gates.metric import GainGate
from featurectl.registry.state import GateResult


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
