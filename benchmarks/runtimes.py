"""One score and many, by ONNX and by the library that trained: 200 trees on 15 features.

python -m benchmarks.runtimes

Medians; one thread throughout for one row, as many as the library likes for 100,000 rows natively. `encode` is what it
takes to make the matrix of one request's values.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np

from featurectl.models.conversion.convert import convert_model
from featurectl.models.estimators.base import FitRows
from featurectl.models.estimators.make import dump_estimator, fit_estimator, make_estimator
from featurectl.models.request_matrix import RowEncoder
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.registry.state import BoundFeature

FEATURES, TRAINED, MANY = 15, 20_000, 100_000
MODELS = {
    "lightgbm": ("lightgbm.LGBMClassifier", {"n_estimators": 200, "num_threads": 2, "verbose": -1}),
    "xgboost": ("xgboost.XGBClassifier", {"n_estimators": 200, "max_depth": 5, "n_jobs": 2}),
    "catboost": ("catboost.CatBoostClassifier", {"iterations": 200, "depth": 6, "thread_count": 2}),
    "scikit-learn": ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 200, "early_stopping": False}),
}


def median_seconds(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(MANY, FEATURES)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.03] = np.nan
    seen = matrix[:TRAINED]
    label = (np.nan_to_num(seen[:, 0] * seen[:, 1]) + rng.normal(size=TRAINED) * 0.5 > 0).astype(np.int64)
    names = [f"f{i}" for i in range(FEATURES)]
    print(f"{'model':14}{'native us/row':>14}{'onnx us/row':>13}{'native rows/s':>15}{'onnx rows/s':>13}")
    for model, (name, params) in MODELS.items():
        estimator = make_estimator(name, params, 7)
        fit_estimator(estimator, FitRows(matrix=seen, label=label, names=names, categories=[]))
        kind, content = dump_estimator(estimator, allow_pickle=False)
        one, many = (load_runtime(kind, content, allow_pickle=False, threads=n) for n in (1, 0))
        made = convert_model(kind, content, many, seen[:2000], [])
        assert made.content, made.missing
        onnx = load_runtime("onnx", made.content, allow_pickle=False)
        rows = [matrix[i : i + 1] for i in range(1_000)]
        single = [median_seconds(lambda i=iter(rows * 2), r=r: r.predict(next(i)), 1_000) * 1e6 for r in (one, onnx)]
        bulk = [MANY / median_seconds(lambda r=r: r.predict(matrix), 3) for r in (many, onnx)]
        print(f"{model:14}{single[0]:>14.1f}{single[1]:>13.1f}{bulk[0]:>15,.0f}{bulk[1]:>13,.0f}", flush=True)
    encoder = RowEncoder([BoundFeature(name=name, dtype="float64", model_dtype="float64") for name in names])
    columns = {name: [float(value)] for name, value in zip(names, rng.normal(size=FEATURES), strict=True)}
    print(f"encode {FEATURES} numbers: {median_seconds(lambda: encoder.encode(columns, 1), 20_000) * 1e6:.1f} us")


if __name__ == "__main__":
    main()
