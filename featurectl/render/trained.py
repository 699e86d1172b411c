"""A version that was trained just now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurectl.core.units import counted, format_count
from featurectl.render.gates import render_gates, render_rejection
from featurectl.render.models import left_out_line, render_standing

if TYPE_CHECKING:
    from featurectl.models.input_warnings import InputWarning
    from featurectl.operations.models.versions import Aliases
    from featurectl.registry.state import ModelVersion
    from featurectl.render.page import Page


def trained_page(
    version: ModelVersion, aliases: Aliases, warnings: Sequence[InputWarning], *, is_same: bool = False
) -> Page:
    """Return the rows that it was fitted and judged on, its metrics, and whether it is the champion."""
    text = render_same(version, aliases) if is_same else render_trained(version, aliases)
    return [[text, *(f"warning: {warning.sentence}" for warning in warnings)]]


def render_same(version: ModelVersion, aliases: Aliases) -> str:
    """Return that a version was not made, for it would be the same as this one, and what the gates find of that."""
    text = f"{version.model}: the same as version {version.version}: data, code and parameters are equal"
    text += f"\nnothing was trained; featurectl train {version.model} --again trains it all the same"
    if failed := [item for item in version.gates if item.passed is False]:
        return f"{text}\n\n{render_gates(failed)}\n{counted(len(failed), 'gate')} failed."
    return f"{text}\n{_metrics_line(version)}\n{render_standing(version, aliases)}"


def render_trained(version: ModelVersion, aliases: Aliases) -> str:
    """Return the same as text, without warnings, which a command says while it works."""
    text = (
        f"{version.model} version {version.version}: {counted(len(version.inputs), 'input')}, trained on "
        f"{counted(version.rows_train, 'row')}, validated on {_validated_on(version)}"
    )
    if left_out := left_out_line(version):
        text += f"\nleft out: {left_out}"
    text += f"\n{_metrics_line(version)}"
    return text + (render_rejection(version.gates) or f"\n{render_standing(version, aliases)}")


def _metrics_line(version: ModelVersion) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in version.metrics.items())


def _validated_on(version: ModelVersion) -> str:
    source = version.params.get("validation_source")
    rows = format_count(version.rows_validation)
    return f"{rows} of {source}" if source else f"the last {rows}"
