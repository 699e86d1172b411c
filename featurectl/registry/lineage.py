"""Which models read which views and features, as the registry has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from featurectl.core.errors import UsageError
from featurectl.expressions.check import expression_columns
from featurectl.identity.lineage import views_of_model
from featurectl.language.definitions.json_form import load_model, load_untyped_view
from featurectl.language.renaming import current_names, find_feature
from featurectl.registry.applied import applied_versions, not_applied
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
    found = [version for version in state.model_versions if _uses(state, version, (name, number), feature)]
    if not found:
        _check_known(state, name, feature)
    return found


def _uses(state: State, version: ModelVersion, view: tuple[str, str], feature: str) -> bool:
    name, number = view
    read = [item for item in version.inputs if item.view == name and number in ("", str(item.view_version))]
    return any(not feature or _reads(state, item, feature) for item in read)


def _reads(state: State, item: BoundFeature, feature: str) -> bool:
    """Return whether an input is a feature of its view, by any of its names, or is derived from it there."""
    reads = {item.feature}
    registered = state.view(item.view, item.view_version)
    if registered is None:
        return feature in reads
    view = load_untyped_view(registered.definition)
    for derived in reversed(view.derived):  # each reads only what stands above it
        if derived.name in reads:
            reads |= expression_columns(derived.expression.text)
    found = find_feature(view, feature)
    return found is not None and found.stored in reads


def _check_known(state: State, name: str, feature: str) -> None:
    """See that a name that nothing uses is a view's, and not a slip of the pen."""
    views = [item for item in state.objects if item.kind == "feature_view" and item.name == name]
    if not views:
        raise not_applied(state, "feature_view", name)
    definitions = [load_untyped_view(item.definition) for item in views]
    known = sorted({name for view in definitions for name in current_names(view).values()})
    if feature and all(find_feature(view, feature) is None for view in definitions):
        raise UsageError(f"view {name} has no feature {feature!r}", hint="features: " + ", ".join(known))


def bound_versions(state: State, view: str, version: int) -> tuple[ModelVersion, ...]:
    """Return the trained models that read this version of a view."""
    return tuple(m for m in applied_versions(state) if m.view_versions.get(view) == version)


def used_features(versions: Sequence[ModelVersion], view: str) -> frozenset[str]:
    """Return the features of a view that are columns of any of these models."""
    return frozenset(item.feature for version in versions for item in version.inputs if item.view == view)


def view_users(state: State, view: str, leaving: Collection[str]) -> tuple[str, ...]:
    """Return who uses any version of a view, as a plan names them; models in `leaving` are on their way out."""
    trained = [f"model {m.model} v{m.version}" for m in applied_versions(state) if view in m.view_versions]
    declared = [
        f"model {o.name}"
        for o in state.objects
        if o.kind == "model"
        and o.current
        and o.name not in leaving
        and view in views_of_model(load_model(o.definition))
    ]
    return (*trained, *declared)
