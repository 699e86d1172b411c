"""A training set: the spine, the features at its instants, the label; a row per spine row, in its order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from featurectl.core.errors import DataError
from featurectl.engines.base import Engine
from featurectl.language.definitions.model import FeatureInput, Label, ModelInput, RequestInput
from featurectl.language.resolve.training_columns import label_columns
from featurectl.operations.training.join import ViewRows, join_features
from featurectl.operations.training.label import LabelTarget, MissingLabels, label_rows
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.unknown_keys import UnknownRows
from featurectl.operations.views import BoundView


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """A table for people and one for the model, row for row the same.

    `rows` are the spine's columns as they were, the features and the label. `values` are what the model sees: its
    inputs and the label in the types that it declares. `label` is the label's name, "" without one; `missing` are
    the rows that have none because of its horizon, `unknown` counts those with keys of which no view has a row.
    """

    rows: pl.DataFrame
    values: pl.DataFrame
    label: str
    missing: MissingLabels = field(default_factory=MissingLabels)
    unknown: UnknownRows = field(default_factory=UnknownRows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """The rows of a training set, as in `TrainingRows`, with the spine and the view versions that they were made of."""

    rows: pl.DataFrame
    values: pl.DataFrame
    spine: SpineRows
    inputs: tuple[str, ...]
    label: str
    views: Mapping[str, BoundView]
    missing: MissingLabels = field(default_factory=MissingLabels)

    @property
    def time(self) -> pl.Series:
        """The instant of each row."""
        return self.spine.time


def build_training_set(
    engine: Engine,
    spine: SpineRows,
    inputs: Sequence[ModelInput],
    views: Mapping[str, BoundView],
    target: LabelTarget | None,
) -> TrainingSet:
    """Return the training set of a spine by registered view versions; see `join_rows`."""
    made = join_rows(engine, spine, inputs, views, target)
    return TrainingSet(
        rows=made.rows,
        values=made.values,
        spine=spine,
        inputs=tuple(item.name for item in inputs),
        label=made.label,
        views=views,
        missing=made.missing,
    )


def join_rows(
    engine: Engine,
    spine: SpineRows,
    inputs: Sequence[ModelInput],
    views: Mapping[str, ViewRows],
    target: LabelTarget | None,
) -> TrainingRows:
    """Return the spine's columns in order, then the features in the model's order, derived ones, then the label.

    A label without expression, or named like a spine column, replaces that column and stands last. Request
    columns are spine columns and are not repeated; the model's own types are those of `values`.

    Raises:
        DataError: FC506 the spine lacks a column, FC504 a value does not fit its type, FC516 a name stands twice.
    """
    unknown = UnknownRows()
    joined = join_features(engine, spine, inputs, views, unknown)
    made = joined.select(item.name for item in inputs if not isinstance(item, RequestInput))
    labelled = label_rows(engine, target, spine)
    last = None if labelled is None else labelled.column
    own = spine.own if last is None else spine.own.drop(last.name, strict=False)
    _check_names(own.columns, inputs, spine.origin)
    rows, values = own.hstack(made.get_columns()), joined
    if target is not None and last is not None:
        rows = rows.with_columns(spine.own[last.name] if _is_own(target.label) else last)
        values = pl.DataFrame([*values.get_columns(), last])
    assert rows.height == spine.own.height
    assert values.height == rows.height or not values.width
    if labelled is None:
        return TrainingRows(rows=rows, values=values, label="", unknown=unknown)
    return TrainingRows(
        rows=rows,
        values=values,
        label=labelled.column.name,
        unknown=unknown,
        missing=labelled.missing,
    )


def _check_names(own: Collection[str], inputs: Sequence[ModelInput], origin: str) -> None:
    for item in inputs:
        if item.name in own and not isinstance(item, RequestInput):
            message = f"spine {origin} has a column {item.name!r}, the name of a feature"
            raise DataError(message, code="FC516", hint=_another_name(item))


def _another_name(item: ModelInput) -> str:
    if not isinstance(item, FeatureInput):
        return "rename one of them"
    by_name = f"'{item.view}:{item.feature} as {item.view}_'"
    return f"rename it, or the feature: {by_name} among features asked for by name, `as` or `prefix` in a model"


def _is_own(label: Label) -> bool:
    """Return whether a label is a column of the spine as it is."""
    return label.expression is None and label.horizon_us is None


def no_label_error(label: Label, origin: str, columns: Sequence[str]) -> DataError:
    """Return the error that a spine lacks what a label is made of."""
    missing = ", ".join(sorted(label_columns(label) - set(columns)))
    message = f"spine {origin} lacks a column of the label {label.name}"
    hint = f"{missing} is not among its columns: {', '.join(columns[:20])}"
    return DataError(message, code="FC506", hint=hint)


def require_label(training_set: TrainingSet, label: Label | None, model: str) -> pl.Series:
    """Return the label column.

    Raises:
        DataError: FC506, the model has no label or the spine lacks the columns that make it.
    """
    if training_set.label:
        return training_set.values[training_set.label]
    if label is None:
        raise DataError(f"model {model} has no label, so it can't be trained", code="FC506", hint="add spine.label")
    raise no_label_error(label, training_set.spine.origin, training_set.spine.own.columns)
