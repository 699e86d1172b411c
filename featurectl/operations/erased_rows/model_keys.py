"""Which columns of a model's rows hold the keys of entities: those that its features, and its label, are joined by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurectl.language.definitions.json_form import load_untyped_model, load_untyped_view
from featurectl.language.definitions.model import FeatureInput
from featurectl.registry.state import ModelVersion, State

# By the name of an entity, the columns of its keys, once for each way in which rows are joined with it.
EntityColumns = Mapping[str, Sequence[Mapping[str, str]]]


def key_columns(version: ModelVersion, state: State) -> EntityColumns:
    """Return the columns of the keys of each entity that a version reads features of, or a label, by the keys' names.

    An entity has several of these where rows are of several of it: a flight is of the airports `origin` and `dest`.
    """
    found: dict[str, list[Mapping[str, str]]] = {}
    model = load_untyped_model(version.definition)
    if model.spine.label is not None and model.spine.label.entity is not None:
        entity = model.spine.label.entity
        found[entity.name] = [{key: key for key in entity.keys}]
    for item in model.inputs:
        if not isinstance(item, FeatureInput):
            continue
        registered = state.view(item.view, version.view_versions.get(item.view, 0))
        view = None if registered is None else load_untyped_view(registered.definition)
        if view is None or view.entity is None:
            continue
        columns = {key: item.join.get(key, key) for key in view.keys}
        if columns not in found.setdefault(view.entity.name, []):
            found[view.entity.name].append(columns)
    return found
