"""The view versions of another registry that have the very features that a model version was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurectl.core.errors import CheckFailedError, DataError
from featurectl.identity.fingerprint import feature_fingerprints
from featurectl.language.definitions.json_form import load_model, load_untyped_view, load_view
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names, find_feature, named_features, rename_features
from featurectl.language.typing.views import type_check_view
from featurectl.offline.base import OfflineStore
from featurectl.operations.views import bind_view
from featurectl.registry.skew import input_fingerprint
from featurectl.registry.state import BoundFeature, ModelVersion, ObjectVersion, State


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchTarget:
    """Where view versions are looked for: an environment's name, its registry's state and its tables."""

    environment: str
    state: State
    offline: OfflineStore


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedView:
    """A view version of the target; `names` are those that it stores features under whose names differ there."""

    view: FeatureView
    version: int
    names: Mapping[str, str]


def match_views(version: ModelVersion, source: State, target: MatchTarget) -> dict[str, MatchedView]:
    """Return the version of each view of a model version in the target's registry, by name.

    Numbers belong to one registry: of the versions there the newest is taken whose features have the fingerprints of
    the training, and which has a table. A feature that was renamed may be stored under another of its names there.

    Raises:
        CheckFailedError: a view has none; each is named, with the commands that mend it.
    """
    found, lacking = dict[str, MatchedView](), list[_LackingView]()
    for name in version.view_versions:
        match = _match(name, version, source, target)
        if isinstance(match, MatchedView):
            found[name] = match
        else:
            lacking.append(match)
    if lacking:
        raise _not_ready(version, target.environment, lacking)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _LackingView:
    """What a view lacks in the target: its table, or a version with the features."""

    why: str
    needs_table: str = ""  # the view, where that is all


def _match(name: str, version: ModelVersion, source: State, target: MatchTarget) -> MatchedView | _LackingView:
    there = [item for item in target.state.objects if item.kind == "feature_view" and item.name == name]
    if not there:
        return _LackingView(why=f"{name} is not applied there")
    differing: list[str] = []
    without_table = False
    for item in sorted(there, key=lambda item: -item.version):
        view, has_table = _typed(target.offline, item)
        names = _names_there(source.view(name, version.view_versions[name]), view)
        others = _other_features(version, source, item, _by_names_here(view, names))
        if not others and has_table:
            return MatchedView(view=view, version=item.version, names=names)
        without_table = without_table or not others
        differing = differing or others
    if without_table:
        return _LackingView(why=f"{name} has no table there", needs_table=name)
    return _LackingView(why=f"no version of {name} there has {', '.join(differing)} as it was trained on")


def _typed(offline: OfflineStore, item: ObjectVersion) -> tuple[FeatureView, bool]:
    """Return a view version with the types of its table where it has one, and whether it has."""
    try:
        return bind_view(offline, item).view, True
    except DataError:
        return load_view(item.definition), False


def _names_there(registered: ObjectVersion | None, view: FeatureView) -> dict[str, str]:
    """Return what features are stored as in the target's view, by their stored names here, where these differ."""
    if registered is None:
        return {}
    there = current_names(view)
    names = {}
    for item in named_features(load_untyped_view(registered.definition)):
        matches = (find_feature(view, name) for name in (item.current_name, item.name, *item.aliases))
        found = next((match for match in matches if match is not None), None)
        if found is not None and found.stored != item.name and item.name not in there:
            names[item.name] = found.stored
    return names if len(set(names.values())) == len(names) else {}


def _by_names_here(view: FeatureView, names: Mapping[str, str]) -> FeatureView:
    """Return the target's view as if it stored features under the names that they are stored under here."""
    if not names:
        return view
    return type_check_view(rename_features(view, {there: here for here, there in names.items()}), view.source.columns)[
        0
    ]


def _other_features(version: ModelVersion, source: State, item: ObjectVersion, view: FeatureView) -> list[str]:
    """Return the features of a model version's inputs that a version of their view does not have, or has otherwise."""
    inputs = {known.name: known for known in load_model(version.definition).inputs}
    now = feature_fingerprints(view)
    there = {**now, **item.features}
    names = current_names(view)

    def is_same(known: BoundFeature) -> bool:
        if known.fingerprint:
            return known.fingerprint == input_fingerprint(inputs[known.name], {view.name: now})
        return _registered(known, source) == there[known.feature]

    bound = [known for known in version.inputs if known.view == view.name]
    return [known.feature for known in bound if known.feature not in names or not is_same(known)]


def _registered(bound: BoundFeature, source: State) -> str:
    """Return the fingerprint of a feature by the registry, for a version of before inputs had their own."""
    view = source.view(bound.view, bound.view_version)
    return "" if view is None else view.features.get(bound.feature, "")


def _not_ready(version: ModelVersion, environment: str, lacking: Sequence[_LackingView]) -> CheckFailedError:
    what = "; ".join(item.why for item in lacking)
    tables = [item.needs_table for item in lacking if item.needs_table]
    commands = [f"featurectl apply --env {environment}"] if len(tables) < len(lacking) else []
    commands += [f"featurectl materialize {' '.join(tables)} --env {environment}"] if tables else []
    message = f"environment {environment} is not ready for {version.model} version {version.version}: {what}"
    return CheckFailedError(message, hint=", then ".join(commands))
