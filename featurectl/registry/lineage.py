"""Which model versions use a view or a feature."""

from __future__ import annotations

from featurectl.core.errors import UsageError
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.json_form import load_view
from featurectl.registry.applied import not_applied
from featurectl.registry.state import BoundFeature, ModelVersion, State


def versions_using(state: State, what: str) -> list[ModelVersion]:
    """Return the model versions that use `view`, `view@2`, `view:feature` or `view@2:feature`.

    A derived feature of a view uses what it is made of.

    Raises:
        UsageError: it is none of these, or neither an applied view nor one that any model version uses.
    """
    label, colon, feature = what.partition(":")
    name, at, number = label.partition("@")
    if not name or (colon and not feature) or (at and not number.isdecimal()):
        raise UsageError(f"--uses {what}: not a view or a feature", hint="VIEW, VIEW@2, VIEW:FEATURE or VIEW@2:FEATURE")
    found = [version for version in state.model_versions if _uses(state, version, (name, number, feature))]
    if not found:
        _check_known(state, name, feature)
    return found


def _uses(state: State, version: ModelVersion, asked: tuple[str, str, str]) -> bool:
    name, number, feature = asked
    read = [item for item in version.inputs if item.view == name and number in ("", str(item.view_version))]
    return any(not feature or feature in _reads(state, item) for item in read)


def _reads(state: State, item: BoundFeature) -> set[str]:
    """Return the feature of an input, and those that it is derived from in its view."""
    reads = {item.feature}
    registered = state.view(item.view, item.view_version)
    if registered is not None:
        for derived in reversed(load_view(registered.definition).derived):  # each reads only what stands above it
            if derived.name in reads:
                reads |= expression_columns(derived.expression.text)
    return reads


def _check_known(state: State, name: str, feature: str) -> None:
    """See that a name that nothing uses is a view's, and not a slip of the pen."""
    views = [item for item in state.objects if item.kind == "feature_view" and item.name == name]
    if not views:
        raise not_applied(state, "feature_view", name)
    known = sorted({known for view in views for known in view.features})
    if feature and feature not in known:
        raise UsageError(f"view {name} has no feature {feature!r}", hint="features: " + ", ".join(known))
