"""Shapes of gates and canaries -> definitions."""

from __future__ import annotations

from featurectl.core.nearest import did_you_mean
from featurectl.language.definitions.gates import Canary, CanarySuccess, Gates, Robustness
from featurectl.language.definitions.model import DerivedInput, Model
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.gates import BOUNDS, GAIN, CanaryShape, RobustnessShape
from featurectl.language.shapes.training import CATEGORY, ModelShape
from featurectl.language.syntax.node import Fields, Items, ScalarNode

_SIZE, _LATENCY = BOUNDS


def gates_of(found: dict[str, object] | None) -> Gates | None:
    """Return the gates of a model as they were read, None without any."""
    if found is None:
        return None
    bounds = {key: float(value) for key, value in found.items() if isinstance(value, int | float)}
    named = {key: bound for key, bound in bounds.items() if key not in BOUNDS}
    gains = {key: bound for key, bound in named.items() if key.startswith("min_") and key.endswith(GAIN)}
    slices, robustness = found.get("slices", ()), found.get("robustness")
    assert isinstance(slices, tuple)
    assert isinstance(robustness, RobustnessShape | None)
    return Gates(
        least={key[4:]: bound for key, bound in named.items() if key.startswith("min_") and key not in gains},
        most={key[4:]: bound for key, bound in named.items() if key.startswith("max_")},
        least_gain={key[4 : -len(GAIN)]: bound for key, bound in gains.items()},
        max_model_size_mb=bounds.get(_SIZE),
        max_latency_p99_ms=bounds.get(_LATENCY),
        robustness=_robustness(robustness),
        slices=slices,
    )


def check_slices(model: Model, shape: ModelShape, declared: Declarations) -> None:
    """Report FC201 for slices of what is no input of the model, and FC104 for those of an input that is no category."""
    gates = shape.fields.get("gates")
    node = gates.get("slices") if isinstance(gates, Fields) else None
    if model.gates is None or not isinstance(node, Items) or ("model", model.name) in declared.broken:
        return
    kinds = {item.name: None if isinstance(item, DerivedInput) else item.model_dtype for item in model.inputs}
    categories = [name for name, kind in kinds.items() if kind == CATEGORY]
    for item in node:
        if not isinstance(item, ScalarNode) or item.text in categories:
            continue
        place, near = item.span.place, did_you_mean(item.text, categories)
        if item.text in kinds:
            note = f"categories: {', '.join(categories) or 'none'}"
            declared.report.error("FC104", f'slices: "{item.text}" is no category', place, note=note)
        else:
            message = f'model "{model.name}" has no input "{item.text}"'
            declared.report.error("FC201", message, place, suggestion=near)


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
