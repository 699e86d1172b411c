"""Trees in ONNX: nodes, leaves and inputs that there are, and a walk that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from featurectl.models.file_checks.trees import Integers, check_children, check_range, integers

_MODES: Final = 7
_OLD: Final = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_OF_NODES: Final = ("nodes_featureids", "nodes_modes", "nodes_truenodeids", "nodes_falsenodeids", "nodes_nodeids")
Attributes = Mapping[str, Any]


def check_trees(model: Any) -> None:
    """See to the trees of a graph, and of those in it.

    Raises:
        ValueError: one has a node that is not there, or is reached twice, or asks for an input that is not there.
    """
    widths = _widths(model)
    for number, node in enumerate(_nodes(model.graph)):
        if node.op_type in (*_OLD, "TreeEnsemble"):
            attributes = {item.name: _value(item) for item in node.attribute}
            check = _check_old if node.op_type in _OLD else _check_new
            check(attributes, widths.get(node.input[0], 1 << 31), f"the trees of node {number}")


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _widths(model: Any) -> Mapping[str, int]:
    """Return how many columns tensors have, of those that say it."""
    from onnx import shape_inference

    try:
        inferred = shape_inference.infer_shapes(model).graph
    except Exception as error:  # it raises kinds of its own
        raise ValueError(f"its types don't fit each other: {str(error)[:120]}") from error
    found = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        dimensions = value.type.tensor_type.shape.dim
        if len(dimensions) == 2 and dimensions[1].dim_value > 0:
            found[value.name] = dimensions[1].dim_value
    return found


def _value(attribute: Any) -> Any:
    from onnx import helper, numpy_helper

    found = helper.get_attribute_value(attribute)
    if attribute.HasField("t"):
        return numpy_helper.to_array(attribute.t)
    return list(found) if isinstance(found, (list, tuple)) or hasattr(found, "__len__") else found


def _ints(attributes: Attributes, name: str, what: str) -> Integers:
    return integers(attributes.get(name, []), f"{name} of {what}")


def _check_new(attributes: Attributes, width: int, what: str) -> None:
    """See to `TreeEnsemble`: places of nodes and of leaves."""
    modes = np.asarray(attributes.get("nodes_modes", []))
    count, leaves = len(modes), len(_ints(attributes, "leaf_targetids", what))
    _check_lengths(
        attributes, ("nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_splits"), count, what
    )
    _check_lengths(attributes, ("nodes_trueleafs", "nodes_falseleafs"), count, what)
    _check_lengths(attributes, ("leaf_weights",), leaves, what)
    check_range(modes.astype(np.int64), 0, _MODES, f"a mode of {what}")
    check_range(_ints(attributes, "nodes_featureids", what), 0, width, f"an input of {what}")
    check_range(
        _ints(attributes, "leaf_targetids", what), 0, max(int(attributes.get("n_targets", 1)), 1), f"a target of {what}"
    )
    inner = []
    for side in ("true", "false"):
        places, ends = (
            _ints(attributes, f"nodes_{side}nodeids", what),
            _ints(attributes, f"nodes_{side}leafs", what) != 0,
        )
        check_range(places[ends], 0, leaves, f"a leaf of {what}")
        inner.append(places[~ends])
    roots = _ints(attributes, "tree_roots", what)
    check_range(roots, 0, count, f"a root of {what}")
    check_children(np.concatenate([*inner, roots]) + 1, count + 1, what)
    members = np.asarray(attributes.get("membership_values", []), dtype=np.float64)
    if int(np.isnan(members).sum()) != int((modes == _MODES - 1).sum()):
        raise ValueError(f"{what} have other sets of members than nodes that ask for one")


def _check_old(attributes: Attributes, width: int, what: str) -> None:
    """See to the older operators: nodes by the numbers of their trees and their own."""
    trees, numbers = _ints(attributes, "nodes_treeids", what), _ints(attributes, "nodes_nodeids", what)
    count = len(trees)
    _check_lengths(attributes, _OF_NODES, count, what)
    for name in ("nodes_values", "nodes_values_as_tensor", "nodes_hitrates", "nodes_missing_value_tracks_true"):
        if len(attributes.get(name, [])):
            _check_lengths(attributes, (name,), count, what)
    places = {pair: place for place, pair in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    if len(places) != count:
        raise ValueError(f"{what} have a node twice")
    is_leaf = np.array([mode == b"LEAF" for mode in attributes.get("nodes_modes", [])], dtype=bool)
    check_range(_ints(attributes, "nodes_featureids", what)[~is_leaf], 0, width, f"an input of {what}")
    children = []
    for side in ("true", "false"):
        ends = _ints(attributes, f"nodes_{side}nodeids", what)[~is_leaf]
        children += [places.get(pair, -1) for pair in zip(trees[~is_leaf].tolist(), ends.tolist(), strict=True)]
    _, roots = np.unique(trees, return_index=True)
    check_children(np.array([*children, *roots.tolist()], dtype=np.int64) + 1, count + 1, what)
    _check_leaves(attributes, places, is_leaf, what)


def _check_leaves(attributes: Attributes, places: Mapping[tuple[int, int], int], is_leaf: Any, what: str) -> None:
    prefix, each = ("class", "class_weights") if "class_ids" in attributes else ("target", "target_weights")
    listed = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or []
    most = len(listed) if prefix == "class" else int(attributes.get("n_targets", 1))
    ids = _ints(attributes, f"{prefix}_ids", what)
    weights = each if len(attributes.get(each, [])) else f"{each}_as_tensor"
    _check_lengths(attributes, (f"{prefix}_treeids", f"{prefix}_nodeids", weights), len(ids), what)
    check_range(ids, 0, max(most, 1), f"a target of {what}")
    pairs = zip(*(_ints(attributes, f"{prefix}_{name}", what).tolist() for name in ("treeids", "nodeids")), strict=True)
    found = np.array([places.get(pair, -1) for pair in pairs], dtype=np.int64)
    check_range(found, 0, len(places), f"a leaf of {what}")
    if not is_leaf[found].all():
        raise ValueError(f"{what} give a weight to a node that is no leaf")


def _check_lengths(attributes: Attributes, names: tuple[str, ...], count: int, what: str) -> None:
    for name in names:
        if len(attributes.get(name, [])) != count:
            raise ValueError(f"{name} of {what} has {len(attributes.get(name, []))} values, of {count}")
