"""The rows of feature tests as they are written: their values, and whether these fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeGuard

from featurectl.core.dtypes import STRING, UNKNOWN, list_item
from featurectl.core.units import parse_instant
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.values import plain_data
from featurectl.language.shapes.view import FeatureTestShape
from featurectl.language.syntax.constants import fit_constant
from featurectl.language.syntax.node import Fields, Items, Node, ScalarNode

TestedRows = tuple[Mapping[str, object], ...]


def mappings(shape: FeatureTestShape, key: str) -> list[Fields]:
    """Return the mappings of a list of a test."""
    node = shape.fields.get(key)
    return [item for item in node if isinstance(item, Fields)] if isinstance(node, Items) else []


def values_of(rows: Iterable[Fields], types: Mapping[str, str]) -> TestedRows:
    """Return the rows of a test as plain data; where the type is text, the text is kept whatever it looks like."""
    return tuple({name: _value_of(node, types.get(name, UNKNOWN)) for name, node in row.nodes.items()} for row in rows)


def _value_of(node: Node, dtype: str) -> object:
    item = list_item(dtype)
    if item is not None and isinstance(node, Items):
        return [_value_of(each, item) for each in node]
    return node.text if dtype == STRING and _is_word(node) else plain_data(node)


def _is_word(node: Node) -> TypeGuard[ScalarNode]:
    return isinstance(node, ScalarNode) and node.value is not None


def check_time(row: Fields, key: str, what: str, declared: Declarations) -> None:
    """Report FC311 for a row without a time under a key."""
    node = row.get(key)
    if node is None:
        declared.report.error("FC311", f'a {what} has no "{key}"', row.head)
    elif not (isinstance(node, ScalarNode) and parse_instant(node.text) is not None):
        message = f'"{key}" must be a time like 2013-01-01T08:00:00Z'
        declared.report.error("FC311", message, row.place(key))


def check_value(row: Fields, key: str, dtype: str, declared: Declarations) -> None:
    """Report FC311 for a value that is none of a type; what is of no known type is checked when it runs."""
    node, item = row.nodes[key], list_item(dtype)
    if item is None or not isinstance(node, Items):
        if dtype != UNKNOWN and not _fits(node, dtype):
            declared.report.error("FC311", f'"{key}" is {dtype}, not {_found(node)}', row.place(key))
        return
    for each in node:
        if not _fits(each, item):
            message = f'"{key}" is {dtype}, and {_found(each)} is no {item}'
            declared.report.error("FC311", message, each.span.place)


def _fits(node: Node, dtype: str) -> bool:
    if not isinstance(node, ScalarNode):
        return False
    if dtype == STRING and node.style == "":
        return True  # a text may look like a number
    return node.value is None or fit_constant(node.value, dtype) is not None


def _found(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        return "a list or mapping"
    return f'the text "{node.text}"' if node.style in ("'", '"') else node.text
