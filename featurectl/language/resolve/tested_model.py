"""What a test of a model's features speaks of: the columns of the spine, those of the training set, and their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from featurectl.core.dtypes import TIMESTAMP, UNKNOWN
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.model import (
    DerivedInput,
    FeatureInput,
    Model,
    ModelInput,
    RequestInput,
    views_read,
)
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.training_columns import label_columns
from featurectl.language.resolve.transformed import transform_sources
from featurectl.language.typing.sources import row_columns


def view_sources(model: Model, views: Mapping[str, FeatureView]) -> dict[str, Source]:
    """Return the sources of the views that a model reads, by name, in the order of its features."""
    return {source.name: source for name in views_read(model.inputs) for source in transform_sources(views[name])}


def tested_sources(model: Model, views: Mapping[str, FeatureView]) -> dict[str, Source]:
    """Return the sources of which a test of a model may hold rows: its views', and that of a label over a horizon."""
    label = model.spine.label
    ahead = {label.source.name: label.source} if label is not None and label.source is not None else {}
    return view_sources(model, views) | ahead


def needed_inputs(inputs: Iterable[ModelInput], columns: Iterable[str]) -> tuple[ModelInput, ...]:
    """Return the inputs of a model that some columns are made of, in the model's order.

    Features of one view under one join stand together: the view's derived features see the defaults of all of them.
    """
    listed, wanted = list(inputs), set(columns)
    for item in reversed(listed):
        if isinstance(item, DerivedInput) and item.name in wanted:  # each reads derived ones above it alone
            wanted |= expression_columns(item.expression.text)
    features = [item for item in listed if isinstance(item, FeatureInput)]
    asked = {(item.view, *sorted(item.join.items())) for item in features if item.name in wanted}
    return tuple(
        item
        for item in listed
        if item.name in wanted or (isinstance(item, FeatureInput) and (item.view, *sorted(item.join.items())) in asked)
    )


def needed_columns(model: Model, columns: Iterable[str]) -> set[str]:
    """Return the columns that a row of the spine must give for some columns of the training set: before `select`."""
    wanted = set(columns)
    needed: set[str] = set()
    for item in needed_inputs(model.inputs, wanted):
        if isinstance(item, FeatureInput):
            needed |= set(item.join.values())
        elif isinstance(item, RequestInput):
            needed.add(item.name)
    label = model.spine.label
    if label is not None and label.name in wanted:
        needed |= label_columns(label)
    spine = row_columns(model.spine.source) or {}
    made_last = {item.name for item in model.inputs} | ({label.name} if label else set())
    return needed | {name for name in wanted if name in spine and name not in made_last}


def spine_types(model: Model, views: Mapping[str, FeatureView]) -> dict[str, str]:
    """Return the types of the columns of a model's spine, its source's `select` in place.

    Where the files don't say the type, it is that of the time, the key or the request column that is read from it.
    Columns that the files don't name are here only when the model reads them.
    """
    fixed = {model.spine.time: TIMESTAMP}
    for item in model.inputs:
        if isinstance(item, RequestInput):
            fixed.setdefault(item.name, item.dtype)
        elif isinstance(item, FeatureInput) and (entity := views[item.view].entity) is not None:
            fixed |= {column: entity.keys[key] for key, column in item.join.items() if key in entity.keys}
    select = {item.name: item.dtype or UNKNOWN for item in model.spine.source.select}
    known = row_columns(model.spine.source) or select
    return {**known, **{name: dtype for name, dtype in fixed.items() if known.get(name, UNKNOWN) == UNKNOWN}}


def input_types(model: Model, views: Mapping[str, FeatureView]) -> dict[str, str]:
    """Return the types of what a row of a test's spine gives: as `spine_types`, but before `select` where it hides."""
    columns = model.spine.source.columns or {}
    hidden = [item.name for item in model.spine.source.select if item.name in columns]
    return spine_types(model, views) | {name: columns[name] for name in hidden}


def select_inputs(source: Source, names: Iterable[str]) -> frozenset[str]:
    """Return the columns among the names that the source's `select` would make, and that nothing in its files is."""
    made = {item.name for item in source.select} - set(source.columns or {})
    return frozenset(made.intersection(names))


def training_types(model: Model, views: Mapping[str, FeatureView]) -> dict[str, str]:
    """Return the types of the columns of a model's training set, the features first; `unknown` where they are not."""
    types = {item.name: item.dtype or UNKNOWN for item in model.inputs if not isinstance(item, RequestInput)}
    if model.spine.label is not None:
        types[model.spine.label.name] = model.spine.label.dtype or UNKNOWN
    return {**types, **{name: dtype for name, dtype in spine_types(model, views).items() if name not in types}}
