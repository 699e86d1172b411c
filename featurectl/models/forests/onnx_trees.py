"""The trees of an ONNX graph of ours, read back, so that the library that trained them is not needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from featurectl.models.conversion.graph import Link
from featurectl.models.forests.tables import Mode, TreeNode, TreeNodes

_LINKS: Final[Mapping[tuple[str, ...], Link]] = {
    ("Identity",): "identity",
    ("Sigmoid",): "sigmoid",
    ("Exp",): "exp",
    ("Abs", "Mul"): "signed_square",
}


class NoTreesError(Exception):
    """A graph is no forest of ours; the word says what it is."""


def read_trees(content: bytes) -> TreeNodes:
    """Return the forest of an ONNX model.

    Raises:
        NoTreesError: it is something else than one forest and a link.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(content).graph
    steps = tuple(node.op_type for node in graph.node)
    where = [at for at, step in enumerate(steps) if step == "TreeEnsemble"]
    if len(where) != 1:
        raise NoTreesError("its ONNX graph is no forest")
    (at,) = where
    is_single, before, after = _shape(steps[:at], steps[at + 1 :])
    link = _LINKS.get(after)
    if link is None or not before:
        raise NoTreesError("its ONNX graph has other steps than a forest")
    attributes = {item.name: item for item in graph.node[at].attribute}
    numbers = {name: list(item.ints) for name, item in attributes.items() if item.ints}
    tensors = {name: numpy_helper.to_array(item.t) for name, item in attributes.items() if item.HasField("t")}
    if (tensors["leaf_weights"].dtype == np.float32) != is_single:
        raise NoTreesError("its sums are of another type than its graph")
    bases = [float(numpy_helper.to_array(item)[0]) for item in graph.initializer if item.name == "base"]
    return TreeNodes(
        nodes=list(_nodes(numbers, tensors)),
        leaves=tensors["leaf_weights"].tolist(),
        roots=numbers["tree_roots"],
        base=bases[0] if bases else 0.0,
        link=link,
        is_single=is_single,
    )


def _shape(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[bool, bool, tuple[str, ...]]:
    """Return whether sums are float32, whether the steps around the trees are known, and those that make the link."""
    if before == ("Cast",) and after[:1] == ("Add",):
        return False, True, after[1:]
    return True, not before and after[:1] == ("Cast",), after[1:]


def _nodes(numbers: Mapping[str, list[int]], tensors: Mapping[str, Any]) -> Iterator[TreeNode]:
    sets = _member_sets(tensors.get("membership_values"))
    for at, mode in enumerate(tensors["nodes_modes"].tolist()):
        yield TreeNode(
            feature=numbers["nodes_featureids"][at],
            mode=Mode(mode),
            threshold=float(tensors["nodes_splits"][at]),
            members=next(sets) if mode == Mode.MEMBER else frozenset(),
            missing=bool(numbers["nodes_missing_value_tracks_true"][at]),
            yes=(numbers["nodes_truenodeids"][at], bool(numbers["nodes_trueleafs"][at])),
            no=(numbers["nodes_falsenodeids"][at], bool(numbers["nodes_falseleafs"][at])),
        )


def _member_sets(values: Any) -> Iterator[frozenset[int]]:
    """Give the sets of members in their order: NaN ends each."""
    members: set[int] = set()
    for value in [] if values is None else values.tolist():
        if value != value:  # noqa: PLR0124  # NaN
            yield frozenset(members)
            members = set()
        else:
            members.add(int(value))
