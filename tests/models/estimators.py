"""Fitted estimators of every library, on columns whose values are neighbours among float32: each row is a threshold."""

from typing import Any

import numpy as np

from featurectl.models.estimators.base import FitRows
from featurectl.models.estimators.make import dump_estimator, fit_estimator, make_estimator
from featurectl.models.runtimes.all_runtimes import load_runtime

CATEGORY = 3
LIGHTGBM = {"num_threads": 1, "verbose": -1, "deterministic": True, "n_estimators": 15, "min_child_samples": 3}
XGBOOST = {"n_estimators": 15, "n_jobs": 1, "max_depth": 4, "min_child_weight": 0}
CATBOOST = {"iterations": 15, "depth": 4, "thread_count": 1}
NAN_TAKEN = [
    ("lightgbm.LGBMClassifier", LIGHTGBM),
    ("lightgbm.LGBMRegressor", LIGHTGBM),
    ("lightgbm.LGBMRegressor", {**LIGHTGBM, "objective": "poisson"}),
    ("lightgbm.LGBMRegressor", {**LIGHTGBM, "reg_sqrt": True}),
    ("lightgbm.LGBMClassifier", {**LIGHTGBM, "boosting_type": "dart"}),
    ("lightgbm.LGBMRegressor", {**LIGHTGBM, "boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1}),
    ("lightgbm.LGBMClassifier",
     {**LIGHTGBM, "cat_smooth": 0.1, "cat_l2": 0.1, "max_cat_to_onehot": 1, "min_data_per_group": 1}),
    ("lightgbm.LGBMClassifier", {**LIGHTGBM, "min_child_samples": 10_000}),
    ("xgboost.XGBClassifier", XGBOOST),
    ("xgboost.XGBClassifier", {**XGBOOST, "max_cat_to_onehot": 1}),
    ("xgboost.XGBRegressor", XGBOOST),
    ("xgboost.XGBRegressor", {**XGBOOST, "objective": "count:poisson"}),
    ("xgboost.XGBRegressor", {**XGBOOST, "booster": "dart", "rate_drop": 0.3}),
    ("catboost.CatBoostClassifier", CATBOOST),
    ("catboost.CatBoostClassifier", {**CATBOOST, "nan_mode": "Max"}),
    ("catboost.CatBoostRegressor", CATBOOST),
    ("catboost.CatBoostRegressor", {**CATBOOST, "loss_function": "Poisson"}),
    ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 15, "min_samples_leaf": 3}),
    ("sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 15, "loss": "poisson"}),
    ("sklearn.tree.DecisionTreeClassifier", {}),
    ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 10}),
    ("sklearn.ensemble.RandomForestRegressor", {"n_estimators": 10}),
    ("sklearn.ensemble.ExtraTreesClassifier", {"n_estimators": 10}),
]  # fmt: skip
NAN_REFUSED = [
    ("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 15}),
    ("sklearn.ensemble.GradientBoostingClassifier", {"n_estimators": 15, "loss": "exponential"}),
    ("sklearn.ensemble.GradientBoostingRegressor", {"n_estimators": 15}),
    ("sklearn.linear_model.LogisticRegression", {}),
    ("sklearn.linear_model.Ridge", {}),
]
LIBRARIES = {"lightgbm": "txt", "xgboost": "ubj", "catboost": "cbm", "sklearn": "skops"}


def matrix_of(rng: np.random.Generator, rows: int = 300, *, holes: bool) -> np.ndarray:
    """Four numbers that are neighbours among float32, and codes of six categories in column 3."""
    at = rng.choice([0.1, 1.0, 7.3, 1e-3], 5).astype(np.float32)
    matrix = np.empty((rows, 5), dtype=np.float32)
    for place in range(5):
        steps = [at[place]]
        for _ in range(11):
            steps.append(np.nextafter(steps[-1], np.float32(np.inf)))
        matrix[:, place] = rng.choice(np.array(steps), rows)
    matrix[:, CATEGORY] = rng.integers(0, 6, rows)
    if holes:
        matrix[rng.random(matrix.shape) < 0.15] = np.nan
    return matrix


def label_of(rng: np.random.Generator, matrix: np.ndarray, name: str) -> np.ndarray:
    ranks = np.nan_to_num(matrix[:, 0] - np.nanmin(matrix[:, 0])) / np.spacing(np.nanmax(matrix[:, 0]))
    wave = ranks % 4 + np.nan_to_num(matrix[:, CATEGORY]) % 2 * 3 + rng.normal(size=len(matrix))
    return (
        (wave > np.median(wave)).astype(np.int64)
        if any(word in name for word in ("Class", "Logistic", "SVC"))
        else np.abs(wave) * 10
    )


def fitted(  # noqa: PLR0913  # most have a default
    name: str, params: dict, matrix: Any, label: Any, *, allow_pickle: bool = False, categories: Any = (CATEGORY,)
) -> Any:
    """(format, bytes, runtime) of an estimator that was fitted and loaded again."""
    estimator = make_estimator(name, params, 7)
    names = [f"c{i}" for i in range(matrix.shape[1])]
    fit_estimator(estimator, FitRows(matrix=matrix, label=label, names=names, categories=list(categories)))
    kind, content = dump_estimator(estimator, allow_pickle=allow_pickle)
    return kind, content, load_runtime(kind, content, allow_pickle=allow_pickle)
