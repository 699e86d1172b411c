"""XGBoost's boosters as forests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from featurectl.models.conversion.graph import CannotConvertError, Forest, Leaf, Link, TreeSplit
from featurectl.models.runtimes.base import Matrix, Scores

_LINKS: Final[Mapping[str, Link]] = {
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:absoluteerror": "identity",
    "reg:quantileerror": "identity",
    "reg:logistic": "sigmoid",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "count:poisson": "exp",
    "binary:logistic": "sigmoid",
    "binary:logitraw": "identity",
    "rank:pairwise": "identity",
    "rank:ndcg": "identity",
    "rank:map": "identity",
}


_STUMP: Final[dict[str, Any]] = {
    "id": 0,
    "tree_param": {"num_deleted": "0", "num_nodes": "1", "size_leaf_vector": "1"},
    **{name: [-1] for name in ("left_children", "right_children")},
    **{name: [0] for name in ("split_indices", "default_left", "split_type")},
    **{name: [0.0] for name in ("split_conditions", "base_weights", "loss_changes", "sum_hessian")},
    **{name: [] for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")},
    "parents": [2147483647],
}


def forest_of(content: bytes, width: int) -> Forest:
    """Return the trees of a model in XGBoost's format.

    Raises:
        CannotConvertError: it has more than one score a row, no trees, or an objective that is not known.
    """
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    learner = json.loads(booster.save_raw("json"))["learner"]
    objective, trained = learner["objective"]["name"], learner["gradient_booster"]
    bases = np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"]))
    if objective not in _LINKS or len(bases) != 1:
        raise CannotConvertError(f"XGBoost's objective {objective} has no conversion")
    weights = trained.get("weight_drop")
    trained = trained.get("gbtree", trained)
    if "model" not in trained or "trees" not in trained["model"]:
        raise CannotConvertError(f"XGBoost's booster {trained['name']} has no conversion")
    base = _base_of(learner, width)
    forest = Forest(width, _LINKS[objective], base=float(base), is_single=True)
    for place, document in enumerate(trained["model"]["trees"]):
        tree = _Tree(document) if weights is None else _Tree(document, base, np.float32(weights[place]))
        forest.add_tree(0, tree.read)
    return forest


def _base_of(learner: Mapping[str, Any], width: int) -> np.float32:
    """Return what the sum of the leaves begins with: XGBoost is asked for the margin of one tree that adds nothing.

    It stores a score, and how it makes a margin of that, to the last bit of a float32, only its own code knows.
    """
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"},
        "iteration_indptr": [0, 1],
        "tree_info": [0],
        "trees": [_STUMP | {"tree_param": _STUMP["tree_param"] | {"num_feature": str(width)}}],
    }
    alone = {**learner, "gradient_booster": {"name": "gbtree", "model": model}, "attributes": {}}
    version = list(map(int, xgboost.__version__.split(".")[:3]))
    booster.load_model(bytearray(json.dumps({"learner": alone, "version": version}).encode()))
    row: Matrix = np.zeros((1, width), dtype=np.float32)
    margin: Scores = booster.inplace_predict(row, predict_type="margin", validate_features=False)
    return np.float32(margin.ravel()[0])


class _Tree:
    """The nodes of a tree; `weight` is that of a tree of a dart.

    A dart adds `(base + leaf - base) * weight` in float32, which is not the leaf times the weight: the base takes away
    the leaf's last bits.
    """

    def __init__(
        self, tree: Mapping[str, Any], base: np.float32 | None = None, weight: np.float32 | None = None
    ) -> None:
        self._tree, self._base, self._weight = tree, base, weight
        self._thresholds = np.array(tree["split_conditions"], dtype=np.float32)
        parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
        self._members = {node: tree["categories"][start : start + size] for node, start, size in parts}

    def _leaf(self, node: int) -> Leaf:
        value: np.float32 = self._thresholds[node]
        if self._base is not None and self._weight is not None:
            value = (self._base + value - self._base) * self._weight
        return Leaf(float(value))

    def read(self, node: int) -> Leaf | TreeSplit[int]:
        tree = self._tree
        left, right = tree["left_children"][node], tree["right_children"][node]
        if left < 0:
            return self._leaf(node)
        feature, missing_left = tree["split_indices"][node], bool(tree["default_left"][node])
        if node in self._members:  # the categories that it lists go right
            members = [float(code) for code in self._members[node]]
            return TreeSplit(feature=feature, test="in", members=members, missing=not missing_left, yes=right, no=left)
        threshold = float(self._thresholds[node])
        return TreeSplit(feature=feature, test="<", threshold=threshold, missing=missing_left, yes=left, no=right)
