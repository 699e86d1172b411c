"""Which models hold on to what is registered."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.objects import FeatureInput, Model
from featurectl.registry.applied import applied_versions
from featurectl.registry.state import ModelVersion, State


def bound_versions(state: State, view: str, version: int) -> tuple[ModelVersion, ...]:
    """Return the trained models that read this version of a view."""
    return tuple(m for m in _holding(state) if m.view_versions.get(view) == version)


def _holding(state: State) -> tuple[ModelVersion, ...]:
    """Return the versions that hold on to what they were trained on; rejected ones don't, nor do those of no model."""
    return tuple(m for m in applied_versions(state) if m.status == "registered")


def used_features(versions: Sequence[ModelVersion], view: str) -> frozenset[str]:
    """Return the features of a view that are columns of any of these models."""
    return frozenset(item.feature for version in versions for item in version.inputs if item.view == view)


def view_users(state: State, view: str, leaving: Collection[str]) -> tuple[str, ...]:
    """Return who uses any version of a view, as a plan names them; models in `leaving` are on their way out."""
    trained = [f"model {m.model} v{m.version}" for m in _holding(state) if view in m.view_versions]
    declared = [
        f"model {o.name}"
        for o in state.objects
        if o.kind == "model" and o.current and o.name not in leaving and reads_view(load_model(o.definition), view)
    ]
    return (*trained, *declared)


def reads_view(model: Model, view: str) -> bool:
    """Return whether a model has a column from the view."""
    return any(isinstance(item, FeatureInput) and item.view == view for item in model.inputs)


def staying(versions: Sequence[ModelVersion], view: str, version: int) -> tuple[str, ...]:
    """Return a line a model on the versions of it that stay on an old version of a view."""
    numbers: dict[str, list[int]] = {}
    for item in versions:
        numbers.setdefault(item.model, []).append(item.version)
    lines = []
    for model, found in numbers.items():
        names, one = ", ".join(f"v{number}" for number in found), len(found) == 1
        verb, until = ("stays", "it is") if one else ("stay", "they are")
        lines.append(f"model {model} {names} {verb} on {view}@{version} until {until} retrained")
    return tuple(lines)
