"""Renamed features under the names that they are registered with, so that a rename moves no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.language.definitions.model import FeatureInput, Model
from featurectl.language.definitions.view import Derived, Feature, FeatureView
from featurectl.language.renaming import named_features, rename_features
from featurectl.language.repo import Repo
from featurectl.language.typing.views import type_check_view
from featurectl.registry.state import State

FeatureNames = Mapping[str, str]  # what a feature is called in the files -> what its values are stored under


def with_registered_names(repo: Repo, state: State) -> Repo:
    """Return the repository with each renamed feature under the name that its values are stored under.

    A feature is the registered one of its name, else the one that has, or had, the name of an alias of it. Models read
    it by its stored name, under columns of whatever names they have in the files.
    """
    stored = {view.name: _stored_names(view, state) for view in repo.views.values()}
    moved = {name: names for name, names in stored.items() if any(new != old for new, old in names.items())}
    if not moved:
        return repo
    views = {name: _stored(view, moved.get(name, {}), state) for name, view in repo.views.items()}
    names = {view: found for view, found in moved.items() if views[view] is not repo.views[view]}
    return replace(repo, views=views, models={name: _reading(model, names) for name, model in repo.models.items()})


def _registered(view: FeatureView, state: State) -> FeatureView | None:
    found = state.current("feature_view", view.name)
    return None if found is None else load_untyped_view(found.definition)


def _stored_names(view: FeatureView, state: State) -> FeatureNames:
    """Return the stored name of each feature; no other ones where two would have one, or a function names them."""
    before = _registered(view, state)
    items = named_features(view)
    if before is None or view.kind == "transform":
        return {}
    by_name = {item.current_name: item.name for item in named_features(before)}
    by_alias = {alias: item.name for item in named_features(before) for alias in item.aliases}
    claimed = {by_name[item.name] for item in items if item.name in by_name}

    def stored(item: Feature | Derived) -> str:
        if item.name in by_name:
            return by_name[item.name]
        earlier = (found.get(alias) for alias in item.aliases for found in (by_name, by_alias))
        return next((name for name in earlier if name is not None and name not in claimed), item.name)

    names = {item.name: stored(item) for item in items}
    return names if len(set(names.values())) == len(names) else {}


def _stored(view: FeatureView, names: FeatureNames, state: State) -> FeatureView:
    """Return a view under its stored names; itself where it can't be typed under them."""
    if not names:
        return view
    before = _registered(view, state)
    columns = {} if before is None else _columns(view, before, names)
    typed, issues = type_check_view(rename_features(view, names, columns), view.source.columns)
    return view if issues else typed


def _columns(view: FeatureView, before: FeatureView, names: FeatureNames) -> dict[str, str]:
    """Return the columns of the table that are named after renamed features, with the names that they have there."""
    there = {feature.name: feature.column for feature in before.features}
    wanted = {
        feature.column: there.get(names[feature.name])
        for feature in view.features
        if feature.column is not None and names[feature.name] != feature.name
    }
    kept = {item.name for item in view.inputs if item.name not in wanted}
    kept |= {feature.column for feature in view.features if names[feature.name] == feature.name and feature.column}
    columns = {new: old for new, old in wanted.items() if old is not None and new not in kept and old not in kept}
    return columns if len(set(columns.values())) == len(columns) else {}


def _reading(model: Model, names: Mapping[str, FeatureNames]) -> Model:
    """Return a model whose inputs name features as they are stored."""
    inputs = tuple(
        replace(item, feature=names[item.view].get(item.feature, item.feature))
        if isinstance(item, FeatureInput) and item.view in names
        else item
        for item in model.inputs
    )
    return model if inputs == model.inputs else replace(model, inputs=inputs)
