"""CatBoost's models as forests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from featurectl.models.conversion.graph import CannotConvertError, Forest, Leaf, Link, TreeSplit
from featurectl.models.estimators.catboost import save_as

_LINKS: Final[Mapping[str, Link]] = {
    "RMSE": "identity",
    "MAE": "identity",
    "Quantile": "identity",
    "MAPE": "identity",
    "Huber": "identity",
    "Expectile": "identity",
    "Lq": "identity",
    "Poisson": "exp",
    "Tweedie": "exp",
    "Logloss": "sigmoid",
    "CrossEntropy": "sigmoid",
}
Splits = Sequence[Mapping[str, Any]]


def forest_of(content: bytes, width: int) -> Forest:
    """Return the trees of a model in CatBoost's format.

    Raises:
        CannotConvertError: it has more than one score a row, trees that are not symmetric, or an unknown loss.
    """
    import catboost

    dumped = json.loads(save_as(catboost.CatBoost().load_model(blob=content), "json"))
    loss = dumped["model_info"]["params"]["loss_function"]["type"]
    scale, bases = dumped["scale_and_bias"]
    if loss not in _LINKS or len(bases) != 1:
        raise CannotConvertError(f"CatBoost's loss {loss} has no conversion")
    if "oblivious_trees" not in dumped:
        raise CannotConvertError("CatBoost's trees that are not symmetric have no conversion")
    features = dumped["features_info"].get("float_features", [])
    forest = Forest(width, _LINKS[loss], base=bases[0])
    for tree in dumped["oblivious_trees"]:
        forest.add_tree((len(tree["splits"] or []), 0), _Tree(tree, features).read, scale)
    return forest


class _Tree:
    """A table of leaves: bit i of a leaf's number is whether split i passes. A key is (splits to go, bits so far)."""

    def __init__(self, tree: Mapping[str, Any], features: Sequence[Mapping[str, Any]]) -> None:
        self._splits: Splits = tree["splits"] or []
        self._leaves, self._features = tree["leaf_values"], features

    def read(self, key: tuple[int, int]) -> Leaf | TreeSplit[tuple[int, int]]:
        left, bits = key
        if not left:
            return Leaf(self._leaves[bits])
        split = self._splits[left - 1]
        if split["split_type"] != "FloatFeature":
            raise CannotConvertError(f"CatBoost's split on {split['split_type']} has no conversion")
        feature = self._features[split["float_feature_index"]]
        return TreeSplit(
            feature=feature["flat_feature_index"],
            test=">",
            threshold=float(np.float32(split["border"])),
            missing=feature["nan_value_treatment"] == "AsTrue",
            yes=(left - 1, bits | 1 << (left - 1)),
            no=(left - 1, bits),
        )
