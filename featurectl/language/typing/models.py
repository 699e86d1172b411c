"""Models typed by the columns of their spine and by their views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featurectl.core.dtypes import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, UNKNOWN, decimal_parts, list_item
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.aggregates import AGGREGATES, horizon_base, result_type, takes_words
from featurectl.language.definitions.model import (
    DerivedInput,
    FeatureInput,
    Label,
    Model,
    ModelInput,
    RequestInput,
    Spine,
    Trainer,
)
from featurectl.language.definitions.stream import STAMP
from featurectl.language.definitions.view import FeatureView
from featurectl.language.typing.scope import Issue, Part, Scope, near_hint, select_hint
from featurectl.language.typing.sources import TIMES, row_columns, type_source_once
from featurectl.language.typing.views import ASOF

CATEGORY = "category"
_NOT_CATEGORIES = (FLOAT64, TIMESTAMP)
_TRAINABLE = (INT64, FLOAT64, BOOL, CATEGORY, UNKNOWN)


def type_check_model(
    model: Model, columns: Mapping[str, str] | None, views: Mapping[str, FeatureView] | None
) -> tuple[Model, list[Issue]]:
    """Return the model typed by the columns of its spine source's files and by its views, and what is wrong.

    Without `views` the types of its features stay as they are.
    """
    source = type_source_once(model.spine.source, columns)
    scope = Scope(row_columns(source))
    spine = replace(model.spine, source=source)
    dtype = scope.column(("time",), spine.time)
    if dtype is not None and dtype not in TIMES:
        scope.add(("time",), "FC312", f'"{spine.time}" is {dtype}, must be a timestamp or a date')
    _check_known_at(spine, scope)
    if spine.where is not None:
        where, _ = scope.expression(("where",), spine.where.text, "bool")
        spine = replace(spine, where=where)
    if spine.label is not None:
        spine = replace(spine, label=_label(spine.label, scope))
    stored = [_input(item, scope, views or {}) for item in model.inputs]
    trainer = None if model.trainer is None else _trainer(model.trainer, spine, scope)
    inputs = _with_derived(stored, scope.issues)
    if trainer is not None:
        _check_trainable(inputs, scope)
    on_events = model.on_events
    if on_events is not None and on_events.where is not None:
        where, _ = scope.expression(("on_events", "where"), on_events.where.text, "bool")
        on_events = replace(on_events, where=where)
    return replace(model, spine=spine, trainer=trainer, inputs=inputs, on_events=on_events), scope.issues


def _check_known_at(spine: Spine, scope: Scope) -> None:
    """Report a `known_at` that is no time of the spine's rows; `available_at` is one of any but static rows."""
    known = spine.known_at
    is_clock = known == STAMP and STAMP not in (scope.columns or ()) and not spine.source.static
    if known is None or is_clock:
        return
    dtype = scope.column(("known_at",), known)
    if dtype is not None and dtype not in TIMES:
        scope.add(("known_at",), "FC312", f'"{known}" is {dtype}, must be a timestamp or a date')


def _check_trainable(inputs: Sequence[ModelInput], scope: Scope) -> None:
    """Report the inputs that are no numbers, which is all that a trainer sees; a list is reported already."""
    for item in inputs:
        dtype = item.dtype if isinstance(item, DerivedInput) else item.model_dtype
        if dtype is None or dtype in _TRAINABLE or decimal_parts(dtype) is not None or list_item(dtype) is not None:
            continue
        hint = _as_category(item) if dtype == STRING else _as_number(item)
        message = f'"{item.name}" is {dtype}: a trainer takes numbers, booleans and categories'
        scope.add(_part(item), "FC314", message, hint)


def _as_category(item: ModelInput) -> str:
    """Return what to write among the features of a model so that it gets a text as a category."""
    match item:
        case FeatureInput():
            called = "" if item.name == item.feature else f", as: {item.name}"
            return f'write - {{feature: "{item.view}:{item.feature}"{called}, type: category}}'
        case RequestInput():
            return f"write - {{request: {{{item.name}: category}}}}"
        case DerivedInput():
            return "derive a number from it, or make it a feature of a view"


def _as_number(item: ModelInput) -> str:
    """Return what to write so that a model gets a number in place of a time."""
    if isinstance(item, FeatureInput):
        name = item.feature
        return (
            f"write derived: [{{name: {name}_s, expr: extract(epoch from {name})}}] in {item.view}, and take {name}_s"
        )
    return "derive a number from it: `extract(epoch from t)`"


def _part(item: ModelInput) -> Part:
    match item:
        case RequestInput():
            return ("request", item.name)
        case FeatureInput():
            return ("feature", item.name)
        case DerivedInput():
            return ("derived", item.name)


def _trainer(trainer: Trainer, spine: Spine, scope: Scope) -> Trainer:
    """Type the source that a model is judged on; it has the spine's time and the columns of `where` and the label."""
    if trainer.validation_source is None:
        return trainer
    source = type_source_once(trainer.validation_source, trainer.validation_source.columns)
    known = row_columns(source)
    for name in sorted(_judging_columns(spine)):
        if known is not None and name not in known:
            message = f'validation source "{source.name}" has no column "{name}"'
            scope.add(("validation",), "FC301", message, near_hint(name, known))
    return replace(trainer, validation_source=source)


def _judging_columns(spine: Spine) -> set[str]:
    label, names = spine.label, {spine.time}
    if spine.where is not None:
        names |= expression_columns(spine.where.text)
    if label is None:
        return names
    if label.horizon_us is not None:
        return names | set(label.entity.keys if label.entity else ())
    return names | ({label.name} if label.expression is None else expression_columns(label.expression.text))


