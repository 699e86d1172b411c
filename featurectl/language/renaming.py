"""Names of features: what the files call one now, and the name that its values are stored under.

A registered view keeps the names that its version began with, in tables, online rows, fingerprints and trained models.
A feature that was renamed with `aliases` has what it is called since beside that, in `renamed_to`. So a rename moves
nothing: whoever names a feature is answered by `find_feature`, and whoever shows one shows its current name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from featurectl.expressions.names import walk
from featurectl.expressions.parse import parse
from featurectl.expressions.syntax import Raw
from featurectl.expressions.tree import Expression, ExpressionError
from featurectl.language.definitions.view import Derived, Feature, FeatureView

Named = TypeVar("Named", Feature, Derived)


class FoundFeature(NamedTuple):
    """A feature that somebody names: what it is stored as, what it is called now, and whether they used an old name."""

    stored: str
    current: str
    by_alias: bool


def named_features(view: FeatureView) -> tuple[Feature | Derived, ...]:
    """Return the features of a view, the derived ones last."""
    return (*view.features, *view.derived)


def current_names(view: FeatureView) -> dict[str, str]:
    """Return what each feature is called now, by the name that it is stored under."""
    return {item.name: item.current_name for item in named_features(view)}


def old_names(view: FeatureView) -> dict[str, str]:
    """Return what each alias is called now."""
    return {alias: item.current_name for item in named_features(view) for alias in item.aliases}


def find_feature(view: FeatureView, name: str) -> FoundFeature | None:
    """Return the feature of a view that has a name now, or had it before; None: none has."""
    items = named_features(view)
    for item in items:
        if item.current_name == name:
            return FoundFeature(item.name, name, by_alias=False)
    for item in items:
        if name in item.aliases:
            return FoundFeature(item.name, item.current_name, by_alias=True)
    return None


def old_name_warning(view: str, name: str, current: str) -> str:
    """Return what is said to who names a feature by an alias.

    >>> old_name_warning("payments", "spend", "paid")
    'payments:spend is called payments:paid now'
    """
    return f"{view}:{name} is called {view}:{current} now"


def with_current_names(view: FeatureView) -> FeatureView:
    """Return a registered view with every feature under the name that it has now, as people see it."""
    return rename_features(view, current_names(view))


def rename_features(
    view: FeatureView, names: Mapping[str, str], columns: Mapping[str, str] | None = None
) -> FeatureView:
    """Return a view with other names of features, and of columns of its table; what they are called now stays.

    Expressions that read them are rewritten; where one was, its typed tree is left out.
    """
    if all(old == new for old, new in names.items()) and not columns:
        return view
    moved = columns or {}
    return replace(
        view,
        inputs=tuple(replace(item, name=moved.get(item.name, item.name)) for item in view.inputs),
        features=tuple(
            replace(_renamed(item, names), column=item.column and moved.get(item.column, item.column))
            for item in view.features
        ),
        derived=tuple(
            replace(_renamed(item, names), expression=rename_columns(item.expression, names)) for item in view.derived
        ),
    )


def _renamed(item: Named, names: Mapping[str, str]) -> Named:
    name, current = names.get(item.name, item.name), item.current_name
    return replace(item, name=name, renamed_to="" if name == current else current)


def rename_columns(expression: Expression, names: Mapping[str, str]) -> Expression:
    """Return an expression over columns of other names; itself where it reads none of them.

    >>> rename_columns(Expression("spend / coalesce(n, 1)"), {"spend": "paid"}).text
    'paid / coalesce(n, 1)'
    """
    text = expression.text
    for part in sorted(columns_read(text), key=lambda part: -part.start):
        new = names.get(part.value, part.value)
        if new != part.value:
            text = f"{text[: part.start]}{_quoted(new)}{text[part.end :]}"
    return expression if text == expression.text else Expression(text)


def columns_read(text: str) -> list[Raw]:
    """Return where an expression reads columns; nowhere where it is none, which is reported where it is typed."""
    try:
        return [part for part in walk(parse(text)) if part.kind == "column"]
    except ExpressionError:
        return []


def _quoted(name: str) -> str:
    """Return the name of a feature as an expression has it: in quotes where it is a word of the language."""
    try:
        raw = parse(name)
    except ExpressionError:
        return f'"{name}"'
    return name if raw.kind == "column" else f'"{name}"'
