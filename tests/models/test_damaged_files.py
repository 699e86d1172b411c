"""A damaged file of a model is refused, or ends the process that reads it, and never the one that asked."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import skops.io
from onnx import TensorProto, helper

from featurectl.core.errors import UsageError
from featurectl.models.conversion.external_onnx import normal_onnx
from featurectl.models.isolation.limits import ProcessLimits
from featurectl.models.runtimes.all_runtimes import load_runtime
from tests.models.damaged import SMALL, as_json, campaign, end_of, whole_file, with_sizes
from tests.seeds import seeds_from

FORMS = [*SMALL, "xgboost.json", "xgboost.onnx", "forest.old"]
LIMITS = ProcessLimits(seconds=20)
ENDS = {"taken", "refused", "FC530", "FC531"}


def lightgbm_with(line, value):
    """A text in which a number of the first tree is another, with the sizes of trees as they are then."""
    _, content, matrix = whole_file("lightgbm")
    made = re.sub(rf"({line}=)-?[\d.]+".encode(), rf"\g<1>{value}".encode(), content, count=1)
    assert made != content
    return "txt", with_sizes(made), matrix


def xgboost_with(name, value):
    """A document in which a number of the first tree is another."""
    kind, content, matrix = whole_file("xgboost")
    document = json.loads(as_json(content))
    document["learner"]["gradient_booster"]["model"]["trees"][0][name][0] = value
    return kind, json.dumps(document).encode(), matrix


def histograms_with_a_missing_column():
    kind, content, matrix = whole_file("histograms")
    estimator = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    estimator._predictors[0][0].nodes["feature_idx"][0] = 1 << 30  # noqa: SLF001  # damages what scikit-learn wrote
    return kind, skops.io.dumps(estimator), matrix


def graph_of(*nodes, inputs=1):
    value = helper.make_tensor_value_info
    given = [value(f"x{i}", TensorProto.FLOAT, [None, 2]) for i in range(inputs)]
    graph = helper.make_graph(list(nodes), "g", given, [value("y", TensorProto.FLOAT, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def endless_loop():
    """A graph that goes on as long as its condition holds, which it always does."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["w"])], "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []),
         value("v", TensorProto.FLOAT, [None, 2])],
        [value("on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, [None, 2])],
    )  # fmt: skip
    true = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True]))
    return graph_of(true, helper.make_node("Loop", ["", "yes", "x0"], ["y"], body=body))


def by_chance():
    """A graph that gives a row another score each time."""
    return graph_of(helper.make_node("RandomNormalLike", ["x0"], ["y"]))


def elsewhere(kind=TensorProto.FLOAT):
    """A tensor whose values are the bytes of a file that it names."""
    tensor = helper.make_tensor("t", kind, [2], bytes(8 if kind == TensorProto.FLOAT else 16), raw=True)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def with_a_constant_elsewhere(**constant):
    """A graph whose constant is the bytes of a file that it names."""
    constant = constant or {"value": elsewhere()}
    return graph_of(helper.make_node("Constant", [], ["c"], **constant), helper.make_node("Add", ["x0", "c"], ["y"]))


def sparse_elsewhere():
    return helper.make_sparse_tensor(elsewhere(), helper.make_tensor("i", TensorProto.INT64, [2], [0, 1]), [2])


def places_elsewhere():
    values = helper.make_tensor("v", TensorProto.FLOAT, [2], [1.0, 2.0])
    return helper.make_sparse_tensor(values, elsewhere(TensorProto.INT64), [2])


def with_its_own(change):
    """A graph to which something more was added."""
    import onnx

    model = onnx.load_from_string(graph_of(helper.make_node("Add", ["x0", "x0"], ["y"])))
    change(model)
    return model.SerializeToString()


def in_a_function(model):
    constant = helper.make_node("Constant", [], ["c"], value=elsewhere())
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [constant], opset))


DAMAGED = {
    "a child that is its own parent": (lambda: lightgbm_with("left_child", 0), "FC531"),
    "a child that is not there": (lambda: lightgbm_with("right_child", 999_999_999), "FC530"),
    "an input that is not there": (lambda: lightgbm_with("split_feature", 2_147_483_647), "FC530"),
    "more leaves than values": (lambda: lightgbm_with("num_leaves", 1_000), "FC530"),
    "a node of XGBoost that is not there": (lambda: xgboost_with("left_children", 10**9), "FC530"),
    "a node of XGBoost that is its own child": (lambda: xgboost_with("left_children", 0), "FC530"),
    "an input of XGBoost that is not there": (lambda: xgboost_with("split_indices", 10**9), "FC530"),
    "a histogram's input that is not there": (histograms_with_a_missing_column, "FC530"),
    "a loop without an end": (lambda: ("onnx", endless_loop(), np.zeros((3, 2), dtype=np.float32)), "FC531"),
    "scores by chance": (lambda: ("onnx", by_chance(), np.zeros((3, 2), dtype=np.float32)), "refused"),
}
TENSORS_ELSEWHERE = {
    "constant": with_a_constant_elsewhere(),
    "sparse constant": with_a_constant_elsewhere(sparse_value=sparse_elsewhere()),
    "places of a sparse constant": with_a_constant_elsewhere(sparse_value=places_elsewhere()),
    "initializer": with_its_own(lambda model: model.graph.initializer.append(elsewhere())),
    "sparse initializer": with_its_own(lambda model: model.graph.sparse_initializer.append(sparse_elsewhere())),
    "places of one": with_its_own(lambda model: model.graph.sparse_initializer.append(places_elsewhere())),
    "function": with_its_own(in_a_function),
    "training": with_its_own(lambda model: model.training_info.add().algorithm.initializer.append(elsewhere())),
}


@pytest.mark.parametrize(("make", "end"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_ends_no_process_but_its_own(make, end):
    assert end_of(*make(), ProcessLimits(seconds=3 if end == "FC531" else 60)) == end


@pytest.mark.parametrize("content", TENSORS_ELSEWHERE.values(), ids=TENSORS_ELSEWHERE)
def test_a_graph_with_tensors_in_other_files_is_refused(content):
    with pytest.raises(UsageError, match="keeps tensors in other files"):
        normal_onnx(content, 2)


def test_a_parameter_that_lightgbm_does_not_know_changes_nothing():
    kind, content, matrix = whole_file("lightgbm")
    assert b"[fair_c:" in content
    newer = load_runtime(kind, content.replace(b"[fair_c:", b"[fair_d:"), allow_pickle=False)
    assert (newer.predict(matrix) == load_runtime(kind, content, allow_pickle=False).predict(matrix)).all()


@pytest.mark.long
@pytest.mark.parametrize("name", FORMS)
def test_files_that_were_damaged_at_random_are_taken_or_refused(name):
    found = campaign(name, range(5), LIMITS)
    assert found.pop("whole: taken") == 1
    assert set(found) <= ENDS


@pytest.mark.stress
@pytest.mark.parametrize("name", FORMS)
def test_many_files_that_were_damaged_at_random_are_taken_or_refused(name, capsys):
    found = campaign(name, seeds_from(0, 200), LIMITS)
    with capsys.disabled():
        print(f"\n{name}: {dict(found)}")  # noqa: T201  # for who runs it with -s
    assert found.pop("whole: taken") == 1
    assert set(found) <= ENDS
