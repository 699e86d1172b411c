"""A model as ONNX gives the scores of the native one, at thresholds and with NaN, or is refused with a reason."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from featurectl.models.conversion.convert import _difference, convert_model
from featurectl.models.conversion.graph import Forest, Leaf, TreeSplit
from featurectl.models.runtimes.onnx import Onnx
from featurectl.models.scores import worst_difference
from tests.models.estimators import (
    CATBOOST,
    CATEGORY,
    LIGHTGBM,
    NAN_REFUSED,
    NAN_TAKEN,
    XGBOOST,
    fitted,
    label_of,
    matrix_of,
)
from tests.seeds import examples, seeds_from

CODES = 2  # the column of whole numbers, for sets

COUNTS = pytest.mark.parametrize("count", [1, pytest.param(5, marks=pytest.mark.stress)])
pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries


def check_equal(name, params, seed, *, train_holes, ask_holes):
    rng = np.random.default_rng(seed)
    matrix = matrix_of(rng, holes=train_holes)
    kind, content, native = fitted(name, params, matrix, label_of(rng, matrix, name))
    made = convert_model(kind, content, native, matrix, [CATEGORY])
    assert made.missing == ""
    asked = np.vstack([matrix, matrix_of(np.random.default_rng(seed), 1000, holes=ask_holes)])
    assert worst_difference(Onnx(made.content).predict(asked), native.predict(asked)) is None
    one_by_one = [Onnx(made.content).predict(asked[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(one_by_one, native.predict(asked)[:5], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "params"), NAN_TAKEN)
@pytest.mark.parametrize("train_holes", [True, False])
@COUNTS
@pytest.mark.sample(16)
def test_a_converted_model_scores_as_the_library_does(name, params, train_holes, count):
    """Trained without a NaN, boosters score one all the same; scikit-learn's trees refuse it."""
    ask_holes = train_holes or not name.startswith("sklearn.") or "Hist" in name
    for seed in seeds_from(0, count):
        check_equal(name, params, seed, train_holes=train_holes, ask_holes=ask_holes)


@pytest.mark.parametrize(("name", "params"), NAN_REFUSED)
@COUNTS
def test_a_converted_estimator_scores_as_scikit_learn_does(name, params, count):
    for seed in seeds_from(0, count):
        check_equal(name, params, seed, train_holes=False, ask_holes=False)


