"""What is in an estimator of scikit-learn that compiled code walks over: trees, and trees of neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from featurectl.models.file_checks.trees import check_children, check_range


def check_estimator(estimator: Any) -> None:
    """See that the trees of an estimator, and of those in it, have the nodes and inputs that they speak of.

    Raises:
        ValueError: one has not.
    """
    for part in _parts(estimator):
        for predictor in _predictors(part):
            _check_predictor(predictor, part.n_features_in_)
        match type(part).__name__:
            case "Tree":
                _check_tree(part)
            case "KDTree" | "BallTree":
                _check_neighbours(part)


def _predictors(part: Any) -> Iterator[Any]:
    """Give the trees of a gradient boosting on histograms: what they read is checked against nothing else."""
    for trees in getattr(part, "_predictors", ()):
        yield from trees


def _parts(whole: Any) -> Iterator[Any]:
    """Give an object and all that it holds, each once."""
    seen, waiting = set[int](), [whole]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, (str, bytes, int, float, type(None), type)):
            continue
        seen.add(id(part))
        if isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype == object else []
            continue
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting += part
        else:
            waiting += getattr(part, "__dict__", {}).values()


def _check_tree(tree: Any) -> None:
    left, right = (np.asarray(values, dtype=np.int64) for values in (tree.children_left, tree.children_right))
    inner = left != -1
    check_children(np.concatenate([left[inner], right[inner]]), tree.node_count, "a tree")
    check_range(np.asarray(tree.feature, dtype=np.int64)[inner], 0, tree.n_features, "an input of a tree")
    if len(tree.value) != tree.node_count:
        raise ValueError(f"a tree has {len(tree.value)} values, of {tree.node_count} nodes")


def _check_predictor(predictor: Any, features: int) -> None:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    children = np.concatenate([nodes["left"][inner], nodes["right"][inner]]).astype(np.int64)
    check_children(children, len(nodes), "a tree")
    check_range(nodes["feature_idx"][inner].astype(np.int64), 0, features, "an input of a tree")
    sets = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)].astype(np.int64)
    held = min(len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets))
    check_range(sets, 0, held, "a set of categories of a tree")


def _check_neighbours(tree: Any) -> None:
    data, order, nodes, _ = tree.get_arrays()
    check_range(np.asarray(order, dtype=np.int64), 0, len(data), "a row of a tree of neighbours")
    starts, ends = (np.asarray(nodes[name], dtype=np.int64) for name in ("idx_start", "idx_end"))
    check_range(starts, 0, len(data) + 1, "a node of a tree of neighbours")
    check_range(ends, 0, len(data) + 1, "a node of a tree of neighbours")
