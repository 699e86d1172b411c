"""LightGBM's boosters as forests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from featurectl.models.conversion.graph import CannotConvertError, Forest, Leaf, Link, TreeSplit
from featurectl.models.runtimes.lightgbm import without_parameters

_LINKS: Final[Mapping[str, Link]] = {
    "": "identity",
    "custom": "identity",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
}
_INFINITE: Final = 1e300  # how LightGBM's JSON writes infinity, the threshold between numbers and NaN
_ZERO: Final = 1.0000000180025095e-35  # as float32, 1e-35: the border that it draws about 0
LightGbmNode = Mapping[str, Any]


def forest_of(content: bytes, width: int) -> Forest:
    """Return the trees of a model in LightGBM's text format.

    Raises:
        CannotConvertError: it has more than one score a row, an objective that is not known, or zeros that are missing.
    """
    import lightgbm

    dumped = lightgbm.Booster(model_str=without_parameters(content.decode())).dump_model()
    objective, *words = str(dumped.get("objective", "")).split()
    if dumped["num_tree_per_iteration"] != 1 or objective not in _LINKS:
        raise CannotConvertError(f"LightGBM's objective {objective} has no conversion")
    trees = [item["tree_structure"] for item in dumped["tree_info"]]
    factor = 1 / len(trees) if dumped.get("average_output") else 1.0
    for word in words:
        name, _, value = word.partition(":")
        factor *= float(value) if name == "sigmoid" and objective == "binary" else 1.0
    forest = Forest(width, "signed_square" if "sqrt" in words else _LINKS[objective])
    for tree in trees:
        nodes = _Nodes()
        forest.add_tree(nodes.key(tree), nodes.read, factor)
    return forest


class _Nodes:
    """The nodes of a tree, by keys: they are nested in each other."""

    def __init__(self) -> None:
        self._known: list[LightGbmNode] = []

    def key(self, node: LightGbmNode) -> int:
        self._known.append(node)
        return len(self._known) - 1

    def read(self, key: int) -> Leaf | TreeSplit[int]:
        node = self._known[key]
        if "split_feature" not in node:
            if "leaf_coeff" in node:
                raise CannotConvertError("LightGBM's linear trees have no conversion")
            return Leaf(node["leaf_value"])
        yes, no = self.key(node["left_child"]), self.key(node["right_child"])
        feature, threshold = node["split_feature"], node["threshold"]
        if node["decision_type"] == "==":
            members = [float(code) for code in str(threshold).split("||")]
            return TreeSplit(feature=feature, test="in", members=members, missing=False, yes=yes, no=no)
        if node["missing_type"] == "Zero":
            raise CannotConvertError("LightGBM's zero_as_missing has no conversion")
        threshold = float("inf") if threshold >= _INFINITE else threshold
        # LightGBM takes all that is not beyond 1e-35 for 0: the value at the lower end of that, too, is above it.
        threshold = math.nextafter(threshold, -math.inf) if threshold == -_ZERO else threshold
        # Trained without a NaN, LightGBM takes one for 0.
        missing = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
        return TreeSplit(feature=feature, test="<=", threshold=threshold, missing=missing, yes=yes, no=no)
