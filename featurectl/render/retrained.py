"""How a version that was trained once more came out, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from featurectl.registry.state import ModelVersion

if TYPE_CHECKING:
    from featurectl.operations.training.retrain import Comparison


def render_comparison(was: ModelVersion, found: Comparison) -> str:
    """Return in a few lines what is the same, and what is not."""
    metrics = "the same metrics" if not found.metrics else "other metrics"
    content = "the same bytes" if found.same_bytes else "other bytes"
    lines = [f"{was.model} version {was.version} once more: {metrics}, {content}"]
    lines += [f"  {name} {_number(is_)}, was {_number(had)}" for name, (had, is_) in found.metrics.items()]
    if not found.same_bytes:
        changes = [f"{name} is {is_ or 'none'}, was {had or 'none'}" for name, (had, is_) in found.libraries.items()]
        lines.append("  libraries: " + (", ".join(changes) or "the same"))
    return "\n".join(lines)


def comparison_json(found: Comparison) -> dict[str, object]:
    """Return a comparison ready for JSON."""
    return {
        "same_metrics": not found.metrics,
        "same_bytes": found.same_bytes,
        "other_metrics": _pairs(found.metrics),
        "other_libraries": _pairs(found.libraries),
    }


def _pairs(found: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    return {name: {"was": had, "is": is_} for name, (had, is_) in found.items()}


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.6g}"
