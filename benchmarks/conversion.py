"""Random models of every library as ONNX: how many the check refuses, how far apart the two forms are, and how many
changed leaves it finds.

    python -m benchmarks.conversion [MODELS] [LIBRARY ...]

Each model has random rows (up to 1,000, of any size from 1e-3 to 1e6, with and without NaN), labels of any size, an
objective, a depth and up to 300 trees. A changed leaf is one that the rows of the check reach, moved by 1e-4 of the
largest score (or of 1, where that is larger). Seeds are 0 .. MODELS - 1.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from featurectl.core.errors import DataError
from featurectl.models.conversion.convert import _convert, _difference
from featurectl.models.conversion.graph import CannotConvertError
from featurectl.models.conversion.probes import probe_rows
from featurectl.models.estimators.base import FitRows
from featurectl.models.estimators.make import dump_estimator, fit_estimator, make_estimator
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.onnx import Onnx

CODES = 3  # the column of a category, for those that take one
LIGHTGBM = {"num_threads": 1, "verbose": -1, "deterministic": True}
XGBOOST = {"n_jobs": 1}
CATBOOST = {"thread_count": 1, "bootstrap_type": "No"}


def _lightgbm(rng: Any) -> tuple[str, dict[str, Any], str]:
    params = {**LIGHTGBM, "n_estimators": _count(rng), "num_leaves": int(rng.integers(2, 64)), "min_child_samples": 3}
    params["boosting_type"] = str(rng.choice(["gbdt", "gbdt", "dart"]))
    if rng.random() < 0.3:
        return "lightgbm.LGBMClassifier", params, "class"
    loss = str(rng.choice(["l2", "l1", "huber", "poisson", "gamma", "tweedie", "quantile", "mape"]))
    return "lightgbm.LGBMRegressor", {**params, "objective": loss}, "positive" if loss in _POSITIVE else "number"


def _xgboost(rng: Any) -> tuple[str, dict[str, Any], str]:
    params = {**XGBOOST, "n_estimators": _count(rng), "max_depth": int(rng.integers(1, 8)), "min_child_weight": 0}
    if rng.random() < 0.3:
        params |= {"booster": "dart", "rate_drop": 0.2}
        params["n_estimators"] = min(params["n_estimators"], 60)  # each asks for all before it
    if rng.random() < 0.3:
        loss = str(rng.choice(["binary:logistic", "binary:logitraw"]))
        return "xgboost.XGBClassifier", {**params, "objective": loss}, "class"
    losses = [
        "reg:squarederror",
        "reg:absoluteerror",
        "reg:pseudohubererror",
        "count:poisson",
        "reg:gamma",
        "reg:tweedie",
    ]
    loss = str(rng.choice([*losses, "reg:squaredlogerror"]))
    return "xgboost.XGBRegressor", {**params, "objective": loss}, "positive" if loss in _POSITIVE else "number"


def _catboost(rng: Any) -> tuple[str, dict[str, Any], str]:
    params = {**CATBOOST, "iterations": _count(rng), "depth": int(rng.integers(1, 7))}
    if rng.random() < 0.3:
        return "catboost.CatBoostClassifier", params, "class"
    loss = str(rng.choice(["RMSE", "MAE", "Quantile", "Poisson", "Tweedie:variance_power=1.5"]))
    return "catboost.CatBoostRegressor", {**params, "loss_function": loss}, "positive" if loss[0] in "PT" else "number"


def _forests(rng: Any) -> tuple[str, dict[str, Any], str]:
    kind = str(rng.choice(["RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting"]))
    is_class = rng.random() < 0.4
    params: dict[str, Any] = {"n_estimators": _count(rng) // 3 + 1, "max_depth": int(rng.integers(1, 12))}
    if kind.startswith("Hist"):
        params = {"max_iter": _count(rng) // 3 + 1, "min_samples_leaf": 3}
    loss = str(rng.choice(["squared_error", "poisson", "gamma"]))
    if kind.startswith("Hist") and not is_class:
        params["loss"] = loss
    label = "class" if is_class else "positive" if loss != "squared_error" and kind.startswith("Hist") else "number"
    return f"sklearn.ensemble.{kind}{'Classifier' if is_class else 'Regressor'}", params, label


def _others(rng: Any) -> tuple[str, dict[str, Any], str]:
    names = ["Ridge", "LinearRegression", "Lasso", "LogisticRegression"]
    kinds = [f"sklearn.linear_model.{name}" for name in names]
    kinds += ["sklearn.svm.SVR", "sklearn.neural_network.MLPRegressor", "sklearn.naive_bayes.GaussianNB"]
    kinds += ["sklearn.neural_network.MLPClassifier"]
    name = str(rng.choice(kinds))
    is_class = name.endswith(("Classifier", "NB", "LogisticRegression"))
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [("scale", StandardScaler()), ("model", make_estimator(name, {}, 7))]
    return "sklearn.pipeline.Pipeline", {"steps": steps}, "class" if is_class else "number"


LIBRARIES = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
    "forests": _forests,
    "others": _others,
}
_POSITIVE = {"poisson", "gamma", "tweedie", "count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror"}


def _count(rng: Any) -> int:
    return int(10 ** rng.uniform(0, 2.5))


def _rows(rng: Any, *, holes: bool) -> Any:
    rows = int(rng.integers(60, 1_000))
    sizes = 10.0 ** rng.uniform(-3, 6, 6)
    shift = rng.normal(size=6) * sizes * rng.choice([0, 1, 100], 6)
    matrix = (rng.normal(size=(rows, 6)) * sizes + shift).astype(np.float32)
    matrix[:, CODES] = rng.integers(0, 6, rows)
    if holes:
        matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix


def _label(rng: Any, matrix: Any, kind: str) -> Any:
    ranks = np.argsort(np.argsort(matrix[:, 0])) / len(matrix)
    wave = np.sin(5 * ranks) + np.nan_to_num(matrix[:, CODES]) % 2 + rng.normal(size=len(matrix)) / 3
    if kind == "class":
        return (wave > np.quantile(wave, rng.uniform(0.05, 0.95))).astype(np.int64)
    size = 10.0 ** rng.uniform(-3, 6)
    if kind == "positive":
        return np.exp(wave) * size
    return wave * size + size * rng.choice([0, 0, 1, 100])


def fitted(library: str, seed: int) -> Any:
    """Return a random model: its name, format, bytes and runtime, what it was trained on, and where codes are."""
    rng = np.random.default_rng(seed)
    name, params, kind = LIBRARIES[library](rng)
    holes = library != "others" and "ensemble.Gradient" not in name and rng.random() < 0.5
    matrix = _rows(rng, holes=holes)
    label = _label(rng, matrix, kind)
    estimator = make_estimator(name, params, seed)
    categories = [CODES] if library in ("lightgbm", "xgboost") and rng.random() < 0.5 else []
    names = [f"c{i}" for i in range(6)]
    fit_estimator(estimator, FitRows(matrix=matrix, label=label, names=names, categories=categories))
    form, content = dump_estimator(estimator, allow_pickle=False)
    told = params.get("objective") or params.get("loss_function") or params.get("loss") or ""
    told += " dart" if "dart" in params.values() else ""
    return (
        f"{name.rpartition('.')[2]} {told}",
        form,
        content,
        load_runtime(form, content, allow_pickle=False),
        matrix,
        categories,
    )


def _apart(made: bytes, native: Any, rows: Any) -> float:
    try:
        expected = native.predict(rows)
    except ValueError:
        return 0.0
    scores = Onnx(made).predict(rows)
    return float(np.nanmax(np.abs(scores - expected) / np.maximum(1.0, np.abs(expected)), initial=0.0))


def _changed(made: bytes, native: Any, checked: list[Any], rng: Any) -> Iterator[bytes]:
    """Give the graph with one leaf moved, which a row of the check reaches."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(made)
    expected = Onnx(made).predict(checked[0])
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name != "leaf_weights":
                continue
            leaves = numpy_helper.to_array(attribute.t).copy()
            before = attribute.t
            for place in rng.permutation(len(leaves))[:20]:
                moved = leaves.copy()
                moved[place] += 1e-4 * max(1.0, float(np.nanmax(np.abs(expected))))
                attribute.t.CopyFrom(numpy_helper.from_array(moved, before.name))
                changed = model.SerializeToString()
                if any(
                    not np.array_equal(Onnx(changed).predict(r), Onnx(made).predict(r), equal_nan=True) for r in checked
                ):
                    yield changed
                    return


