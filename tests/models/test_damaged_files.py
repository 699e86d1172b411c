"""A model's file whose parts don't fit each other is refused before its library has it; no damage kills or hangs it."""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress

import numpy as np
import pytest
import skops.io
from onnx import TensorProto, helper

from featurectl.core.errors import FeaturectlError
from featurectl.models.file_checks.check import check_structure
from featurectl.models.file_checks.estimator import check_estimator
from featurectl.models.file_checks.lightgbm import check_lightgbm
from featurectl.models.file_checks.ubjson import read_ubjson
from featurectl.models.file_checks.xgboost import check_xgboost, read_xgboost
from featurectl.models.isolation.limits import limits_of
from featurectl.models.isolation.process import load_remote, open_process
from tests.models.damaged import (
    SMALL,
    another_process,
    as_json,
    campaign,
    damages,
    load_libraries,
    try_file,
    whole_file,
    whole_form,
    with_sizes,
)
from tests.seeds import seeds_from

FORMS = [*SMALL, "xgboost.json", "xgboost.onnx", "forest.old"]
# A process that proves such files may die: the form of CatBoost's is told nowhere, and onnx infers types in C++.
MAY_DIE = ("catboost", "xgboost.onnx", "forest.old")
FEW = ["lightgbm", "xgboost", "xgboost.json", "xgboost.onnx"]


@pytest.fixture(scope="module")
def lightgbm_text():
    return whole_file("lightgbm")[1].decode()


@pytest.fixture(scope="module")
def xgboost_file():
    return whole_file("xgboost")[1]


def changed(text, line, value):
    """A text in which a number of the first tree is another, with the sizes of trees as they are then."""
    made = re.sub(rf"({line}=)-?[\d.]+", rf"\g<1>{value}", text, count=1)
    assert made != text
    return with_sizes(made.encode()).decode()


@pytest.mark.parametrize(
    ("line", "value", "told"),
    [
        ("left_child", 0, "a child of tree 0 is 0, of 1 to 6"),
        ("left_child", 999, "a child of tree 0 is 999, of 1 to 6"),
        ("left_child", -999, "a leaf of tree 0 is 998, of 0 to 7"),
        ("right_child", 3, r"node \d of tree 0 is a child twice"),
        ("split_feature", 2147483647, "an input of tree 0 is 2147483647, of 0 to 4"),
        ("num_leaves", 1000, "leaf_value of tree 0 has 8 numbers, of 1000"),
        ("cat_boundaries", 7, "cat_boundaries of tree 0 do not rise from 0"),
        ("decision_type", 99, "a decision_type of tree 0 is 99"),
        ("max_feature_idx", 0, "feature_names are not 1"),
        ("num_class", 3, "trees of 1 an iteration, for 3 classes"),
    ],
)
def test_a_tree_of_lightgbm_that_speaks_of_what_is_not_there_is_refused(lightgbm_text, line, value, told):
    check_lightgbm(lightgbm_text)
    with pytest.raises(ValueError, match=told):
        check_lightgbm(changed(lightgbm_text, line, value))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("tree_sizes=", "tree_sizes=\x16", "its tree_sizes are no numbers"),
        ("split_gain=", "split_gain}", "tree 0 has a line that gives no value to a name"),
    ],
)
def test_a_line_of_lightgbm_that_cannot_be_read_is_refused(lightgbm_text, before, after, told):
    with pytest.raises(ValueError, match=told):
        check_lightgbm(lightgbm_text.replace(before, after, 1))


@pytest.fixture(scope="module")
def pool():
    with another_process() as pool:
        yield pool


def test_a_parameter_that_lightgbm_does_not_know_does_not_end_the_process(pool):
    kind, content, matrix = whole_file("lightgbm")
    assert b"[fair_c:" in content
    pool.apply(load_libraries, (kind,))
    assert pool.apply(try_file, (kind, content.replace(b"[fair_c:", b"[fair_d:"), matrix)) == "done"


