"""XGBoost's models, of UBJSON or JSON: trees of as many nodes as they say, that speak of inputs that there are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from featurectl.models.file_checks.trees import Integers, check_children, check_range, integers
from featurectl.models.file_checks.ubjson import read_ubjson

_MOST: Final = 1 << 31
_OF_NODES: Final = ("split_conditions", "sum_hessian", "loss_changes")
Document = Mapping[str, Any]


def read_xgboost(content: bytes) -> Document:
    """Return the document of a model in either form.

    Raises:
        ValueError: it is cut off, or neither.
    """
    try:
        found = json.loads(content, object_pairs_hook=_pairs) if is_json(content) else read_ubjson(content)
    except RecursionError as error:
        raise ValueError("it is too deep") from error
    if not isinstance(found, dict):
        raise ValueError("it is no model of XGBoost")  # noqa: TRY004 (as of any other text)
    return found


def is_json(content: bytes) -> bool:
    """Return whether a model is JSON: UBJSON goes on with the length of its first name."""
    start = content.lstrip()
    return start[:1] == b"{" and start[1:2] != b"L"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a name twice")
    return found


def check_xgboost(document: Document) -> None:
    """See that each tree has the nodes, inputs and categories that it speaks of.

    Raises:
        ValueError: one has not, or something is missing.
    """
    try:
        _check(document["learner"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no model of XGBoost: {str(error)[:80]}") from error


def _check(learner: Document) -> None:
    parameters = learner["learner_model_param"]
    features, classes, targets = (_number(parameters, name) for name in ("num_feature", "num_class", "num_target"))
    for name in ("feature_names", "feature_types"):
        if learner.get(name) and len(learner[name]) != features:
            raise ValueError(f"{name} are {len(learner[name])}, of {features}")
    groups, booster = max(classes, targets, 1), learner["gradient_booster"]
    if booster["name"] == "gblinear":
        _check_linear(booster["model"], features, groups)
        return
    model = booster.get("gbtree", booster)["model"]
    trees = model["trees"]
    if "weight_drop" in booster and len(booster["weight_drop"]) != len(trees):
        raise ValueError(f"it has {len(booster['weight_drop'])} weights of {len(trees)} trees")
    _check_forest(model, len(trees), groups)
    _check_places(trees)
    for number, tree in enumerate(trees):
        _check_tree(tree, features, f"tree {number}")
    _check_encoded(model.get("cats") or {}, features)


def _number(parameters: Document, name: str) -> int:
    text = str(parameters.get(name, "0"))
    if not (text.isascii() and text.isdigit() and int(text) < _MOST):
        raise ValueError(f"{name} is {text[:20]!r}")
    return int(text)


def _check_linear(model: Document, features: int, groups: int) -> None:
    if len(model["weights"]) != (features + 1) * groups:
        raise ValueError(f"it has {len(model['weights'])} weights, for {features} inputs and {groups} groups")


def _check_forest(model: Document, count: int, groups: int) -> None:
    if _number(model["gbtree_model_param"], "num_trees") != count:
        raise ValueError(f"it has {count} trees, its num_trees is {model['gbtree_model_param']['num_trees'][:20]}")
    info = integers(model["tree_info"], "tree_info")
    if len(info) != count:
        raise ValueError(f"tree_info has {len(info)} numbers, of {count} trees")
    check_range(info, 0, groups, "the group of a tree")
    ends = integers(model.get("iteration_indptr", []), "iteration_indptr")
    if len(ends) and (ends[0] != 0 or ends[-1] != count or (np.diff(ends) < 0).any()):
        raise ValueError(f"iteration_indptr does not rise from 0 to {count}")


def _check_places(trees: Sequence[Document]) -> None:
    """See that each place of the forest has one tree: XGBoost reads where a tree stands from its id."""
    places = integers([tree["id"] for tree in trees], "the ids of trees")
    if (np.sort(places) != np.arange(len(trees))).any():
        raise ValueError(f"the ids of its trees are not 0 to {len(trees) - 1}, each once")


def _check_tree(tree: Document, features: int, what: str) -> None:
    param = tree["tree_param"]
    nodes, size = _number(param, "num_nodes"), max(_number(param, "size_leaf_vector"), 1)
    left, right = (_of_nodes(tree, name, nodes, what) for name in ("left_children", "right_children"))
    if not nodes:
        raise ValueError(f"{what} has no nodes")
    for name in _OF_NODES:
        if len(tree[name]) != nodes:
            raise ValueError(f"{name} of {what} has {len(tree[name])} numbers, of {nodes}")
    if len(tree["base_weights"]) not in (nodes, nodes * size):
        raise ValueError(f"base_weights of {what} has {len(tree['base_weights'])} numbers, of {nodes * size}")
    inner = left != -1
    check_children(np.concatenate([left[inner], right[inner]]), nodes, what)
    if size > 1:
        check_range(right[~inner], 0, len(tree["leaf_weights"]) // size, f"a leaf of {what}")
    check_range(_of_nodes(tree, "split_indices", nodes, what)[inner], 0, max(features, 1), f"an input of {what}")
    parents, places = _of_nodes(tree, "parents", nodes, what), np.flatnonzero(inner)
    if (
        parents[0] not in (-1, _MOST - 1)
        or (parents[left[inner]] != places).any()
        or (parents[right[inner]] != places).any()
    ):
        raise ValueError(f"the parents of {what} are not those whose children they have")
    check_range(_of_nodes(tree, "default_left", nodes, what), 0, 2, f"a default_left of {what}")
    _check_categories(tree, nodes, inner, what)


def _of_nodes(tree: Document, name: str, nodes: int, what: str) -> Integers:
    found = integers(tree[name], f"{name} of {what}")
    if len(found) != nodes:
        raise ValueError(f"{name} of {what} has {len(found)} numbers, of {nodes}")
    return found


def _check_categories(tree: Document, nodes: int, inner: Any, what: str) -> None:
    names = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    members, at, starts, sizes = (integers(tree.get(name, []), f"{name} of {what}") for name in names)
    kinds = integers(tree.get("split_type", []), f"split_type of {what}")
    if not len(at) == len(starts) == len(sizes) or len(kinds) not in (0, nodes):
        raise ValueError(f"the categories of {what} are not of the same number of nodes")
    check_range(at, 0, nodes, f"a node with categories of {what}")
    check_range(kinds, 0, 2, f"a split_type of {what}")
    check_range(members, 0, 1 << 24, f"a category of {what}")
    for values in (starts, sizes):
        check_range(values, 0, len(members) + 1, f"a segment of categories of {what}")
    check_range(starts + sizes, 0, len(members) + 1, f"the end of categories of {what}")
    if (np.diff(at) <= 0).any():
        raise ValueError(f"categories_nodes of {what} do not rise")
    of_kind = np.flatnonzero(inner & (kinds == 1)) if len(kinds) else at[:0]
    if not np.isin(of_kind, at).all():
        raise ValueError(f"{what} has a split on categories that it does not list")


def _check_encoded(cats: Document, features: int) -> None:
    """See to the lists of categories that a model was trained with, where its file holds them."""
    ends = integers(cats.get("feature_segments", []), "feature_segments")
    order = integers(cats.get("sorted_idx", []), "sorted_idx")
    if not len(ends):
        if len(order) or len(cats.get("enc", [])):
            raise ValueError("its lists of categories belong to no input")
        return
    if len(ends) != features + 1 or ends[0] != 0 or ends[-1] != len(order) or (np.diff(ends) < 0).any():
        raise ValueError("feature_segments do not rise from 0 to the number of categories")
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        check_range(order[start:end], 0, end - start, "a place of a category")
