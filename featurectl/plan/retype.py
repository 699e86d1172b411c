"""What is registered without types, typed by what the files tell by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.identity.facts.objects import Registrable
from featurectl.language.definitions.objects import FeatureInput, FeatureView, Label, Model, ModelInput, Source
from featurectl.language.typing.models import check_model
from featurectl.language.typing.sources import check_source
from featurectl.language.typing.views import check_view


def with_learned_types(before: Registrable, after: Registrable) -> Registrable:
    """Return a registered object with the types that nobody could see when it was registered, as the files have them.

    To see a type changes no value: the files that come into sight are those that were read all along. Types that were
    known stay as they are, and so does an object that does not fit the columns that are seen now, and what declares
    `columns:` by now: there the types are what the user changed.
    """
    match before, after:
        case Source(), Source():
            return _source(before, after)
        case FeatureView(), FeatureView():
            return _view(before, after)
        case Model(), Model():
            return _model(before, after)
        case _:
            return before


def _source(before: Source, after: Source) -> Source:
    if before.name != after.name or before.columns_declared or after.columns_declared or after.columns is None:
        return before
    columns = _filled(before.columns, after.columns)
    if columns == before.columns:
        return before
    typed, issues = check_source(before, columns)
    return before if issues else typed


def _filled(before: Mapping[str, str] | None, after: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns of before with the types of after where they were not known; all of after when none were."""
    if before is None:
        return after
    return {name: after.get(name, UNKNOWN) if dtype == UNKNOWN else dtype for name, dtype in before.items()}


def _view(before: FeatureView, after: FeatureView) -> FeatureView:
    source = _source(before.source, after.source)
    if source is before.source:
        return before
    typed, issues = check_view(replace(before, source=source), source.columns)
    return before if issues else typed


def _model(before: Model, after: Model) -> Model:
    source = _source(before.spine.source, after.spine.source)
    label = _label(before.spine.label, after.spine.label)
    there = {item.name: item for item in after.inputs}
    inputs = tuple(_input(item, there.get(item.name)) for item in before.inputs)
    learned = replace(before, spine=replace(before.spine, source=source, label=label), inputs=inputs)
    if learned == before:
        return before
    typed, issues = check_model(learned, source.columns, None)
    return before if issues else typed


def _label(before: Label | None, after: Label | None) -> Label | None:
    if before is None or after is None or before.source is None or after.source is None:
        return before
    return replace(before, source=_source(before.source, after.source))


def _input(before: ModelInput, after: ModelInput | None) -> ModelInput:
    """Return an input of a model with the type of its feature, when that is the only thing that was not known."""
    if not isinstance(before, FeatureInput) or not isinstance(after, FeatureInput) or before.dtype is not None:
        return before
    same = (before.view, before.feature) == (after.view, after.feature)
    return replace(before, dtype=after.dtype) if same else before