def test_a_histogram_tree_that_reads_a_missing_column_is_refused():
    _, content, _ = whole_file("histograms")
    estimator = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    check_estimator(estimator)
    estimator._predictors[0][0].nodes["feature_idx"][0] = 4_096  # noqa: SLF001  # damages what scikit-learn wrote
    with pytest.raises(ValueError, match="an input of a tree is 4096, of 0 to 4"):
        check_estimator(estimator)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("left_children", 0, "a child of tree 0 is 0"),
        ("left_children", 10**9, "a child of tree 0 is 1000000000"),
        ("right_children", 1, "node 1 of tree 0 is a child twice"),
        ("split_indices", 70000, "an input of tree 0 is 70000, of 0 to 4"),
        ("split_indices", -1, "an input of tree 0 is -1"),
        ("split_indices", 0.5, "split_indices of tree 0 are no whole numbers"),
        ("parents", 5, "the parents of tree 0 are not those"),
    ],
)
def test_a_tree_of_xgboost_that_speaks_of_what_is_not_there_is_refused(xgboost_file, name, value, told):
    document = json.loads(as_json(xgboost_file))
    check_xgboost(document)
    document["learner"]["gradient_booster"]["model"]["trees"][0][name][0] = value
    with pytest.raises(ValueError, match=told):
        check_xgboost(read_xgboost(json.dumps(document).encode()))


@pytest.mark.parametrize("ids", [[0, 1, 1], [0, 2, 1.5], [1, 2, 3], [-1, 0, 1]])
def test_a_place_of_xgboosts_forest_that_has_no_tree_or_two_is_refused(xgboost_file, ids):
    document = json.loads(as_json(xgboost_file))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    for tree, place in zip(trees, ids, strict=True):
        tree["id"] = place
    with pytest.raises(ValueError, match="the ids of"):
        check_xgboost(read_xgboost(json.dumps(document).encode()))
    for tree, place in zip(trees, [2, 0, 1], strict=True):
        tree["id"] = place
    check_xgboost(document)


