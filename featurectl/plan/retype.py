"""Types that one side of a plan lacks, taken from the other: what is registered, and what the files tell by now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.expressions.check import expression_columns
from featurectl.identity.registered_kinds import Registrable
from featurectl.language.definitions.json_form import load_source
from featurectl.language.definitions.model import FeatureInput, Label, Model, ModelInput
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.repo import Repo
from featurectl.language.typing.models import type_check_model
from featurectl.language.typing.sources import type_check_source
from featurectl.language.typing.views import type_check_view
from featurectl.registry.state import State


def with_source_types(before: Registrable, after: Registrable) -> Registrable:
    """Return a registered object with the types that nobody could see when it was registered, as the files have them.

    To see a type changes no value: the files that come into sight are those that were read all along. Types that were
    known stay as they are, and so does an object that does not fit the columns that are seen now, and what declares
    `columns:` by now: there the types are what the user changed.
    """
    match before, after:
        case Source(), Source():
            return _learned_source(before, after)
        case FeatureView(), FeatureView():
            return _retyped_view(before, _learned_source(before.source, after.source))
        case Model(), Model():
            return _learned_model(before, after)
        case _:
            return before


def with_registered_types(repo: Repo, state: State) -> Repo:
    """Return the repository with the sources that nobody could look at typed by their registered columns.

    A path is in no fingerprint: a source whose files move to an object store, or behind a variable, keeps its types
    and its views their versions. Files that turn out to have others are refused when they are read. Sources that
    declare `columns:`, or did when they were registered, are left alone: there the types are what the user changed.
    """
    sources = {}
    for source in repo.sources.values():
        read = {name for view in repo.views.values() if view.source.name == source.name for name in _reads(view)}
        known = _registered_columns(source, read, state)
        if known is not None:
            sources[source.name] = type_check_source(source, known)[0]
    if not sources:
        return repo
    views = {name: _retyped_view(view, sources.get(view.source.name, view.source)) for name, view in repo.views.items()}
    models = {name: _with_sources(model, sources, views) for name, model in repo.models.items()}
    return replace(repo, sources={**repo.sources, **sources}, views=views, models=models)


def _filled(columns: Mapping[str, str], types: Mapping[str, str]) -> dict[str, str]:
    """Return columns with the types that are known elsewhere in place of those that are not known."""
    return {name: types.get(name, UNKNOWN) if dtype == UNKNOWN else dtype for name, dtype in columns.items()}


def _retyped_view(view: FeatureView, source: Source) -> FeatureView:
    """Return a view typed by its source; itself when it does not fit it."""
    if source is view.source:
        return view
    typed, issues = type_check_view(replace(view, source=source), source.columns)
    return view if issues else typed


def _retyped_model(model: Model, changed: Model, views: Mapping[str, FeatureView] | None) -> Model:
    """Return a changed model typed by its spine's source; the model as it was when it does not fit that."""
    typed, issues = type_check_model(changed, changed.spine.source.columns, views)
    return model if issues else typed


def _learned_source(before: Source, after: Source) -> Source:
    if before.name != after.name or before.columns_declared or after.columns_declared or after.columns is None:
        return before
    columns = after.columns if before.columns is None else _filled(before.columns, after.columns)
    if columns == before.columns:
        return before
    typed, issues = type_check_source(before, columns)
    return before if issues else typed


def _learned_model(before: Model, after: Model) -> Model:
    source = _learned_source(before.spine.source, after.spine.source)
    label = _learned_label(before.spine.label, after.spine.label)
    there = {item.name: item for item in after.inputs}
    inputs = tuple(_learned_input(item, there.get(item.name)) for item in before.inputs)
    learned = replace(before, spine=replace(before.spine, source=source, label=label), inputs=inputs)
    return before if learned == before else _retyped_model(before, learned, None)


def _learned_label(before: Label | None, after: Label | None) -> Label | None:
    if before is None or after is None or before.source is None or after.source is None:
        return before
    return replace(before, source=_learned_source(before.source, after.source))


def _learned_input(before: ModelInput, after: ModelInput | None) -> ModelInput:
    """Return an input of a model with the type of its feature, when that is the only thing that was not known."""
    if not isinstance(before, FeatureInput) or not isinstance(after, FeatureInput) or before.dtype is not None:
        return before
    same = (before.view, before.feature) == (after.view, after.feature)
    return replace(before, dtype=after.dtype) if same else before


def _registered_columns(source: Source, read: Collection[str], state: State) -> Mapping[str, str] | None:
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
        return _filled(source.columns, before.columns)
    made = {item.name for item in source.select}
    asked = sorted({*read, *(name for item in source.select for name in expression_columns(item.expression.text))})
    return {**before.columns, **{name: UNKNOWN for name in asked if name not in before.columns and name not in made}}


def _reads(view: FeatureView) -> set[str]:
    """Return the names of the source's columns that a view reads, clocks left out."""
    texts = [item.expression.text for item in view.inputs]
    texts += [view.where.text] if view.where else []
    return {*view.join.values(), *(name for text in texts for name in expression_columns(text))}


def _with_sources(model: Model, sources: Mapping[str, Source], views: Mapping[str, FeatureView]) -> Model:
    source = sources.get(model.spine.source.name, model.spine.source)
    return _retyped_model(model, replace(model, spine=replace(model.spine, source=source)), views)
