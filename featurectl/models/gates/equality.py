"""Whether the converted model gives the native one's scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurectl.core.units import plural
from featurectl.language.definitions.gates import Gates
from featurectl.models.gates.base import GateEvidence, answer
from featurectl.models.request_matrix import RowEncoder
from featurectl.models.scores import TOLERANCE, worst_difference
from featurectl.registry.state import GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualityGate:
    """`onnx_equals_native`: the golden rows by ONNX as by the library that trained the model. Asked of every model."""

    @property
    def name(self) -> str:
        """What no key of the language asks for."""
        return "onnx_equals_native"

    @property
    def asked(self) -> str:
        """The tolerance of golden rows."""
        return f"within {TOLERANCE:g} on golden rows"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Compare both on the golden rows; there is nothing to compare without ONNX."""
        count = len(evidence.golden.scores)
        if evidence.onnx_missing or not count:
            return answer(self, evidence.onnx_missing or "no golden rows", None)
        matrix = RowEncoder(evidence.inputs).encode(evidence.golden.columns, count)
        native, served = evidence.native.predict(matrix), evidence.serving.predict(matrix)
        worst = worst_difference(served, native)
        if worst is not None:
            place, got, want = worst
            return answer(self, f"{got!r} for {want!r} (row {place + 1} of {count})", False)
        apart = float(np.nanmax(np.abs(served - native), initial=0.0))
        return answer(self, f"at most {apart:.1g} apart ({count} {plural(count, 'row')})", True)


def equality_gates(_: Gates) -> Sequence[EqualityGate]:
    """Return the gate, which every version has."""
    return [EqualityGate()]
