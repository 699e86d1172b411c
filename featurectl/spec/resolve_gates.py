"""Shapes of gates and canaries -> definitions."""

from __future__ import annotations

from typing import Final

from featurectl.spec.definition_gates import Canary, CanarySuccess, Gates, Robustness
from featurectl.spec.model_operations import CanaryShape, RobustnessShape

_GAIN: Final = "_gain_over_champion"
_SIZE: Final = "max_model_size_mb"
_LATENCY: Final = "max_latency_p99_ms"


def gates_of(found: dict[str, object] | None) -> Gates | None:
    """Return the gates of a model as they were read, None without any."""
    if found is None:
        return None
    bounds = {key: float(value) for key, value in found.items() if isinstance(value, int | float)}
    named = {key: bound for key, bound in bounds.items() if key not in (_SIZE, _LATENCY)}
    gains = {key: bound for key, bound in named.items() if key.startswith("min_") and key.endswith(_GAIN)}
    slices, robustness = found.get("slices", ()), found.get("robustness")
    assert isinstance(slices, tuple)
    assert isinstance(robustness, RobustnessShape | None)
    return Gates(
        least={key[4:]: bound for key, bound in named.items() if key.startswith("min_") and key not in gains},
        most={key[4:]: bound for key, bound in named.items() if key.startswith("max_")},
        least_gain={key[4 : -len(_GAIN)]: bound for key, bound in gains.items()},
        max_model_size_mb=bounds.get(_SIZE),
        max_latency_p99_ms=bounds.get(_LATENCY),
        robustness=_robustness(robustness),
        slices=slices,
    )


def _robustness(shape: RobustnessShape | None) -> Robustness | None:
    if shape is None:
        return None
    return Robustness(
        noise=shape.noise,
        missing=shape.missing,
        unseen=shape.unseen,
        max_mean_shift=shape.max_mean_shift,
        max_auc_drop=shape.max_auc_drop,
    )


def canary_of(shape: CanaryShape | None) -> Canary | None:
    """Return the canary of a model, None without one."""
    if shape is None:
        return None
    success = CanarySuccess(
        latency_p99_ms=shape.success.latency_p99_ms,
        error_rate_percent=shape.success.error_rate_percent,
        freshness_us=shape.success.freshness,
        score_psi=shape.success.score_psi,
    )
    return Canary(percent=shape.percent, for_us=shape.for_, success=success, min_requests=shape.min_requests)