def test_what_lightgbm_takes_for_zero_is_zero_as_onnx():
    """It draws a border at 1e-35 on both sides of 0, as float32, and takes the border itself for 0."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(2_000, 3)).astype(np.float32)
    matrix[::2] = 0.0
    kind, content, native = fitted("lightgbm.LGBMRegressor", LIGHTGBM, matrix, (matrix >= 0).sum(axis=1) + 0.0)
    assert b"-1.0000000180025095e-35" in content  # a threshold
    made = convert_model(kind, content, native, matrix, [])
    assert made.missing == ""
    border = np.float32(1e-35)
    beside = [np.nextafter(border, np.float32(1)), border, np.nextafter(border, np.float32(0)), np.float32(0)]
    asked = np.array([[x, y, y] for x in (*beside, *np.negative(beside)) for y in (-border, border)], dtype=np.float32)
    assert worst_difference(Onnx(made.content).predict(asked), native.predict(asked)) is None


def convert(name, params, matrix, label, **more):
    kind, content, native = fitted(name, params, matrix, label, **more)
    return convert_model(kind, content, native, matrix, [CATEGORY])


@pytest.mark.parametrize("holes", [True, False])
def test_numbers_that_lightgbm_takes_for_0_are_on_its_side_of_a_threshold(holes):
    """It parts numbers below 0 from 0 at -1e-35, and takes that number itself for 0."""
    rng = np.random.default_rng(4)
    matrix = rng.integers(-2, 3, (600, 4)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.1 * holes] = np.nan
    label = (matrix[:, 0] >= 0) + 2.0 * (matrix[:, 1] > 0) + rng.random(600)
    kind, content, native = fitted("lightgbm.LGBMRegressor", LIGHTGBM, matrix, label, categories=())
    made = convert_model(kind, content, native, matrix, [])
    assert made.missing == ""
    assert {b"-1.0000000180025095e-35", b"1.0000000180025095e-35"} <= set(content.split())
    edge = np.float32(1e-35)
    near = [edge, *(np.nextafter(edge, np.float32(to)) for to in (0, 1)), np.float32(1e-40), np.float32(0)]
    asked = rng.choice(np.array([*near, *(-x for x in near), np.nan], dtype=np.float32), (500, 4))
    assert worst_difference(Onnx(made.content).predict(asked), native.predict(asked)) is None


SINGLE = [
    {"objective": "reg:squarederror"},
    {"objective": "reg:squarederror", "gamma": 1e12},  # trees that are one leaf, among others
    {"objective": "count:poisson"},
    {"objective": "reg:gamma"},
    {"objective": "binary:logistic"},
    {"objective": "binary:logitraw"},
]


@pytest.mark.parametrize("params", SINGLE)
@pytest.mark.parametrize("booster", [{}, {"booster": "dart", "rate_drop": 0.3}])
def test_float32_sums_of_xgboost_are_added_as_it_adds_them(params, booster):
    """To the last bit of the margin: what comes after it is exp or a sigmoid, of float32 there and of doubles here."""
    rng = np.random.default_rng(5)
    matrix = matrix_of(rng, holes=True)
    name = "xgboost.XGBClassifier" if "binary" in params["objective"] else "xgboost.XGBRegressor"
    label = label_of(rng, matrix, name) * (1 if "Class" in name else 1e3) + (0 if "Class" in name else 1e6)
    kind, content, native = fitted(name, {**XGBOOST, "n_estimators": 40, **params, **booster}, matrix, label)
    made = convert_model(kind, content, native, matrix, [CATEGORY])
    assert made.missing == ""
    scores, expected = Onnx(made.content).predict(matrix), native.predict(matrix)
    if params["objective"] in ("reg:squarederror", "binary:logitraw"):
        assert scores.tolist() == expected.tolist()
    np.testing.assert_allclose(scores, expected, rtol=3e-7, atol=0)


@pytest.mark.parametrize("name", ["lightgbm.LGBMRegressor", "xgboost.XGBRegressor", "catboost.CatBoostRegressor"])
@pytest.mark.parametrize("size", [1e-5, 1.0, 1e5])
def test_a_leaf_that_was_changed_is_seen_however_small_scores_are(name, size):
    rng = np.random.default_rng(3)
    matrix = matrix_of(rng, holes=True)
    params = {"lightgbm": LIGHTGBM, "xgboost": XGBOOST, "catboost": CATBOOST}[name.split(".")[0]]
    kind, content, native = fitted(name, params, matrix, label_of(rng, matrix, name) / 30 * size, categories=())
    made = convert_model(kind, content, native, matrix, []).content
    changed = onnx.load_from_string(made)
    (trees,) = [node for node in changed.graph.node if node.op_type == "TreeEnsemble"]
    (leaves,) = [item for item in trees.attribute if item.name == "leaf_weights"]
    weights = numpy_helper.to_array(leaves.t).copy()
    weights[len(weights) // 2] += weights.dtype.type(1e-4 * size)
    leaves.t.CopyFrom(numpy_helper.from_array(weights, "leaf_weights"))
    assert _difference(made, native, matrix, []) == ""
    assert _difference(changed.SerializeToString(), native, matrix, []).startswith("as ONNX it gives ")


def test_a_pipeline_that_scales_columns_far_from_0_is_converted():
    """What ONNX has for it multiplies by a rounded inverse, which moves scores by 1e-5."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(3)
    matrix = (rng.normal(size=(500, 5)) + 100).astype(np.float32)
    steps = [("scale", StandardScaler()), ("model", Ridge())]
    made = convert("sklearn.pipeline.Pipeline", {"steps": steps}, matrix, matrix.sum(axis=1) - 500)
    assert made.missing == ""


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("lightgbm.LGBMRegressor", {**LIGHTGBM, "zero_as_missing": True},
         "LightGBM's zero_as_missing has no conversion"),
        ("lightgbm.LGBMRegressor", {**LIGHTGBM, "linear_tree": True}, "LightGBM's linear trees have no conversion"),
        ("xgboost.XGBRegressor", {**XGBOOST, "booster": "gblinear"}, "XGBoost's booster gblinear has no conversion"),
        ("xgboost.XGBClassifier", {**XGBOOST, "objective": "binary:hinge"},
         "XGBoost's objective binary:hinge has no conversion"),
        ("catboost.CatBoostRegressor", {"iterations": 5, "grow_policy": "Lossguide"},
         "CatBoost's trees that are not symmetric have no conversion"),
        ("sklearn.ensemble.BaggingClassifier", {"n_estimators": 2}, "trees behind other steps"),
        ("sklearn.svm.LinearSVC", {}, "a classifier without probabilities has no conversion"),
    ],
)  # fmt: skip
def test_what_can_not_be_converted_says_why(name, params, reason):
    rng = np.random.default_rng(3)
    matrix = matrix_of(rng, holes=False)
    categories = () if "linear" in str(params) else (CATEGORY,)
    made = convert(name, params, matrix, label_of(rng, matrix, name), categories=categories)
    assert made.content == b""
    assert made.missing.startswith(reason)


@pytest.mark.parametrize(
    "name",
    [
        "lightgbm.LGBMClassifier",
        "xgboost.XGBClassifier",
        "catboost.CatBoostClassifier",
        "sklearn.tree.DecisionTreeClassifier",
    ],
)
def test_more_than_two_classes_are_scored_as_the_number_of_the_class(name):
    matrix = matrix_of(np.random.default_rng(3), holes=False)
    label = np.nan_to_num(matrix[:, CATEGORY]).astype(int) % 3
    kind, content, native = fitted(name, {"iterations": 30} if "Cat" in name else {}, matrix, label)
    assert set(native.predict(matrix).tolist()) <= {0.0, 1.0, 2.0}
    assert (native.predict(matrix) == label).mean() > 0.9
    assert "has no conversion" in convert_model(kind, content, native, matrix, [CATEGORY]).missing


