"""Names of a view's features: that each is one feature's, and who uses an old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import DerivedInput
from featurectl.language.definitions.view import Derived
from featurectl.language.renaming import columns_read, rename_columns
from featurectl.language.resolve.aggregates import Stored
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.values import is_reserved
from featurectl.language.syntax.node import ScalarNode
from featurectl.language.syntax.place import Place
from featurectl.language.typing.scope import Part

DerivedT = TypeVar("DerivedT", Derived, DerivedInput)


def check_own_names(stored: Stored, declared: Declarations) -> None:
    """Report features that share a name, or have the name of a key or of a column that every table has."""
    seen: dict[str, Place] = {}
    for name, place in stored.named:
        if is_reserved(name):
            message = f'"{name}" is a column that every view has; give the feature another name'
            declared.report.error("FC105", message, place)
        elif name in stored.keys:
            declared.report.error("FC204", f'"{name}" is the name of a key of this view', place)
        elif name in seen:
            message = f'two features of this view are named "{name}"'
            declared.report.clash("FC204", message, place, (seen[name], "the other one is made here"))
        seen.setdefault(name, place)
    _check_aliases(stored, seen, declared)


def _check_aliases(stored: Stored, names: Mapping[str, Place], declared: Declarations) -> None:
    """Report aliases that are the name of a feature, of a key, or another's alias: nobody could tell who is meant."""
    seen: dict[str, Place] = {}
    for alias, name, place in stored.aliases:
        if is_reserved(alias):
            declared.report.error("FC105", f'"{alias}" is a column that every view has, and no feature was it', place)
        elif alias in stored.keys:
            declared.report.error("FC204", f'alias "{alias}" is the name of a key of this view', place)
        elif alias == name:
            declared.report.error("FC204", f'alias "{alias}" is the name of the feature itself', place)
        elif alias in names:
            message = f'alias "{alias}" of "{name}" is the name of another feature'
            declared.report.clash("FC204", message, place, (names[alias], "the other one is made here"))
        elif alias in seen:
            message = f'alias "{alias}" stands twice in this view'
            declared.report.clash("FC204", message, place, (seen[alias], "the other one stands here"))
        seen.setdefault(alias, place)


def use_current_names(stored: Stored, declared: Declarations) -> None:
    """Rewrite derived features that read another by an alias, with a warning each."""
    current = {alias: name for alias, name, _ in stored.aliases}
    if not current:
        return
    for at, item in enumerate(stored.derived):
        stored.derived[at] = with_current_columns(item, current, stored.places, declared)


def with_current_columns(
    item: DerivedT, current: Mapping[str, str], places: dict[Part, ScalarNode | Place], declared: Declarations
) -> DerivedT:
    """Return what is derived, reading names of now in place of old ones, with a warning each."""
    node = places.get(("derived", item.name))
    rewritten = _warn_of_old_names(item.expression, current, node, declared)
    if rewritten is item.expression:
        return item
    if isinstance(node, ScalarNode):  # its characters are others than those that are checked
        places["derived", item.name] = node.span.place
    return replace(item, expression=rewritten)


def _warn_of_old_names(
    expression: Expression, current: Mapping[str, str], node: ScalarNode | Place | None, declared: Declarations
) -> Expression:
    """Return an expression with the names of now in place of old ones, each of which is warned of at its node."""
    for part in columns_read(expression.text):
        if part.value in current and node is not None:
            place = node if isinstance(node, Place) else node.place_of(part.start, part.end)
            warn_of_old_name(part.value, current[part.value], place, declared)
    return rename_columns(expression, current)


def warn_of_old_name(name: str, current: str, place: Place, declared: Declarations) -> None:
    """Warn of an alias at the place where it is used."""
    declared.report.warning("FC354", f'"{name}" is an old name of "{current}"', place, note=f'write "{current}"')