def _try(library: str, seed: int, found: Counter[str], refused: list[str]) -> float:
    try:
        name, form, content, native, matrix, categories = fitted(library, seed)
    except DataError:  # its library can't fit it, or not read what it wrote
        found["not made"] += 1
        return 0.0
    found["models"] += 1
    try:
        made = _convert(form, content, native, matrix.shape[1])
    except CannotConvertError as error:
        found[f"no conversion: {error}"] += 1
        return 0.0
    checked = [matrix, *probe_rows(made, matrix, categories)]
    differs = _difference(made, native, matrix, categories)
    apart = max(_apart(made, native, rows) for rows in checked)
    if differs:
        found["refused"] += 1
        refused.append(f"{seed} {name}: {apart:.2g} {differs}")
        return apart
    for changed in _changed(made, native, checked, np.random.default_rng(seed)):
        found["changed leaves"] += 1
        missed = not _difference(changed, native, matrix, categories)
        found["changed leaves not found"] += missed
        if missed:
            refused.append(f"{seed} {name}: a changed leaf was not found")
    return apart


def main(words: list[str]) -> None:
    """Print a line a library."""
    warnings.filterwarnings("ignore")
    count, chosen = int(words[0]) if words else 1_000, words[1:] or list(LIBRARIES)
    for library in chosen:
        found: Counter[str] = Counter()
        refused: list[str] = []
        begin = time.perf_counter()
        apart = max(_try(library, seed, found, refused) for seed in range(count))
        told = ", ".join(f"{number:,} {what}" for what, number in found.items())
        print(f"{library}: {told}; at most {apart:.2g} apart; {time.perf_counter() - begin:.0f} s", flush=True)
        for line in refused[:40]:
            print(f"    {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
