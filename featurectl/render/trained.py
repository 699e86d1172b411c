"""A version that was trained just now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurectl.core.units import counted, format_count
from featurectl.render.gates import render_rejection
from featurectl.render.models import left_out_line, render_standing

if TYPE_CHECKING:
    from featurectl.models.input_warnings import InputWarning
    from featurectl.operations.models.versions import Aliases
    from featurectl.registry.state import ModelVersion
    from featurectl.render.page import Page


def trained_page(version: ModelVersion, aliases: Aliases, warnings: Sequence[InputWarning]) -> Page:
    """Return the rows that it was fitted and judged on, its metrics, and whether it is the champion."""
    return [[render_trained(version, aliases), *(f"warning: {warning.sentence}" for warning in warnings)]]


def render_trained(version: ModelVersion, aliases: Aliases) -> str:
    """Return the same as text, without warnings, which a command says while it works."""
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in version.metrics.items())
    text = (
        f"{version.model} version {version.version}: {counted(len(version.inputs), 'input')}, trained on "
        f"{counted(version.rows_train, 'row')}, validated on {_validated_on(version)}"
    )
    if left_out := left_out_line(version):
        text += f"\nleft out: {left_out}"
    text += f"\n{metrics}"
    return text + (render_rejection(version.gates) or f"\n{render_standing(version, aliases)}")


def _validated_on(version: ModelVersion) -> str:
    source = version.params.get("validation_source")
    rows = format_count(version.rows_validation)
    return f"{rows} of {source}" if source else f"the last {rows}"