def test_a_conversion_that_gives_other_scores_does_not_count():
    rng = np.random.default_rng(3)
    matrix = matrix_of(rng, holes=True)
    kind, content, native = fitted("lightgbm.LGBMRegressor", LIGHTGBM, matrix, label_of(rng, matrix, "x"))

    class Shifted:
        def predict(self, rows):
            return native.predict(rows) + 0.001

    made = convert_model(kind, content, Shifted(), matrix, [CATEGORY])
    assert made.content == b""
    assert made.missing.startswith("as ONNX it gives ")


def test_thresholds_rounded_to_float32_would_be_seen():
    """What converters do that round: the check of rows at thresholds finds it, though the training rows do not all."""
    low = np.float32(1)
    high = np.nextafter(low, np.float32(2))
    forest, rounded = Forest(1), Forest(1)
    for made, threshold in ((forest, (float(low) + float(high)) / 2 + 1e-9), (rounded, float(high))):
        node = TreeSplit(feature=0, test="<=", threshold=threshold, missing=False, yes=1, no=2)
        made.add_tree(0, [node, Leaf(1.0), Leaf(2.0)].__getitem__)

    class Exact:
        def predict(self, rows):
            return Onnx(forest.to_onnx()).predict(rows)

    far = np.array([[0.0], [3.0]], dtype=np.float32)
    assert "as ONNX it gives 1.0 for a row for which it gives 2.0" in _difference(rounded.to_onnx(), Exact(), far, [])
    assert _difference(forest.to_onnx(), Exact(), far, []) == ""


def naive(tree, key, row):
    """The oracle: one row down one tree."""
    node = tree[key]
    if isinstance(node, Leaf):
        return node.value
    value = row[node.feature]
    if np.isnan(value):
        passes = node.missing
    else:
        passes = {
            "<=": value <= node.threshold,
            "<": value < node.threshold,
            ">": value > node.threshold,
            "in": value in node.members,
        }[node.test]
    return naive(tree, node.yes if passes else node.no, row)


@st.composite
def trees(draw):
    depth = draw(st.integers(1, 4))
    tree = {}
    for key in range(2 ** (depth + 1) - 1):
        if key >= 2**depth - 1 or (key and draw(st.booleans())):
            tree[key] = Leaf(draw(st.integers(-9, 9)) / 4)
        else:
            test = draw(st.sampled_from(["<=", "<", ">", "in"]))
            tree[key] = TreeSplit(feature=CODES if test == "in" else draw(st.integers(0, 2)), test=test,
                                  threshold=draw(st.integers(-2, 2)) / 2,
                                  members=draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 40.0, 100.0]), min_size=1,
                                                        unique=True)), missing=draw(st.booleans()), yes=2 * key + 1,
                                                        no=2 * key + 2)  # fmt: skip
    return tree


@settings(max_examples=examples(20, 100))
@given(st.lists(trees(), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**32))
def test_a_forest_gives_what_a_walk_down_its_trees_gives(forest_of, is_single, seed):
    rows = np.random.default_rng(seed).choice([-1, -0.5, 0, 0.5, 1, 2, 40, 100, np.nan], (20, 3)).astype(np.float32)
    rows[:, CODES] = np.floor(rows[:, CODES])
    forest = Forest(3, base=0.25, is_single=is_single)
    for tree in forest_of:
        forest.add_tree(0, tree.__getitem__)
    expected = [0.25 + sum(naive(tree, 0, row) for tree in forest_of) for row in rows]
    assert Onnx(forest.to_onnx()).predict(rows).tolist() == expected


@pytest.mark.parametrize("is_single", [True, False])
def test_a_forest_of_leaves_alone_gives_their_sum(is_single):
    forest = Forest(1, base=0.5, is_single=is_single)
    forest.add_tree(0, lambda _: Leaf(0.25))
    for _ in range(2):
        assert Onnx(forest.to_onnx()).predict(np.array([[1], [np.nan]], np.float32)).tolist() == [0.75, 0.75]


def test_a_forest_of_too_many_splits_is_not_converted(monkeypatch):
    monkeypatch.setattr("featurectl.models.conversion.graph.MOST_SPLITS", 3)
    rng = np.random.default_rng(3)
    matrix = matrix_of(rng, holes=True)
    made = convert("lightgbm.LGBMRegressor", LIGHTGBM, matrix, label_of(rng, matrix, "x"))
    assert made.missing == "its trees have more than 3 splits"


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_without_the_libraries_there_is_no_conversion(library, monkeypatch):
    monkeypatch.setattr(
        "featurectl.models.conversion.convert.find_spec", lambda name: None if name == library else name
    )
    made = convert_model("txt", b"", None, np.zeros((1, 1), np.float32), [])
    assert made.missing == f"{library} is not installed: pip install 'featurectl[onnx]'"
