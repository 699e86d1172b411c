"""The kinds of gates, by their key in the language or, of those that every version has, by their name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from featurectl.core.errors import DataError
from featurectl.language.definitions.gates import METRICS, Gates
from featurectl.models.gates.base import Gate
from featurectl.models.gates.equality import equality_gates
from featurectl.models.gates.latency import latency_gates
from featurectl.models.gates.leakage import leakage_gates
from featurectl.models.gates.metric import gain_gates, metric_gates
from featurectl.models.gates.robustness import robustness_gates
from featurectl.models.gates.size import size_gates
from featurectl.models.gates.slices import slice_gates

# In the order in which results are stored and shown.
GATES: Final[Mapping[str, Callable[[Gates], Sequence[Gate]]]] = {
    "min_METRIC": metric_gates,
    "min_METRIC_gain_over_champion": gain_gates,
    "slices": slice_gates,
    "max_model_size_mb": size_gates,
    "max_latency_p99_ms": latency_gates,
    "robustness": robustness_gates,
    "onnx_equals_native": equality_gates,
    "single_feature_auc": leakage_gates,
}


def gates_asked(gates: Gates | None) -> list[Gate]:
    """Return what is asked of a version: what the model's `gates` say, and what is asked of every model.

    Raises:
        DataError: FC104, a bound is of a metric that nobody measures.
    """
    gates = gates or Gates()
    unknown = [name for name in gates.metrics() if name not in METRICS]
    if unknown:
        raise DataError(f"gates: no metric {unknown[0]!r}", code="FC104", hint=f"metrics: {', '.join(METRICS)}")
    return [gate for of_kind in GATES.values() for gate in of_kind(gates)]
