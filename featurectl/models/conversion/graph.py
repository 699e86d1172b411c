"""Trees of any library as one ONNX graph that compares and adds as the library does.

Thresholds and sums are doubles, as in most libraries: a converter that rounds thresholds to float32 sends values at a
threshold to the other side. XGBoost's are float32, and so are its sums, which begin with the base.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np

MOST_SPLITS: Final = 1_000_000
OPSET, TREE_OPSET, IR_VERSION = 21, 5, 10
Link = Literal["identity", "sigmoid", "exp", "signed_square"]
Test = Literal["<=", "<", ">", "in"]
_MODES: Final[Mapping[Test, int]] = {"<=": 0, "<": 1, ">": 3, "in": 6}
NodeKey = TypeVar("NodeKey", bound=Hashable)


class CannotConvertError(Exception):
    """Why a model has no ONNX form; the native file serves."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a path: what it adds."""

    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSplit(Generic[NodeKey]):
    """A node: `feature` is tested against `threshold` or `members`; `missing` says whether NaN passes the test.

    `members` are whole numbers, and so are the values of a feature that is tested against them, or NaN: ONNX Runtime
    cuts fractions off.
    """

    feature: int
    test: Test
    threshold: float = 0.0
    members: Sequence[float] = ()
    missing: bool
    yes: NodeKey
    no: NodeKey


@dataclass(slots=True)
class _Node:
    feature: int
    mode: int
    threshold: float
    members: Sequence[float]
    missing: bool
    yes: tuple[int, bool] = (0, False)  # index of a node, or of a leaf
    no: tuple[int, bool] = (0, False)


@dataclass(slots=True)
class Forest:
    """Trees whose leaves are added up, and what happens to the sum; `is_single`: in float32, else in doubles."""

    width: int
    link: Link = "identity"
    base: float = 0.0
    is_single: bool = False
    _nodes: list[_Node] = field(default_factory=list)
    _leaves: list[float] = field(default_factory=list)
    _roots: list[int] = field(default_factory=list)

    def add_tree(self, root: NodeKey, read: Callable[[NodeKey], Leaf | TreeSplit[NodeKey]], scale: float = 1.0) -> None:
        """Add a tree whose nodes `read` returns by their keys; its leaves count `scale` times.

        Raises:
            CannotConvertError: there are too many splits.
        """
        first = read(root)
        if isinstance(first, Leaf):
            self._add_leaf(first.value * scale)
            return
        self._roots.append(len(self._nodes))
        waiting = [self._put(first)]
        while waiting:
            node, split = waiting.pop()
            ends = []
            for key in (split.yes, split.no):
                child = read(key)
                if isinstance(child, Leaf):
                    ends.append((len(self._leaves), True))
                    self._leaves.append(child.value * scale)
                else:
                    ends.append((len(self._nodes), False))
                    waiting.append(self._put(child))
            node.yes, node.no = ends

    def _add_leaf(self, value: float) -> None:
        """Add a tree that is a leaf: to the base, or where sums are of float32 in its turn, as a tree."""
        if self.is_single:
            self._put_stump(len(self._roots), value)
        else:
            self.base += value

    def _put(self, split: TreeSplit[NodeKey]) -> tuple[_Node, TreeSplit[NodeKey]]:
        if len(self._nodes) >= MOST_SPLITS:
            raise CannotConvertError(f"its trees have more than {MOST_SPLITS:,} splits")
        node = _Node(split.feature, _MODES[split.test], split.threshold, split.members, split.missing)
        self._nodes.append(node)
        return node, split

    def to_onnx(self) -> bytes:
        """Return the model."""
        if self.is_single or not self._nodes:
            self._put_base_first()
        nodes, tensors = self._single_nodes() if self.is_single else self._double_nodes()
        return whole_model([*nodes, *link_nodes(self.link)], tensors, self.width)

    def _double_nodes(self) -> tuple[list[Any], list[Any]]:
        from onnx import TensorProto, helper

        cast = helper.make_node("Cast", ["matrix"], ["exact"], to=TensorProto.DOUBLE)
        add = helper.make_node("Add", ["sum", "base"], ["raw"])
        return [cast, self._trees("exact"), add], [helper.make_tensor("base", TensorProto.DOUBLE, [1], [self.base])]

    def _single_nodes(self) -> tuple[list[Any], list[Any]]:
        from onnx import TensorProto, helper

        cast = helper.make_node("Cast", ["sum"], ["raw"], to=TensorProto.DOUBLE)
        return [self._trees("matrix"), cast], []

    def _put_base_first(self) -> None:
        """Make the base the first tree: float32 sums depend on the order. A forest of leaves alone gets a tree, too."""
        self._put_stump(0, self.base)
        self.base = 0.0

    def _put_stump(self, place: int, value: float) -> None:
        """Put a tree that gives one value, among the others: a split with that leaf on both sides."""
        leaf = (len(self._leaves), True)
        self._leaves.append(value)
        self._roots.insert(place, len(self._nodes))
        self._nodes.append(_Node(0, _MODES["<"], 0.0, (), missing=False, yes=leaf, no=leaf))

    def _trees(self, source: str) -> Any:
        from onnx import helper

        return helper.make_node("TreeEnsemble", [source], ["sum"], domain="ai.onnx.ml", **self._attributes())

    def _attributes(self) -> dict[str, Any]:
        from onnx import numpy_helper

        nodes, number = self._nodes, np.float32 if self.is_single else np.float64
        members = [[*node.members, float("nan")] for node in nodes if node.mode == _MODES["in"]]
        listed: dict[str, Any] = {
            "tree_roots": self._roots,
            "nodes_featureids": [node.feature for node in nodes],
            "nodes_missing_value_tracks_true": [int(node.missing) for node in nodes],
            "nodes_truenodeids": [node.yes[0] for node in nodes],
            "nodes_trueleafs": [int(node.yes[1]) for node in nodes],
            "nodes_falsenodeids": [node.no[0] for node in nodes],
            "nodes_falseleafs": [int(node.no[1]) for node in nodes],
            "leaf_targetids": [0] * len(self._leaves),
            "n_targets": 1,
        }
        tensors: dict[str, np.ndarray[Any, Any]] = {
            "nodes_modes": np.array([node.mode for node in nodes], dtype=np.uint8),
            "nodes_splits": np.array([node.threshold for node in nodes], dtype=number),
            "leaf_weights": np.array(self._leaves, dtype=number),
        }
        if members:
            tensors["membership_values"] = np.array([value for row in members for value in row], dtype=number)
        return listed | {name: numpy_helper.from_array(values, name) for name, values in tensors.items()}


def link_nodes(link: Link) -> list[Any]:
    """Return the nodes from `raw` to `score`."""
    from onnx import helper

    match link:
        case "identity":
            return [helper.make_node("Identity", ["raw"], ["score"])]
        case "sigmoid":
            return [helper.make_node("Sigmoid", ["raw"], ["score"])]
        case "exp":
            return [helper.make_node("Exp", ["raw"], ["score"])]
        case "signed_square":
            size = helper.make_node("Abs", ["raw"], ["size"])
            return [size, helper.make_node("Mul", ["raw", "size"], ["score"])]


def whole_model(nodes: Sequence[Any], tensors: Sequence[Any], width: int) -> bytes:
    """Return a model from `matrix` to `score` as bytes."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        nodes,
        "featurectl",
        [helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("score", TensorProto.DOUBLE, [None, 1])],
        initializer=tensors,
    )
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
    made = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="featurectl")
    return bytes(made.SerializeToString(deterministic=True))
