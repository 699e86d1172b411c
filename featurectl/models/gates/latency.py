"""How long one row takes where the model serves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from featurectl.language.definitions.gates import Gates
from featurectl.models.gates.base import GateEvidence, answer, bound, figure
from featurectl.models.request_matrix import RowEncoder
from featurectl.registry.state import GateResult

_WARM_UP: Final = 50
_LEAST_CALLS, _MOST_CALLS = 200, 1_000
_ENOUGH_S: Final = 2.0  # of timing, once there are the least calls
RawRow = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGate:
    """`max_latency_p99_ms`: encoding and scoring one golden row at a time as `serve` does, without reading features."""

    most: float

    @property
    def name(self) -> str:
        """The key of the language."""
        return "max_latency_p99_ms"

    @property
    def asked(self) -> str:
        """`at most 10`."""
        return f"at most {bound(self.most)}"

    def measure(self, evidence: GateEvidence) -> GateResult:
        """Time 200 to 1,000 calls over the golden rows, after 50 that are not timed."""
        count = len(evidence.golden.scores)
        if not count:
            return answer(self, "not measured: there are no golden rows", False)
        columns = evidence.golden.columns
        rows = [{name: [cells[i]] for name, cells in columns.items()} for i in range(count)]
        seconds = _timed(evidence, rows)
        slow = float(np.percentile(seconds, 99, method="higher")) * 1e3
        return answer(self, f"{figure(round(slow, 3))} ({len(seconds):,} calls)", slow <= self.most)


def latency_gates(gates: Gates) -> Sequence[LatencyGate]:
    """Return the gate, where a latency is bounded."""
    return [] if gates.max_latency_p99_ms is None else [LatencyGate(most=gates.max_latency_p99_ms)]


def _timed(evidence: GateEvidence, rows: Sequence[RawRow]) -> list[float]:
    encoder, predict = RowEncoder(evidence.inputs), evidence.serving.predict
    elsewhere = getattr(
        evidence.serving, "seconds_of", None
    )  # of a model in another process, as long as it takes there
    seconds: list[float] = []
    begin = time.perf_counter()
    for call in range(_WARM_UP + _MOST_CALLS):
        before = time.perf_counter()
        matrix = encoder.encode(rows[call % len(rows)], 1)
        if elsewhere is None:
            predict(matrix)
            after = time.perf_counter()
            taken = after - before
        else:
            encoded = time.perf_counter() - before
            taken = encoded + elsewhere(matrix)
            after = time.perf_counter()
        if call >= _WARM_UP:
            seconds.append(taken)
        if len(seconds) >= _LEAST_CALLS and after - begin > _ENOUGH_S:
            break
    return seconds
