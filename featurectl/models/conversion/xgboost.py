"""XGBoost's boosters as forests."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from featurectl.models.conversion.graph import CannotConvertError, Forest, Leaf, Link, Split

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
    link = _LINKS[objective]
    forest = Forest(width, link, base=_margin(float(bases[0]), link), is_single=True)
    for place, tree in enumerate(trained["model"]["trees"]):
        leaves = _Tree(tree)
        forest.add_tree(0, leaves.read, 1.0 if weights is None else weights[place])
    return forest


def _margin(base: float, link: Link) -> float:
    """Return what the sum of the leaves begins with: `base_score` is a score."""
    if link == "sigmoid":
        return math.log(base / (1 - base))
    return math.log(base) if link == "exp" else base


class _Tree:
    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._tree = tree
        self._thresholds = np.array(tree["split_conditions"], dtype=np.float32)
        parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
        self._members = {node: tree["categories"][start : start + size] for node, start, size in parts}

    def read(self, node: int) -> Leaf | Split[int]:
        tree = self._tree
        left, right = tree["left_children"][node], tree["right_children"][node]
        if left < 0:
            return Leaf(float(self._thresholds[node]))
        feature, missing_left = tree["split_indices"][node], bool(tree["default_left"][node])
        if node in self._members:  # the categories that it lists go right
            members = [float(code) for code in self._members[node]]
            return Split(feature=feature, test="in", members=members, missing=not missing_left, yes=right, no=left)
        threshold = float(self._thresholds[node])
        return Split(feature=feature, test="<", threshold=threshold, missing=missing_left, yes=left, no=right)
