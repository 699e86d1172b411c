"""How big a model's file is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.language.definitions.gates import Gates
from featurectl.models.gates.base import GateEvidence, answer, bound, figure
from featurectl.registry.state import GateResult

_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeGate:
    """`max_model_size_mb`: the largest file of the model, in millions of bytes."""

    most: float

    @property
    def name(self) -> str:
        """The key of the language."""
        return "max_model_size_mb"

    @property
    def asked(self) -> str:
        """`at most 50`."""
        return f"at most {bound(self.most)}"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Measure the file."""
        size = evidence.size_bytes / _MB
        return answer(self, figure(size), size <= self.most)


def size_gates(gates: Gates) -> Sequence[SizeGate]:
    """Return the gate, where a size is bounded."""
    return [] if gates.max_model_size_mb is None else [SizeGate(most=gates.max_model_size_mb)]
