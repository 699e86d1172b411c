"""The columns of a training set: that no two share a name, and that the label gives nothing away."""

from __future__ import annotations

from typing import Final

from featurectl.core.dtypes import FLOAT64
from featurectl.expressions.check import expression_columns
from featurectl.expressions.names import walk
from featurectl.expressions.parse import parse
from featurectl.expressions.tree import ExpressionError
from featurectl.language.definitions.model import FeatureInput, Label, Model, RequestInput
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.training import LabelShape, OutputShape, SpineShape
from featurectl.language.syntax.place import Place
from featurectl.language.typing.own_row import describe_own_row
from featurectl.language.typing.sources import row_columns
from featurectl.language.typing.views import ASOF

VERSION_COLUMN: Final = "model_version"


def check_columns(model: Model, columns: list[tuple[str, Place]], shape: SpineShape, declared: Declarations) -> None:
    """Report FC205 for columns that share a name, and FC308 for a label that reads what the model is given.

    `columns` are the model's columns in order, those that clash included, with their places.
    """
    requested = {item.name for item in model.inputs if isinstance(item, RequestInput)}
    spine = row_columns(model.spine.source) or {}
    spine_place = shape.fields.place("source")
    seen: dict[str, Place] = {}
    for name, place in columns:
        if name == ASOF:
            declared.report.error("FC105", f'"{ASOF}" is the time of the row; give the column another name', place)
        elif name in seen:
            message = f'two columns of the training set are named "{name}"'
            other = (seen[name], "the other one stands here")
            declared.report.clash("FC205", message, place, other, note=_another_name(name, model))
        elif name in spine and name not in requested:
            message = f'"{name}" is a column of the spine already'
            other = (spine_place, "the spine comes from here")
            declared.report.clash("FC205", message, place, other, note=_another_name(name, model))
        seen.setdefault(name, place)
    if model.spine.label is not None and shape.label is not None:
        _check_label(model.spine.label, shape.label, (seen, requested), declared)
        if own_row := describe_own_row(model.spine):
            key = "expr" if shape.label.expr is not None else "op"
            note = "the horizon is t <= event_time < t + horizon, and the spine is of the label's own source"
            declared.report.note("FC357", own_row, shape.label.fields.place(key), note=note)


def _another_name(name: str, model: Model) -> str:
    """Return what to write among the model's features so that one has another name."""
    item = next((item for item in model.inputs if item.name == name), None)
    if not isinstance(item, FeatureInput):
        return "give it another name"
    one = f'{{feature: "{item.view}:{item.feature}", as: {item.view}_{item.feature}}}'
    return f"name it otherwise: {one}; several: {{view: {item.view}, features: [...], prefix: {item.view}_}}"


def check_output(model: Model, shape: OutputShape | None, declared: Declarations) -> None:
    """Report FC205 for a score named like a column of the spine, or like the version that stands beside it."""
    spine = row_columns(model.spine.source) or {}
    if shape is not None and model.output_name in (*spine, VERSION_COLUMN):
        owner = "the spine" if model.output_name in spine else "every table of scores"
        message = f'"{model.output_name}" is a column of {owner} already; give the output another name'
        declared.report.error("FC205", message, shape.fields.place("name"))
    if shape is not None and shape.type not in {None, FLOAT64}:
        message = f"the output of a model is {shape.type} here; a score is float64"
        declared.report.error("FC104", message, shape.fields.place("type"))


def _check_label(
    label: Label, shape: LabelShape, given: tuple[dict[str, Place], set[str]], declared: Declarations
) -> None:
    seen, requested = given
    if label.name in seen:
        code = "FC308" if label.name in requested else "FC205"
        what = "a request column" if label.name in requested else "a feature"
        message = f'the label "{label.name}" has the name of {what}'
        declared.report.clash(code, message, shape.fields.head, (seen[label.name], f"{what} is named so here"))
    node = shape.fields.scalar("expr")
    if label.expression is None or label.horizon_us is not None or node is None:
        return
    for name, (start, end) in sorted(_columns(label.expression.text).items()):
        if name not in seen:
            continue
        what = "a request column" if name in requested else "a feature"
        place = node.place_of(start, end)
        message = f'the label reads "{name}", which is {what} of the model'
        declared.report.clash("FC308", message, place, (seen[name], "the model is given it here"))


def _columns(text: str) -> dict[str, tuple[int, int]]:
    """Return the columns that an expression reads, each with the characters where it stands first."""
    found: dict[str, tuple[int, int]] = {}
    try:
        for part in walk(parse(text)):
            if part.kind == "column":
                found.setdefault(part.value, (part.start, part.end))
    except ExpressionError:  # reported already
        return {}
    return found


def label_columns(label: Label) -> set[str]:
    """Return the columns of the spine that a label is made of."""
    if label.horizon_us is not None:
        return set(label.entity.keys) if label.entity else set()
    return {label.name} if label.expression is None else set(expression_columns(label.expression.text))
