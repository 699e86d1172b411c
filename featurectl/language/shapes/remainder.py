"""What is left of an object of which parts are wrong: so that what else is wrong is found in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from pydantic import ValidationError

from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.syntax.node import Fields, Items, Node

_MOST_ATTEMPTS: Final = 4  # an object that lacks a part may lack another one that this one is needed for
_MOST_PARTS: Final = 1_000
S = TypeVar("S", bound=ObjectShape)
Path = tuple[int | str, ...]


def shape_of_remainder(shape: type[S], node: Node, error: ValidationError, needed: Sequence[str]) -> S | None:
    """Return the object without the parts that are wrong, which are reported; None where it can't be without them.

    A part is an item of one of its lists, or all of a key. It can't be without the keys `needed`.
    """
    for _ in range(_MOST_ATTEMPTS):
        wrong = [item["loc"] for item in error.errors(include_url=False, include_context=False, include_input=False)]
        parts = {_part(path) for path in wrong}
        if len(parts) > _MOST_PARTS or not isinstance(node, Fields) or any(part[0] in needed for part in parts):
            return None
        node = _without(node, parts)
        try:
            return shape.model_validate(node, context=Report())  # of which all is reported already
        except ValidationError as again:
            error = again
    return None


def _part(path: Path) -> Path:
    """Return the part of an object that is wrong when something at a path within it is."""
    if not path:
        return ("",)
    return path[:2] if len(path) > 1 and isinstance(path[1], int) else path[:1]


def _without(fields: Fields, parts: set[Path]) -> Fields:
    nodes = {}
    for key, node in fields.nodes.items():
        if (key,) in parts:
            continue
        if isinstance(node, Items) and any(part[0] == key for part in parts):
            kept = tuple(item for at, item in enumerate(node.nodes) if (key, at) not in parts)
            if not kept:
                continue
            node = Items(kept, node.span)  # noqa: PLW2901 - the rest of it
        nodes[key] = node
    return Fields(nodes, {key: span for key, span in fields.keys.items() if key in nodes}, fields.span)