def plain(value):
    """A document without numpy, and numbers that JSON writes as integers alike."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [plain(item) for item in value]
    return round(float(value), 4) if isinstance(value, (int, float)) else value


def test_ubjson_is_read_as_the_same_document_in_json(xgboost_file):
    of_ubj, of_json = read_ubjson(xgboost_file), json.loads(as_json(xgboost_file))
    of_ubj.pop("version"), of_json.pop("version")
    trees = [d["learner"]["gradient_booster"]["model"]["trees"] for d in (of_ubj, of_json)]
    for one, other in zip(*trees, strict=True):
        for name in ("left_children", "right_children", "split_indices", "parents", "default_left", "categories"):
            assert plain(one[name]) == plain(other[name])
        np.testing.assert_allclose(one["split_conditions"], other["split_conditions"], rtol=1e-6, atol=1e-40)
    assert plain(of_ubj["learner"]["learner_model_param"]) == plain(of_json["learner"]["learner_model_param"])


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"{L" + b"\xff" * 20, b"[$d#L" + b"\x7f" * 8, b"Zrest"])
def test_what_is_no_ubjson_is_refused(content):
    with pytest.raises(ValueError, match=r"no UBJSON|cut off|deeper|after its end"):
        read_ubjson(content)


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


def large_for_some_rows():
    """A graph that makes as many values as the first number of a row says."""
    cast = helper.make_node("Cast", ["x0"], ["n"], to=TensorProto.INT64)
    flat = helper.make_node("Reshape", ["n", "one"], ["shape"])
    one = helper.make_node("Constant", [], ["one"], value=helper.make_tensor("t", TensorProto.INT64, [1], [-1]))
    return graph_of(cast, one, flat, helper.make_node("ConstantOfShape", ["shape"], ["y"]))


def by_chance():
    """A graph that gives a row another score each time."""
    return graph_of(helper.make_node("RandomNormalLike", ["x0"], ["y"]))


def by_dropping_out():
    """A graph that leaves numbers out by chance, as while a model is trained."""
    ratio = helper.make_node("Constant", [], ["r"], value=helper.make_tensor("r", TensorProto.FLOAT, [], [0.5]))
    yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True]))
    return graph_of(ratio, yes, helper.make_node("Dropout", ["x0", "r", "yes"], ["y"]))


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


@pytest.mark.parametrize("content", TENSORS_ELSEWHERE.values(), ids=TENSORS_ELSEWHERE)
def test_a_graph_with_tensors_in_other_files_is_refused_wherever_they_are(content):
    with pytest.raises(ValueError, match="it keeps tensors in other files"):
        check_structure("onnx", content)


def as_large_as_its_rows():
    """A graph with a size that follows from how many rows there are: that is fine."""
    shape = helper.make_node("Shape", ["x0"], ["shape"])
    zeros = helper.make_node("ConstantOfShape", ["shape"], ["zeros"])
    return graph_of(shape, zeros, helper.make_node("Add", ["x0", "zeros"], ["y"]))


def inside(content, how="If"):
    import onnx

    body = onnx.load_from_string(content).graph
    del body.input[:]
    yes = helper.make_node("Constant", [], ["yes2"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True]))
    return graph_of(yes, helper.make_node(how, ["yes2"], ["y"], then_branch=body, else_branch=body))


@pytest.mark.parametrize("wrap", [lambda content: content, inside])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (endless_loop(), "it has a Loop, which may have no end"),
        (large_for_some_rows(), "is as large as the values of its rows say"),
        (by_chance(), "it has a RandomNormalLike: a row gets another score each time"),
        (by_dropping_out(), "it has a Dropout: a row gets another score each time"),
        (with_a_constant_elsewhere(), "it keeps tensors in other files"),
    ],
)
def test_a_graph_that_may_not_end_or_grows_with_a_rows_values_is_refused(content, told, wrap):
    with pytest.raises(ValueError, match=told):
        check_structure("onnx", wrap(content))
    check_structure("onnx", wrap(as_large_as_its_rows()))


def test_a_graph_with_operators_of_nobody_is_refused():
    """That is an error of its own kind in onnx."""
    trees = helper.make_node("TreeEnsemble", ["x0"], ["y"], domain="ai.onjx.ml")
    with pytest.raises(ValueError, match="its types don't fit each other"):
        check_structure("onnx", graph_of(trees))


@pytest.mark.parametrize("name", SMALL)
def test_files_as_libraries_write_them_are_taken(name):
    kind, content, _ = whole_file(name)
    check_structure(kind, content)


@pytest.mark.long
def test_files_that_were_damaged_end_no_process(pool):
    for name, found in campaign(FEW, range(15), pool).items():
        assert found.pop("whole: done") == 1, (name, found)
        assert set(found) <= {"seen", "refused", "done"}, (name, found)
        assert found["seen"] >= 3


@pytest.mark.stress
@pytest.mark.parametrize("name", FORMS)
def test_many_files_that_were_damaged_end_no_process(name, capsys):
    with another_process() as pool:
        (found,) = campaign([name], seeds_from(0, 2_000), pool).values()
    with capsys.disabled():
        print(f"\n{name}: {dict(found)}")  # noqa: T201  # for who runs it with -s
    assert found.pop("whole: done") == 1
    ends = {end.partition(" (seed ")[0] for end in found} - {"seen", "refused", "done"}
    if name not in MAY_DIE:
        assert ends == set()
        return
    assert all(end.startswith("killed") for end in ends), ends
    kind, content, matrix = whole_form(name)
    for seed in [int(end.partition(" (seed ")[2].rstrip(")")) for end in found if " (seed " in end]:
        draw = random.Random(seed)
        with open_process(limits_of(2 << 30)) as process, suppress(ValueError, FeaturectlError):
            model = load_remote(process, kind, draw.choice(damages(kind, content))(draw, content))
            model.predict(matrix)
