"""A training set: the spine, the features at its instants, the label; a row per spine row, in its order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from featurectl.engines.base import Engine
from featurectl.engines.polars.columns import compile_over
from featurectl.errors import DataError
from featurectl.expressions.check import expression_columns
from featurectl.spec.definition import Label, ModelInput, RequestInput
from featurectl.training.join import BoundView, ViewRows, join_features
from featurectl.training.spine import SpineRows, require_typed


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """A table for people and one for the model, row for row the same.

    `rows` are the spine's columns as they were, the features and the label. `values` are what the model sees: its
    inputs and the label in the types that it declares. `label` is the label's name, "" without one.
    """

    rows: pl.DataFrame
    values: pl.DataFrame
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """The rows of a training set, as in `TrainingRows`, with the spine and the view versions that they were made of."""

    rows: pl.DataFrame
    values: pl.DataFrame
    spine: SpineRows
    inputs: tuple[str, ...]
    label: str
    views: Mapping[str, BoundView]

    @property
    def time(self) -> pl.Series:
        """The instant of each row."""
        return self.spine.time


def build_training_set(
    engine: Engine,
    spine: SpineRows,
    inputs: Sequence[ModelInput],
    views: Mapping[str, BoundView],
    label: Label | None,
) -> TrainingSet:
    """Return the training set of a spine by registered view versions; see `join_rows`."""
    made = join_rows(engine, spine, inputs, views, label)
    return TrainingSet(
        rows=made.rows,
        values=made.values,
        spine=spine,
        inputs=tuple(item.name for item in inputs),
        label=made.label,
        views=views,
    )


def join_rows(
    engine: Engine,
    spine: SpineRows,
    inputs: Sequence[ModelInput],
    views: Mapping[str, ViewRows],
    label: Label | None,
) -> TrainingRows:
    """Return the spine's columns in order, then the features in the model's order, derived ones, then the label.

    A label without expression, or named like a spine column, replaces that column and stands last. Request
    columns are spine columns and are not repeated; the model's own types are those of `values`.

    Raises:
        DataError: FC506 the spine lacks a column, FC504 a value does not fit its type, FC516 a name stands twice.
    """
    joined = join_features(engine, spine, inputs, views)
    made = joined.select(item.name for item in inputs if not isinstance(item, RequestInput))
    last = _label(label, spine)
    own = spine.own if last is None else spine.own.drop(last.name, strict=False)
    _refuse_clash(own.columns, made.columns, spine.origin)
    rows, values = own.hstack(made.get_columns()), joined
    if label is not None and last is not None:
        shown = spine.own[last.name] if label.expression is None else last
        rows, values = rows.with_columns(shown), pl.DataFrame([*values.get_columns(), last])
    assert rows.height == spine.own.height
    assert values.height == rows.height or not values.width
    return TrainingRows(rows=rows, values=values, label="" if last is None else last.name)


def _refuse_clash(own: Collection[str], made: Sequence[str], origin: str) -> None:
    for name in made:
        if name in own:
            raise DataError(
                f"spine {origin} has a column {name!r}, the name of a feature",
                code="FC516",
                hint="rename it, or name the feature by `as` or `prefix` in the model",
            )


def _label(label: Label | None, spine: SpineRows) -> pl.Series | None:
    """The label of each row, or None when there is none or the spine can't tell it (a file without outcomes)."""
    if label is None:
        return None
    needed = {label.name} if label.expression is None else expression_columns(label.expression.text)
    if not needed <= set(spine.own.columns):
        return None
    require_typed(spine.rows, spine.own, needed, f"label {label.name}")
    if label.expression is None:
        return spine.rows[label.name]
    column = compile_over(label.expression.text, spine.rows, f"label {label.name}")
    return spine.rows.select(column.alias(label.name)).to_series()


def require_label(training_set: TrainingSet, label: Label | None, model: str) -> pl.Series:
    """Return the label column.

    Raises:
        DataError: FC506, the model has no label or the spine lacks the columns that make it.
    """
    if training_set.label:
        return training_set.values[training_set.label]
    if label is None:
        raise DataError(f"model {model} has no label, so it can't be trained", code="FC506", hint="add spine.label")
    raise DataError(
        f"spine {training_set.spine.origin} lacks a column of the label {label.name}",
        code="FC506",
        hint="its columns: " + ", ".join(training_set.spine.own.columns[:20]),
    )