def _label(label: Label, scope: Scope) -> Label:
    if label.horizon_us is not None:
        return _horizon_label(label, scope)
    if label.expression is None:
        dtype = scope.column(("label", "name"), label.name)
        return replace(label, dtype=None if dtype in (None, UNKNOWN) else dtype)
    expression, dtype = scope.expression(("label", "expr"), label.expression.text)
    return replace(label, expression=expression, dtype=dtype)


def _horizon_label(label: Label, spine: Scope) -> Label:
    """Type a label over a horizon: its aggregate by its own source's columns, its `expr` over that aggregate."""
    assert label.source is not None
    assert label.op is not None
    issues = spine.issues
    source = type_source_once(label.source, label.source.columns)
    scope = Scope(row_columns(source), issues)
    if source.static:
        message = f'a horizon needs times, and source "{source.name}" has no event_time'
        scope.add(("label", "source"), "FC307", message)
    for key in label.entity.keys if label.entity else ():
        if scope.columns != spine.columns:  # else it is said of the spine
            scope.column(("label", "entity"), key, is_key=True)
        if spine.columns is not None and key not in spine.columns:
            message = f'the spine has no column "{key}", a key of the label\'s entity'
            spine.add(("label", "entity"), "FC301", message, select_hint(key, spine.columns))
    where = label.where
    if where is not None:
        where, _ = scope.expression(("label", "where"), where.text, "bool")
    found = None if label.column is None else scope.column(("label", "column"), label.column)
    unknown = label.column is not None and found in (None, UNKNOWN)
    dtype = None if unknown else result_type(label.op, found)
    if not unknown and dtype is None and (label.column is not None or not AGGREGATES[label.op].needs_column):
        scope.add(("label", "op"), "FC305", f"{label.op} takes {takes_words(label.op)}, not {found}")
    typed = replace(label, source=source, where=where, dtype=dtype)
    if label.expression is None:
        return typed
    inner = Scope({horizon_base(label.op, label.column): dtype or UNKNOWN}, issues)
    expression, dtype = inner.expression(("label", "expr"), label.expression.text)
    return replace(typed, expression=expression, dtype=dtype)


def _input(item: ModelInput, scope: Scope, views: Mapping[str, FeatureView]) -> ModelInput:
    match item:
        case RequestInput():
            part = ("request", item.name)
            found = scope.column(part, item.name)
            if list_item(item.dtype) is not None:
                scope.add(part, "FC310", _no_input(item.name, item.dtype))
            if found is not None and found != UNKNOWN and not _can_become(found, item.dtype):
                message = f'request column "{item.name}" is {item.dtype}, the spine has {found}'
                scope.add(part, "FC302", message)
            return item
        case FeatureInput():
            return _feature(item, scope, views)
        case DerivedInput():
            return item


def _feature(item: FeatureInput, scope: Scope, views: Mapping[str, FeatureView]) -> FeatureInput:
    part = ("feature", item.name)
    for key, column in item.join.items():
        scope.column(("join", item.name, key), column, is_key=key == column)
    view = views.get(item.view)
    dtype = view.dtype_of(item.feature) if view else item.dtype
    if dtype is not None and list_item(dtype) is not None:
        scope.add(part, "FC310", _no_input(item.name, dtype))
        return replace(item, dtype=dtype)
    model_dtype = item.model_dtype or dtype
    if dtype is not None and model_dtype is not None and not _fits_model(dtype, model_dtype):
        scope.add((*part, "type"), "FC302", f'"{item.name}" is {dtype} and can\'t become {model_dtype}')
    default = scope.default(part, item.default, dtype)
    return replace(item, dtype=dtype, model_dtype=model_dtype, default=default)


def _no_input(name: str, dtype: str) -> str:
    return f'"{name}" is {dtype}; a list can\'t be an input of a model'


def _with_derived(stored: Sequence[ModelInput], issues: list[Issue]) -> tuple[ModelInput, ...]:
    """Return the inputs with the derived ones typed: each sees all features and request columns, and those above it."""
    columns = _readable(stored)
    waiting = [item.name for item in stored if isinstance(item, DerivedInput)]
    inputs: list[ModelInput] = []
    for item in stored:
        if isinstance(item, DerivedInput):
            typed = _derived(item, Scope(columns, issues, tuple(waiting)))
            columns[waiting.pop(0)] = typed.dtype or UNKNOWN
            inputs.append(typed)
        else:
            inputs.append(item)
    return tuple(inputs)


def _derived(item: DerivedInput, scope: Scope) -> DerivedInput:
    part = ("derived", item.name)
    expression, dtype = scope.expression(part, item.expression.text)
    default = scope.default(part, item.default, dtype)
    return replace(item, expression=expression, dtype=dtype, default=default)


def _readable(inputs: Sequence[ModelInput]) -> dict[str, str]:
    """Return what every derived column of a model may read: its features, its request columns, the row's time."""
    found = {item.name: item.dtype or UNKNOWN for item in inputs if not isinstance(item, DerivedInput)}
    return found | {ASOF: TIMESTAMP}


def _fits_model(dtype: str, model_dtype: str) -> bool:
    if model_dtype == CATEGORY:
        return dtype not in _NOT_CATEGORIES and decimal_parts(dtype) is None
    return _can_become(dtype, model_dtype)


def _can_become(dtype: str, wanted: str) -> bool:
    """Return whether values of a type may be castable without loss; only the values themselves can tell."""
    numbers = (INT64, FLOAT64, STRING)
    if dtype == wanted or STRING in (dtype, wanted):
        return True
    both_numbers = all(t in numbers or decimal_parts(t) is not None for t in (dtype, wanted))
    both_times = all(t in TIMES for t in (dtype, wanted))
    return both_numbers or both_times
