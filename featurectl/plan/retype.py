"""Types that one side of a plan lacks: from the other side, and from the data that tables were made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.expressions.check import expression_columns
from featurectl.identity.registered_kinds import Registrable
from featurectl.language.definitions.json_form import load_source, load_untyped_view
from featurectl.language.definitions.model import FeatureInput, Label, Model, ModelInput
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.repo import Repo
from featurectl.language.typing.models import type_check_model
from featurectl.language.typing.registered import part_text
from featurectl.language.typing.sources import type_check_source
from featurectl.language.typing.views import type_check_view
from featurectl.registry.base import SeenColumns, seen_place
from featurectl.registry.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedTypes:
    """The types of columns that no definition said: those of the data, by view version and by source.

    A source has those in which all current versions of its views agree.
    """

    of_views: SeenColumns = field(default_factory=dict)
    of_sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def learned_types(state: State, seen: SeenColumns) -> LearnedTypes:
    """Return the types that the tables of a registry's views were made with."""
    found: dict[str, dict[str, set[str]]] = {}
    for (place, version), columns in seen.items():
        name, _, other = place.partition("/")
        view = state.current("feature_view", name)
        if view is not None and view.version == version:
            types = found.setdefault(other or load_untyped_view(view.definition).source.name, {})
            for column, dtype in columns.items():
                types.setdefault(column, set()).add(dtype)
    agreed = {
        name: {column: min(one) for column, one in types.items() if len(one) == 1} for name, types in found.items()
    }
    return LearnedTypes(of_views=seen, of_sources=agreed)


def with_source_types(before: Registrable, after: Registrable, learned: LearnedTypes, version: int = 1) -> Registrable:
    """Return a registered object (a view in this version) with the types that nobody could see at that time.

    They are those that its table was made with, where the files say types by now; where there is no table, as the
    files have them: to see a type changes no value, for the files that come into sight are those that were read all
    along. Types that were known stay as they are, and so does an object that does not fit what is seen now. Of what
    declares `columns:` by now the table alone knows the types before: there the user may have changed them. A version
    that was made of nothing yet (its columns are seen, and there are none) has those that are declared.
    """
    match before, after:
        case Source(), Source():
            return _learned_source(before, after, learned.of_sources.get(before.name) or None)
        case FeatureView(), FeatureView():
            return _learned_view(before, after, learned.of_views, version)
        case Model(), Model():
            return _learned_model(before, after, learned)
        case _:
            return before


def find_misfits(after: Registrable, learned: LearnedTypes, version: int) -> tuple[str, ...]:
    """Return what of a source or a view (next to this version) does not fit the types that its data had when read.

    That is where the files say no types; a column that was not there may be new.
    """
    if isinstance(after, Source):
        types = _known_types(after, learned.of_sources.get(after.name, {}))
        issues, source = type_check_source(after, types)[1] if types else [], after
    elif isinstance(after, FeatureView) and after.transform is None:
        seen = learned.of_views.get((after.name, version)) or learned.of_sources.get(after.source.name, {})
        types, source = _known_types(after.source, seen), after.source
        typed = type_check_source(source, types)[0] if types else source
        issues = type_check_view(replace(after, source=typed), typed.columns)[1] if types else []
    else:
        return ()
    by = f"by the data of {source.name} as it was read: materialize will fail"
    return tuple(f"{part_text(issue.part)}: {issue.message}, {by}" for issue in issues if issue.code != "FC301")


def _known_types(source: Source, seen: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns of a source with the types of its data in place of those that are not known; none: no need."""
    if not seen or (source.columns is not None and UNKNOWN not in source.columns.values()):
        return {}
    return seen if source.columns is None else _filled(source.columns, seen)


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


def _learned_view(before: FeatureView, after: FeatureView, seen: SeenColumns, version: int) -> FeatureView:
    """Return a registered view with the types of its sources; those of a transform declare them where the files do."""
    found = seen.get((before.name, version))
    source = _learned_source(before.source, after.source, found)
    if before.transform is None or after.transform is None:
        return _retyped_view(before, source)
    now = {other.name: other for other in after.transform.others}
    others = []
    for other in before.transform.others:
        there, types = now.get(other.name, other), seen.get((seen_place(before.name, other.name), version))
        types = {} if found is not None and not found else types  # nothing was made of any
        others.append(_as_declared(_learned_source(other, there, types), there))
    typed = replace(before, transform=replace(before.transform, others=tuple(others)))
    return _retyped_view(typed, _as_declared(source, after.source))


def _as_declared(before: Source, after: Source) -> Source:
    """Return a source whose columns a function is given, all of known types, as one that declares them, as it does now.

    A function is given no column that is not declared: one that is left out is a change.
    """
    if before.name != after.name or not after.columns_declared or not before.columns:
        return before
    return before if UNKNOWN in before.columns.values() else replace(before, columns_declared=True)


def _learned_source(before: Source, after: Source, seen: Mapping[str, str] | None) -> Source:
    """Return a source with the types that its data had; `seen` None: nobody knows, none: nothing was made of it."""
    if before.name != after.name or before.columns_declared or after.columns is None:
        return before
    types = {**(seen or {}), **{name: _type_before(name, after, seen) for name in after.columns}}
    known = before.columns or {}
    if before.columns is not None and (seen is None or seen):
        columns = _filled(known, types)
    else:
        columns = _filled({name: known.get(name, UNKNOWN) for name in types}, types)
    if columns == before.columns:
        return before
    typed, issues = type_check_source(before, columns)
    return before if issues else typed


def _type_before(name: str, after: Source, seen: Mapping[str, str] | None) -> str:
    """Return which type a column had that has one by now: that of the table, else that of files in sight."""
    now = (after.columns or {})[name]
    only_declared = after.columns_declared and (seen is None or len(seen) > 0)
    return now if now == UNKNOWN else (seen or {}).get(name, UNKNOWN if only_declared else now)


def _learned_model(before: Model, after: Model, learned: LearnedTypes) -> Model:
    seen = learned.of_sources
    source = _learned_source(before.spine.source, after.spine.source, seen.get(before.spine.source.name) or None)
    label = _learned_label(before.spine.label, after.spine.label, seen)
    there = {item.name: item for item in after.inputs}
    inputs = tuple(_learned_input(item, there.get(item.name)) for item in before.inputs)
    typed = replace(before, spine=replace(before.spine, source=source, label=label), inputs=inputs)
    return before if typed == before else _retyped_model(before, typed, None)


def _learned_label(before: Label | None, after: Label | None, seen: Mapping[str, Mapping[str, str]]) -> Label | None:
    if before is None or after is None or before.source is None or after.source is None:
        return before
    return replace(before, source=_learned_source(before.source, after.source, seen.get(before.source.name) or None))


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
