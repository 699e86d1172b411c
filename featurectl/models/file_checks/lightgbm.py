"""LightGBM's text: a head, trees of as many numbers as they say, and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from featurectl.models.file_checks.trees import Integers, check_children, check_range

MOST_FEATURES: Final = 10_000_000
_INTEGERS: Final = re.compile(r"-?\d{1,18}(?: -?\d{1,18})*", re.ASCII)
_FLOAT: Final = r"-?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf|nan)"
_FLOATS: Final = re.compile(rf"{_FLOAT}(?: +{_FLOAT})* *", re.ASCII)
_CLASSES: Final = re.compile(r"num_class:(\d+)", re.ASCII)
_OF_LEAVES: Final = ("leaf_value",)
_OF_LEAVES_OR_NONE: Final = ("leaf_weight", "leaf_count", "leaf_const")
_OF_SPLITS: Final = ("threshold",)
_OF_SPLITS_OR_NONE: Final = ("split_gain", "internal_value", "internal_weight", "internal_count")
_ONCE: Final = ("end of trees", "parameters:", "end of parameters", "pandas_categorical:")
_FLAGS: Final = ("tree", "average_output")
Lines = Mapping[str, str]


def check_lightgbm(text: str) -> None:
    """See that trees lie where the head says, and that each has the nodes, inputs and categories that it speaks of.

    Raises:
        ValueError: they do not, or there are none.
    """
    sections = check_places(text)
    _check_parameters(text)
    head = _lines(text.partition("\nTree=")[0], "its head")
    features = 1 + _number(head, "max_feature_idx", 0, MOST_FEATURES, "its head")
    classes = _number(head, "num_class", 1, MOST_FEATURES, "its head")
    each = _number(head, "num_tree_per_iteration", 1, MOST_FEATURES, "its head") if _has(head) else classes
    classes_line = _CLASSES.search(head.get("objective", ""))
    if each != classes or (classes_line and int(classes_line[1]) != classes) or len(sections) % each:
        raise ValueError(f"it has {len(sections)} trees of {each} an iteration, for {classes} classes")
    for name in ("feature_names", "feature_infos"):
        if name in head and len(head[name].split(" ")) != features:
            raise ValueError(f"{name} are not {features}, as its max_feature_idx says")
    for number, section in enumerate(sections):
        _check_tree(_lines(section, f"tree {number}"), features, f"tree {number}")


def _check_parameters(text: str) -> None:
    """See that each parameter stands there once: LightGBM dies over more of them than it knows."""
    lines = [line for line in text[text.find("\nend of trees") :].splitlines() if line.startswith("[")]
    names = [line.partition(":")[0] for line in lines]
    if len(set(names)) != len(names) or any(text.count(f"\n{mark}") > 1 for mark in _ONCE):
        raise ValueError("its parameters say something twice")


def without_parameters(text: str) -> str:
    """Return a model without its parameters: no score follows from them, and LightGBM dies over unknown ones."""
    before, mark, rest = text.partition("\nparameters:")
    _, end, after = rest.partition("\nend of parameters")
    return f"{before}{mark}{end}{after}" if end else text


def _has(head: Lines) -> bool:
    return "num_tree_per_iteration" in head


def check_places(text: str) -> list[str]:
    """Return the texts of the trees, which lie where the head says: LightGBM takes a file that was cut off.

    Raises:
        ValueError: they do not, or there are none.
    """
    head, mark, rest = text.partition("\nTree=")
    if not mark:
        raise ValueError("it has no trees")
    if "\nparameters:" in text and "\nend of parameters" not in text:  # the lists of categories come behind them
        raise ValueError("its parameters have no end: it is cut off, or was changed")
    tree_sizes = re.search(r"^tree_sizes=([\d ]*)$", head, re.MULTILINE | re.ASCII)
    if tree_sizes is None and "tree_sizes" in head:
        raise ValueError("its tree_sizes are no numbers")
    if tree_sizes is None:  # a version of long ago did not say it
        trees, end, after = rest.partition("\nend of trees")
        if not end or "Tree=" in after:
            raise ValueError("its trees have no end: it is cut off, or was changed")
        return trees.split("\nTree=")
    place, sizes, sections = len(head) + 1, [int(size) for size in tree_sizes[1].split()], []
    for number, size in enumerate(sizes):
        if not text.startswith(f"Tree={number}\n", place):
            raise ValueError(f"tree {number} of {len(sizes)} is not where its head says: it is cut off, or was changed")
        sections.append(text[place + len("Tree=") : place + size])
        place += size
    if not text.startswith("end of trees", place):
        raise ValueError("its trees do not end where its head says: it is cut off, or was changed")
    if not sections or text.count("Tree=") != len(sections):
        raise ValueError("its trees are not those that its head speaks of")
    return sections


def _lines(section: str, what: str) -> Lines:
    """Return the values of a section by their names.

    Raises:
        ValueError: a line has no name or stands twice.
    """
    lines = [line for line in section.splitlines()[1:] if line and line not in _FLAGS]
    pairs = [line.partition("=") for line in lines]
    if not all(mark for _, mark, _ in pairs):
        raise ValueError(f"{what} has a line that gives no value to a name")
    found = {name: value for name, _, value in pairs}
    if len(found) != len(pairs):
        raise ValueError(f"{what} says something twice")
    return found


def _check_tree(tree: Lines, features: int, what: str) -> None:
    leaves = _number(tree, "num_leaves", 1, MOST_FEATURES, what)
    splits = leaves - 1
    for names, count, must in (
        (_OF_LEAVES, leaves, True),
        (_OF_SPLITS, splits, True),
        (_OF_LEAVES_OR_NONE, leaves, False),
        (_OF_SPLITS_OR_NONE, splits, False),
    ):
        for name in names:
            _check_count(tree, name, count, what, must=must)
    left, right = (_integers(tree, name, splits, what) for name in ("left_child", "right_child"))
    children = np.concatenate([left, right])
    check_children(children[children >= 0], splits, what)
    check_range(~children[children < 0], 0, leaves, f"a leaf of {what}")
    check_range(_integers(tree, "split_feature", splits, what), 0, features, f"an input of {what}")
    kinds = _integers(tree, "decision_type", splits, what)
    check_range(kinds, 0, 12, f"a decision_type of {what}")
    _check_categories(tree, kinds, what)
    if not _FLOATS.fullmatch(tree.get("shrinkage", "1")):
        raise ValueError(f"shrinkage of {what} is no number")
    if tree.get("is_linear", "0") != "0":
        _check_linear(tree, leaves, features, what)


def _check_categories(tree: Lines, kinds: Integers, what: str) -> None:
    count, on_categories = _number(tree, "num_cat", 0, MOST_FEATURES, what), (kinds & 1) == 1
    if not on_categories.any() and not count:
        return
    bounds = _integers(tree, "cat_boundaries", count + 1, what)
    words = _integers(tree, "cat_threshold", int(bounds[-1]) if bounds[-1] < 1 << 40 else -1, what)
    if bounds[0] != 0 or (np.diff(bounds) < 0).any():
        raise ValueError(f"cat_boundaries of {what} do not rise from 0")
    check_range(words, 0, 1 << 32, f"a word of cat_threshold of {what}")
    sets = np.array(tree["threshold"].split(" "))[on_categories].tolist()
    if sets and not all(_INTEGERS.fullmatch(number) for number in sets):
        raise ValueError(f"{what} has a set of categories that is no whole number")
    check_range(np.array(sets, dtype=np.int64), 0, count, f"a set of categories of {what}")


def _check_linear(tree: Lines, leaves: int, features: int, what: str) -> None:
    counts = _integers(tree, "num_features", leaves, what)
    check_range(counts, 0, features + 1, f"a leaf's num_features of {what}")
    _check_count(tree, "leaf_const", leaves, what, must=True)
    listed, parts = (tree.get(name, "").split() for name in ("leaf_features", "leaf_coeff"))
    if not len(listed) == len(parts) == counts.sum():
        raise ValueError(f"leaf_features and leaf_coeff of {what} are not as many as num_features says")
    if parts and not _FLOATS.fullmatch(" ".join(parts)):
        raise ValueError(f"leaf_coeff of {what} are no numbers")
    if listed:
        check_range(_parsed(" ".join(listed), "leaf_features", what), 0, features, f"an input of a leaf of {what}")


def _number(lines: Lines, name: str, least: int, end: int, what: str) -> int:
    text = lines.get(name, "")
    if not _INTEGERS.fullmatch(text) or " " in text or not least <= int(text) < end:
        raise ValueError(f"{name} of {what} is {text[:20]!r}, no number of {least} to {end - 1}")
    return int(text)


def _integers(lines: Lines, name: str, count: int, what: str) -> Integers:
    _check_count(lines, name, count, what, must=True)
    return _parsed(lines[name], name, what)


def _parsed(text: str, name: str, what: str) -> Integers:
    if text and not _INTEGERS.fullmatch(text):
        raise ValueError(f"{name} of {what} are no whole numbers")
    return np.array(text.split(), dtype=np.int64)


def _check_count(lines: Lines, name: str, count: int, what: str, *, must: bool) -> None:
    """See that a line has as many numbers as the tree has parts; one that need not be there may be empty."""
    text = lines.get(name, "")
    found = text.count(" ") + 1 if text else 0
    if found != count and (must or found):
        raise ValueError(f"{name} of {what} has {found} numbers, of {count}")
    if text and not _FLOATS.fullmatch(text):
        raise ValueError(f"{name} of {what} are no numbers")
