"""The rows of feature tests as they are written: their values, and whether these fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeGuard

from featurectl.dtypes import STRING, UNKNOWN
from featurectl.spec.constants import fit_constant
from featurectl.spec.declared import Declared
from featurectl.spec.model_view import FeatureTestShape
from featurectl.spec.node import Constant, Fields, Items, Node, Scalar
from featurectl.spec.values import plain_data
from featurectl.units import parse_instant

Rows = tuple[Mapping[str, object], ...]


def mappings(shape: FeatureTestShape, key: str) -> list[Fields]:
    """Return the mappings of a list of a test."""
    node = shape.fields.get(key)
    return [item for item in node if isinstance(item, Fields)] if isinstance(node, Items) else []


def values_of(rows: Iterable[Fields], types: Mapping[str, str]) -> Rows:
    """Return the rows of a test as plain data; where the type is text, the text is kept whatever it looks like."""
    return tuple(
        {
            name: node.text if types.get(name) == STRING and _is_word(node) else plain_data(node)
            for name, node in row.nodes.items()
        }
        for row in rows
    )


def _is_word(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and node.value is not None


def check_time(row: Fields, key: str, what: str, declared: Declared) -> None:
    """Report FC311 for a row without a time under a key."""
    node = row.get(key)
    if node is None:
        declared.report.error("FC311", f'a {what} has no "{key}"', row.head)
    elif not (isinstance(node, Scalar) and parse_instant(node.text) is not None):
        message = f'"{key}" must be a time like 2013-01-01T08:00:00Z'
        declared.report.error("FC311", message, row.place(key))


def check_value(row: Fields, key: str, dtype: str, declared: Declared) -> None:
    """Report FC311 for a value that is none of a type; lists and what is of no known type are checked when they run."""
    node = row.get(key)
    if dtype == UNKNOWN or dtype.startswith("list"):
        return
    value: Constant = node.value if isinstance(node, Scalar) else ""
    text = node.text if isinstance(node, Scalar) else ""
    if not isinstance(node, Scalar) or (value is not None and fit_constant(value, dtype) is None):
        if isinstance(node, Scalar) and dtype == STRING and node.style == "":
            return  # a text may look like a number
        declared.report.error("FC311", f'"{key}" is {dtype}, not {text or "a list or mapping"}', row.place(key))
