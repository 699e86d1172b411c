"""Feature views typed by the columns of their source's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from featurectl.core.dtypes import FLOAT64, INT64, SCALARS, TIMESTAMP, UNKNOWN
from featurectl.language.definitions.aggregates import result_type, takes_words
from featurectl.language.definitions.source import NamedExpression
from featurectl.language.definitions.view import Derived, Feature, FeatureView
from featurectl.language.resolve.transformed import result_columns
from featurectl.language.typing.scope import Issue, Scope
from featurectl.language.typing.sources import row_columns, type_source_once

ASOF: Final = "asof"


def type_check_view(view: FeatureView, columns: Mapping[str, str] | None) -> tuple[FeatureView, list[Issue]]:
    """Return the view typed by the columns of its source's files, and what is wrong with it.

    The source's own issues are not repeated.
    """
    source = type_source_once(view.source, columns)
    if view.transform is not None:
        others = tuple(type_source_once(other, other.columns) for other in view.transform.others)
        view = replace(view, transform=replace(view.transform, others=others))
    made = view.kind == "transform" or view.transform is not None  # its code may not be there
    scope = Scope(result_columns(view) if made else row_columns(source))
    _check_keys(view, scope)
    where = view.where
    if where is not None:
        where, _ = scope.expression(("where",), where.text, "bool")
    inputs, features = _stored(view, scope)
    typed = replace(view, source=source, where=where, inputs=inputs)
    return _with_derived(typed, features, scope)


def _check_keys(view: FeatureView, scope: Scope) -> None:
    for key, column in view.join.items():
        dtype = scope.column(("key", key), column)
        wanted = view.entity.keys[key] if view.entity else dtype
        if dtype not in (None, UNKNOWN, wanted):
            message = f'key "{key}" is {wanted}, column "{column}" is {dtype}'
            scope.add(("key", key), "FC309", message, "cast it in the `select` of the source")


def _stored(view: FeatureView, scope: Scope) -> tuple[tuple[NamedExpression, ...], tuple[Feature, ...]]:
    inputs: dict[str, NamedExpression] = {}
    for item in view.inputs:
        typed = scope.aggregated if view.kind == "event" else scope.expression
        expression, dtype = typed(("input", item.name), item.expression.text)
        inputs[item.name] = replace(item, expression=expression, dtype=dtype)
    features = tuple(_feature(feature, inputs, scope) for feature in view.features)
    return tuple(inputs.values()), features


def _feature(feature: Feature, inputs: dict[str, NamedExpression], scope: Scope) -> Feature:
    """Return the feature with its type; a declared float64 over whole numbers makes its input one."""
    item = inputs[feature.column] if feature.column is not None else None
    found = item.dtype if item else None
    part = ("feature", feature.name)
    if feature.op == "latest":
        dtype = feature.dtype or found
        if item is not None and feature.dtype == FLOAT64 and found == INT64:
            text = f"cast({item.expression.text} as float64)"
            expression, found = scope.expression(part, text)
            inputs[item.name] = replace(item, expression=expression, dtype=found)
        if found is not None and found != dtype:
            message = f'feature "{feature.name}" is {found}, not {dtype} as `type` says'
            casts = found in SCALARS and dtype in SCALARS
            hint = f"write expr: cast({feature.column} as {dtype})" if casts else "cast it in the source"
            scope.add((*part, "type"), "FC302", message, hint)
    else:
        unknown = item is not None and found is None
        dtype = None if unknown else result_type(feature.op, found)
        if not unknown and dtype is None:
            scope.add(part, "FC305", f"{feature.op} takes {takes_words(feature.op)}, not {found}")
    return replace(feature, dtype=dtype, default=scope.default(part, feature.default, dtype))


def _with_derived(view: FeatureView, features: Sequence[Feature], outer: Scope) -> tuple[FeatureView, list[Issue]]:
    columns = {feature.name: feature.dtype or UNKNOWN for feature in features} | {ASOF: TIMESTAMP}
    derived: list[Derived] = []
    for at, item in enumerate(view.derived):
        scope = Scope(columns, outer.issues, [below.name for below in view.derived[at:]])
        part = ("derived", item.name)
        expression, dtype = scope.expression(part, item.expression.text)
        default = scope.default(part, item.default, dtype)
        derived.append(replace(item, expression=expression, dtype=dtype, default=default))
        columns[item.name] = dtype or UNKNOWN
    return replace(view, features=tuple(features), derived=tuple(derived)), outer.issues
