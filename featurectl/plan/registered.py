"""A repository whose data can't be looked at from here, typed by what the registry knows of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.json_form import load_source
from featurectl.language.definitions.objects import FeatureView, Model, Source
from featurectl.language.repo import Repo
from featurectl.language.typing.models import check_model
from featurectl.language.typing.sources import check_source
from featurectl.language.typing.views import check_view
from featurectl.registry.state import State


def with_registered_types(repo: Repo, state: State) -> Repo:
    """Return the repository with the sources that nobody could look at typed by their registered columns.

    A path is in no fingerprint: a source whose files move to an object store, or behind a variable, keeps its types
    and its views their versions. Files that turn out to have others are refused when they are read. Sources that
    declare `columns:`, or did when they were registered, are left alone: there the types are what the user changed.
    """
    sources = {}
    for source in repo.sources.values():
        read = {name for view in repo.views.values() if view.source.name == source.name for name in _reads(view)}
        known = _known_columns(source, read, state)
        if known is not None:
            sources[source.name] = check_source(source, known)[0]
    if not sources:
        return repo
    views = {name: _view(view, sources) for name, view in repo.views.items()}
    models = {name: _model(model, sources, views) for name, model in repo.models.items()}
    return replace(repo, sources={**repo.sources, **sources}, views=views, models=models)


def _known_columns(source: Source, read: Collection[str], state: State) -> Mapping[str, str] | None:
    """Return the columns of a source, those of unknown type typed as they are registered; None: nothing to add.

    `read` are the names that its views read; one that the registry does not know may be new in the files.
    """
    if source.columns_declared or (source.columns is not None and UNKNOWN not in source.columns.values()):
        return None
    registered = state.current("source", source.name)
    before = load_source(registered.definition) if registered else None
    if before is None or before.columns_declared or before.columns is None:
        return None
    if source.columns is not None:
        types = before.columns
        return {name: types.get(name, UNKNOWN) if dtype == UNKNOWN else dtype for name, dtype in source.columns.items()}
    made = {item.name for item in source.select}
    asked = sorted({*read, *(name for item in source.select for name in expression_columns(item.expression.text))})
    return {**before.columns, **{name: UNKNOWN for name in asked if name not in before.columns and name not in made}}


def _reads(view: FeatureView) -> set[str]:
    """Return the names of the source's columns that a view reads, clocks left out."""
    texts = [item.expression.text for item in view.inputs]
    texts += [view.where.text] if view.where else []
    return {*view.join.values(), *(name for text in texts for name in expression_columns(text))}


def _view(view: FeatureView, sources: Mapping[str, Source]) -> FeatureView:
    """Return a view typed by its source; itself when it does not fit what the registry knows."""
    source = sources.get(view.source.name)
    if source is None:
        return view
    typed, issues = check_view(replace(view, source=source), source.columns)
    return view if issues else typed


def _model(model: Model, sources: Mapping[str, Source], views: Mapping[str, FeatureView]) -> Model:
    source = sources.get(model.spine.source.name, model.spine.source)
    spine = replace(model.spine, source=source)
    typed, issues = check_model(replace(model, spine=spine), source.columns, views)
    return model if issues else typed
