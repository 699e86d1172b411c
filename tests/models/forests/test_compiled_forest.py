"""Forests scored by compiled loops: against a walk down the trees, and against the libraries, to the bit."""

from __future__ import annotations

import importlib
import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.forests import LIBRARIES, compared
from featurectl.models.conversion.convert import convert_model
from featurectl.models.conversion.graph import Forest, Leaf, TreeSplit
from featurectl.models.estimators.base import FitRows
from featurectl.models.estimators.make import dump_estimator, fit_estimator, make_estimator
from featurectl.models.forests import kernel
from featurectl.models.forests.onnx_trees import NoTreesError, read_trees
from featurectl.models.forests.tables import MOST_LEAVES, single_at_least, single_at_most
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import LIGHTGBM, SKOPS, XGBOOST
from featurectl.models.runtimes.forest import CompiledForest, NotTheSameError, may_compile
from tests.seeds import seed_of, seeds_from

WIDTH = 4
CODES = 3  # the column of whole numbers
TESTS = {
    "<=": lambda value, split: value <= split.threshold,
    "<": lambda value, split: value < split.threshold,
    ">": lambda value, split: value > split.threshold,
    "in": lambda value, split: value in split.members,
}


def random_tree(rng, leaves, number=np.float64):
    """Return the nodes of a tree by their keys, 0 is the root; `number` is the type of its thresholds."""
    nodes, open_keys = {}, [0]
    while len(open_keys) < leaves:
        key = open_keys.pop(int(rng.integers(len(open_keys))))
        yes, no = len(nodes) + len(open_keys) + 1, len(nodes) + len(open_keys) + 2
        test = str(rng.choice(list(TESTS)))
        nodes[key] = TreeSplit(
            feature=CODES if test == "in" else int(rng.integers(CODES)),
            test=test,
            threshold=float(number(rng.choice([-1.5, -0.1, 0.0, 0.1, 0.30000000000000004, 2.0, math.inf]))),
            members=rng.choice(90, int(rng.integers(1, 6)), replace=False).astype(float).tolist(),
            missing=bool(rng.integers(2)),
            yes=yes,
            no=no,
        )
        open_keys += [yes, no]
    return nodes | {key: Leaf(float(np.float32(rng.normal()))) for key in open_keys}


def walk(tree, row):
    """The oracle: one row down one tree."""
    node = tree[0]
    while isinstance(node, TreeSplit):
        value = float(row[node.feature])
        passes = node.missing if math.isnan(value) else TESTS[node.test](value, node)
        node = tree[node.yes if passes else node.no]
    return node.value


def summed(trees, row, start, number):
    total = number(start)
    for tree in trees:
        total = number(total + number(walk(tree, row)))
    return float(total)


def rows_of(rng, count):
    near = [-1.5, -0.1, 0.0, -0.0, 0.1, 0.3, 2.0, math.inf, -math.inf, math.nan]
    rows = rng.choice(near, (count, WIDTH)).astype(np.float32)
    moved = np.nextafter(rows, rng.choice(np.float32([-math.inf, math.inf]), rows.shape))
    rows = np.where(rng.random(rows.shape) < 0.4, moved, rows)
    rows[:, CODES] = rng.choice([0, 1, 31, 32, 33, 63, 64, 89, 95, 96, 1e6, math.nan], count)
    return rows


@pytest.mark.long
@pytest.mark.parametrize("is_single", [True, False])
@pytest.mark.parametrize("seed", seeds_from(0, 6))
@pytest.mark.sample(1)
def test_sums_are_those_of_a_walk_down_the_trees(seed, is_single):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([2, 3, 31, 32, 33, 64, 65, 100], 5)
    trees = [random_tree(rng, int(size), np.float32 if is_single else np.float64) for size in sizes]
    forest = Forest(WIDTH, base=0.25, is_single=is_single)
    for tree in trees:
        forest.add_tree(0, tree.__getitem__)
    rows = rows_of(rng, 300)
    found = CompiledForest(forest.to_onnx(), XGBOOST if is_single else SKOPS).predict(rows)
    assert found.tolist() == [summed(trees, row, 0.25, np.float32 if is_single else np.float64) for row in rows]


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 12_800, 30_001])
def test_any_number_of_rows_has_the_scores_of_each_alone(count):
    rng = np.random.default_rng(seed_of(1))
    forest = Forest(WIDTH, "sigmoid")
    for _ in range(3):
        forest.add_tree(0, random_tree(rng, 20).__getitem__)
    compiled, rows = CompiledForest(forest.to_onnx(), LIGHTGBM), rows_of(rng, count)
    scores = compiled.predict(rows)
    assert scores.shape == (count,)
    for place in {0, 1, 127, 128, count // 2, count - 1} & set(range(count)):
        assert compiled.predict(rows[place : place + 1])[0] == scores[place]


@given(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False))
def test_a_float32_is_on_its_side_of_a_threshold_that_was_rounded(value, threshold):
    near = np.float32(value)
    assert bool(near > single_at_most(threshold)) == (value > threshold)
    assert bool(near >= single_at_least(threshold)) == (value >= threshold)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-2, 2))
