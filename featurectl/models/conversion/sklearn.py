"""scikit-learn's estimators: trees as forests, anything else by skl2onnx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from featurectl.models.conversion.graph import IR_VERSION, CannotConvertError, Forest, Leaf, Link, TreeSplit

ReadNode = Callable[[int], Leaf | TreeSplit[int]]


def convert_sklearn(estimator: Any, width: int) -> bytes:
    """Return a fitted estimator as ONNX.

    Raises:
        CannotConvertError: there is no conversion, or one that rounds what is compared with thresholds.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is not None and len(classes) != 2:
        raise CannotConvertError(f"a classifier of {len(classes)} classes has no conversion")
    kind = type(estimator).__name__
    if kind.startswith("HistGradientBoosting"):
        return _histogram_forest(estimator, width).to_onnx()
    if kind.startswith("GradientBoosting"):
        return _boosted_forest(estimator, width).to_onnx()
    if kind.startswith(("DecisionTree", "ExtraTree", "RandomForest")):
        trees = getattr(estimator, "estimators_", [estimator])
        forest = Forest(width)
        for tree in trees:
            forest.add_tree(0, _reader(tree.tree_, is_classifier=classes is not None), 1 / len(trees))
        return forest.to_onnx()
    return _by_skl2onnx(estimator, width, is_classifier=classes is not None)


def _reader(tree: Any, *, is_classifier: bool) -> ReadNode:
    left, right, feature, threshold = tree.children_left, tree.children_right, tree.feature, tree.threshold
    values, missing = tree.value[:, 0, :], tree.missing_go_to_left
    if tree.n_outputs != 1:
        raise CannotConvertError("more than one output has no conversion")
    scores = values[:, 1] / values.sum(axis=1) if is_classifier else values[:, 0]

    def read(node: int) -> Leaf | TreeSplit[int]:
        if left[node] < 0:
            return Leaf(float(scores[node]))
        return TreeSplit(
            feature=int(feature[node]),
            test="<=",
            threshold=float(threshold[node]),
            missing=bool(missing[node]),
            yes=int(left[node]),
            no=int(right[node]),
        )

    return read


def _boosted_forest(estimator: Any, width: int) -> Forest:
    if estimator.init is not None:
        raise CannotConvertError("gradient boosting from another estimator's scores has no conversion")
    links: dict[str, tuple[Link, float]] = {"log_loss": ("sigmoid", 1.0), "exponential": ("sigmoid", 2.0)}
    link, factor = links.get(estimator.loss, ("identity", 1.0))
    base = estimator._raw_predict_init(np.zeros((1, width), dtype=np.float32))  # noqa: SLF001 (no public way)
    forest = Forest(width, link, base=float(base.ravel()[0]) * factor)
    for tree in estimator.estimators_[:, 0]:
        forest.add_tree(0, _reader(tree.tree_, is_classifier=False), estimator.learning_rate * factor)
    return forest


def _histogram_forest(estimator: Any, width: int) -> Forest:
    links: dict[str, Link] = {"log_loss": "sigmoid", "poisson": "exp", "gamma": "exp"}
    base = float(np.ravel(estimator._baseline_prediction)[0])  # noqa: SLF001 (no public way)
    forest = Forest(width, links.get(estimator.loss, "identity"), base=base)
    for (predictor,) in estimator._predictors:  # noqa: SLF001 (no public way)
        if predictor.nodes["is_categorical"].any():
            raise CannotConvertError("scikit-learn's splits on categories have no conversion")
        forest.add_tree(0, _histogram_reader(predictor.nodes))
    return forest


def _histogram_reader(nodes: Any) -> ReadNode:
    def read(place: int) -> Leaf | TreeSplit[int]:
        node = nodes[place]
        if node["is_leaf"]:
            return Leaf(float(node["value"]))
        return TreeSplit(
            feature=int(node["feature_idx"]),
            test="<=",
            threshold=float(node["num_threshold"]),
            missing=bool(node["missing_go_to_left"]),
            yes=int(node["left"]),
            no=int(node["right"]),
        )

    return read


def _by_skl2onnx(estimator: Any, width: int, *, is_classifier: bool) -> bytes:
    try:
        from skl2onnx import convert_sklearn as convert
        from skl2onnx.common.data_types import FloatTensorType
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise CannotConvertError("skl2onnx is not installed") from error
    has_proba = is_classifier and hasattr(estimator, "predict_proba")
    if is_classifier and not has_proba:
        raise CannotConvertError("a classifier without probabilities has no conversion")
    options: dict[Any, Any] = {
        StandardScaler: {"div": "div"}
    }  # as scikit-learn: its own operator multiplies, in one step
    if has_proba:
        options[id(estimator)] = {"zipmap": False}
    try:
        made = convert(estimator, initial_types=[("matrix", FloatTensorType([None, width]))], options=options)
    except Exception as error:  # skl2onnx raises whatever it meets
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CannotConvertError(f"skl2onnx can't convert it: {line}") from error
    if any(node.op_type.startswith("TreeEnsemble") for node in made.graph.node):
        raise CannotConvertError("trees behind other steps: what they compare is rounded otherwise in ONNX")
    return _with_score(made, "probabilities" if has_proba else made.graph.output[0].name, is_binary=has_proba)


def _with_score(made: Any, output: str, *, is_binary: bool) -> bytes:
    """Return a model with the one output `score`."""
    from onnx import TensorProto, helper

    graph, source = made.graph, output
    if is_binary:
        graph.initializer.append(helper.make_tensor("positive", TensorProto.INT64, [1], [1]))
        graph.node.append(helper.make_node("Gather", [output, "positive"], ["second"], axis=1))
        source = "second"
    graph.node.append(helper.make_node("Cast", [source], ["score"], to=TensorProto.DOUBLE))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.DOUBLE, [None, 1]))
    made.ir_version = min(made.ir_version, IR_VERSION)
    return bytes(made.SerializeToString(deterministic=True))