def test_the_same_holds_for_doubles_beside_a_float32(value, steps):
    threshold = value
    for _ in range(abs(steps)):
        threshold = math.nextafter(threshold, math.inf * steps)
    assert bool(np.float32(value) > single_at_most(threshold)) == (value > threshold)
    assert bool(np.float32(value) >= single_at_least(threshold)) == (value >= threshold)


def test_a_tree_of_too_many_leaves_is_left_to_the_library():
    forest = Forest(WIDTH)
    forest.add_tree(0, random_tree(np.random.default_rng(0), MOST_LEAVES + 1).__getitem__)
    with pytest.raises(NotTheSameError, match="more than 512 leaves"):
        CompiledForest(forest.to_onnx(), LIGHTGBM)


def test_a_graph_that_is_no_forest_is_left_to_the_library():
    from sklearn.linear_model import LinearRegression

    from featurectl.models.conversion.sklearn import convert_sklearn

    line = LinearRegression().fit(np.arange(8).reshape(4, 2), np.arange(4))
    with pytest.raises(NoTreesError, match="no forest"):
        read_trees(convert_sklearn(line, 2))


SUMMED = [
    ("sklearn.ensemble.RandomForestRegressor", {"n_estimators": 3, "max_depth": 3}, "forest of scikit-learn"),
    ("sklearn.tree.DecisionTreeClassifier", {"max_depth": 3}, "forest of scikit-learn"),
    ("lightgbm.LGBMRegressor", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}, "LightGBM scales"),
    ("lightgbm.LGBMClassifier", {"sigmoid": 0.7}, "LightGBM scales"),
]


@pytest.mark.parametrize(("name", "params", "reason"), SUMMED)
def test_sums_that_are_divided_or_scaled_are_left_to_the_library(name, params, reason):
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(200, 2)).astype(np.float32)
    more = {"n_estimators": 3, "verbose": -1, "num_threads": 1} if name.startswith("lightgbm") else {}
    estimator = make_estimator(name, {**params, **more}, 7)
    label = (matrix[:, 0] > 0).astype(np.int64)
    fit_estimator(estimator, FitRows(matrix=matrix, label=label, names=["a", "b"], categories=[]))
    kind, content = dump_estimator(estimator, allow_pickle=False)
    native = load_runtime(kind, content, allow_pickle=False)
    onnx = convert_model(kind, content, native, matrix, []).content
    with pytest.raises(NotTheSameError, match=reason):
        CompiledForest(onnx, kind, content)


def test_where_numba_finds_no_folder_the_library_scores(monkeypatch):
    forest = Forest(WIDTH)
    forest.add_tree(0, random_tree(np.random.default_rng(0), 4).__getitem__)

    def no_place(_tables):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("featurectl.models.runtimes.forest.lay_out", no_place)
    with pytest.raises(NotTheSameError, match="no locator"):
        CompiledForest(forest.to_onnx(), LIGHTGBM)


def test_without_numba_nothing_is_compiled(monkeypatch):
    assert may_compile(LIGHTGBM)
    monkeypatch.setattr("featurectl.models.runtimes.forest.find_spec", lambda name: None if name == "numba" else name)
    assert not may_compile(LIGHTGBM)


FEW = [(library, seed) for library in LIBRARIES for seed in seeds_from(0, 2)]


def check(library, seed):
    what, _ = compared(library, seed)
    assert not what.startswith("different"), (library, seed)
    if library != "forests":
        assert what in ("equal to the bit", "not made"), (library, seed)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("library", "seed"), FEW)
def test_random_models_have_the_scores_of_their_libraries(library, seed):
    check(library, seed)


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_thousand_random_models_have_the_scores_of_their_libraries(library):
    for seed in seeds_from(0, 1_000):
        check(library, seed)


@pytest.fixture
def numba_files(tmp_path, monkeypatch):
    """A folder of its own for what numba compiles, and how the loops are loaded in another process."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    yield lambda: importlib.reload(kernel), lambda: [*tmp_path.rglob("*.nb[ic]")]
    monkeypatch.undo()
    importlib.reload(kernel)


@pytest.mark.parametrize("suffix", [".nbc", pytest.param(".nbi", marks=pytest.mark.long)])
def test_damaged_files_of_numba_are_written_again(numba_files, suffix):
    begun_again, files = numba_files
    forest = Forest(WIDTH)
    forest.add_tree(0, random_tree(np.random.default_rng(0), 4).__getitem__)
    rows = rows_of(np.random.default_rng(1), 5)
    begun_again()
    scores = CompiledForest(forest.to_onnx(), LIGHTGBM).predict(rows)
    damaged = [file for file in files() if file.suffix == suffix]
    for file in damaged:
        file.write_bytes(file.read_bytes()[:-100])
    begun_again()
    assert (damaged != [], CompiledForest(forest.to_onnx(), LIGHTGBM).predict(rows).tolist()) == (True, scores.tolist())
    compiled = {file: file.stat().st_mtime_ns for file in files()}
    begun_again()
    CompiledForest(forest.to_onnx(), LIGHTGBM)
    assert {file: file.stat().st_mtime_ns for file in files()} == compiled
