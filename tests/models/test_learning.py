"""What a fit does beside fitting: it stops early, judges on a holdout, weighs its inputs and warns of them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from featurectl.core.units import DAY_US
from featurectl.language.definitions.model import Trainer
from featurectl.models.fit import STOP_SHARE, fit_model
from featurectl.models.input_warnings import warn_of_inputs
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.split import Examples, split_by_time
from featurectl.registry.state import BoundFeature
from tests.models.test_fit import LIGHTGBM, times

NAMES = ("strong", "weak", "none")
INPUTS = [BoundFeature(name=name, dtype="float64", model_dtype="float64") for name in NAMES]
STOPPING = [
    ("lightgbm.LGBMClassifier", {"n_estimators": 400, "num_threads": 1, "verbose": -1}),
    ("xgboost.XGBClassifier", {"n_estimators": 400, "n_jobs": 1}),
    ("catboost.CatBoostClassifier", {"iterations": 400, "thread_count": 1, "depth": 3}),
]


def examples(rows=600, seed=3, task="binary"):
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=rows) for name in NAMES}
    value = columns["strong"] * 2 + columns["weak"] * 0.5 + rng.normal(size=rows)
    label = {"binary": value > 0, "numbers": value, "classes": np.digitize(value, [-1, 1])}[task]
    return Examples(rows=pl.DataFrame(columns), label=pl.Series("y", label), time=times(*range(rows)))


def fit(data, trainer, **more):
    return fit_model(data, INPUTS, trainer, allow_pickle=True, model="m", **more)


def rounds_of(fitted):
    if fitted.format == "txt":
        return fitted.content.count(b"Tree=")
    if fitted.format == "ubj":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(fitted.content))
        return booster.num_boosted_rounds()
    import catboost

    return catboost.CatBoost().load_model(blob=fitted.content).tree_count_


def scored(fitted):
    """What a model gives: CatBoost's file also says when it was made."""
    return fitted.judged.scores.tolist()


@pytest.mark.long
@pytest.mark.parametrize(("name", "params"), STOPPING)
@pytest.mark.sample(1)
def test_an_estimator_stops_by_its_last_training_rows_not_by_validation(name, params):
    data = examples()
    trainer = Trainer(estimator=name, params={**params, "early_stopping_rounds": 5}, seed=1)
    fitted = fit(data, trainer)
    assert 0 < rounds_of(fitted) < 100
    assert rounds_of(fit(data, replace(trainer, params=params))) == 400
    assert scored(fit(data, trainer)) == scored(fitted)
    judged = np.arange(600) >= 450
    flipped = data.label.to_numpy() ^ judged
    assert scored(fit(replace(data, label=pl.Series("y", flipped)), trainer)) == scored(fitted)
    stop = (np.arange(600) >= 450 * (1 - STOP_SHARE)) & ~judged
    flipped = data.label.to_numpy() ^ stop
    assert scored(fit(replace(data, label=pl.Series("y", flipped)), trainer)) != scored(fitted)


def test_early_stopping_is_what_lightgbm_does_by_itself_on_that_split():
    import lightgbm

    data, params = examples(), {**STOPPING[0][1], "early_stopping_rounds": 5}
    fitted = fit(data, Trainer(estimator=STOPPING[0][0], params=params, seed=1))
    seen = data.only(split_by_time(data.time, 0.25)[0])
    learn, _ = split_by_time(seen.time, STOP_SHARE)
    matrix, label = fitted.form.encode(seen.rows), seen.label.cast(pl.Int64).to_numpy()
    plain = lightgbm.LGBMClassifier(**params, random_state=1)
    last = {"eval_X": (matrix[~learn],), "eval_y": (label[~learn],)}
    plain.fit(matrix[learn], label[learn], feature_name=list(NAMES), **last)
    assert plain.booster_.model_to_string().encode() == fitted.content


def test_an_own_early_stopping_of_scikit_learn_is_its_own():
    trainer = Trainer(
        estimator="sklearn.ensemble.HistGradientBoostingClassifier", params={"early_stopping": True, "max_iter": 300}
    )
    assert fit(examples(), trainer).metrics["auc"] > 0.8


def test_a_holdout_judges_and_all_other_rows_are_trained_on():
    data, other = examples(), examples(rows=50, seed=9)
    fitted = fit(replace(data, holdout=other, horizon_us=3 * DAY_US), LIGHTGBM)
    assert (fitted.rows_train, fitted.rows_validation) == (600, 50)
    assert fitted.validation_from == other.time[0]
    assert fitted.judged.rows.equals(other.rows)
    alone = fit(data, replace(LIGHTGBM, split_fraction=0.0))
    assert alone.content == fitted.content
    assert (alone.metrics, alone.validation_from) == ({}, None)


def test_a_sample_is_of_the_rows_to_train_on_and_not_of_a_holdout():
    fitted = fit(replace(examples(), holdout=examples(rows=50, seed=9)), replace(LIGHTGBM, sample=0.5))
    assert 200 < fitted.rows_train < 400
    assert fitted.rows_validation == 50


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "params", "task"),
    [
        *[(name, {**params, next(iter(params)): 20}, "binary") for name, params in STOPPING],
        ("lightgbm.LGBMRegressor", {"n_estimators": 20, "verbose": -1, "num_threads": 1}, "numbers"),
        ("lightgbm.LGBMClassifier", {"n_estimators": 20, "verbose": -1, "num_threads": 1}, "classes"),
        ("xgboost.XGBClassifier", {"n_estimators": 20, "n_jobs": 1}, "classes"),
        ("catboost.CatBoostClassifier", {"iterations": 20, "thread_count": 1}, "classes"),
        ("sklearn.linear_model.LogisticRegression", {}, "binary"),
        ("sklearn.linear_model.LogisticRegression", {}, "classes"),
        ("sklearn.linear_model.Ridge", {}, "numbers"),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 20}, "binary"),
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 20}, "classes"),
        ("sklearn.svm.LinearSVC", {}, "classes"),
        ("sklearn.neighbors.KNeighborsRegressor", {}, "numbers"),
    ],
)
@pytest.mark.sample(5)
def test_every_kind_of_model_is_measured_and_knows_which_input_counts(name, params, task):
    fitted = fit(examples(task=task), Trainer(estimator=name, params=params, seed=2))
    assert fitted.task == task
    assert {"binary": "auc", "numbers": "rmse", "classes": "macro_f1"}[task] in fitted.metrics
    assert ("log_loss" in fitted.metrics) == (task != "numbers" and "SVC" not in name)
    assert sum(fitted.importance.values()) == pytest.approx(1, abs=1e-5)
    assert list(fitted.importance) == list(NAMES)
    assert max(fitted.importance, key=fitted.importance.get) == "strong"
    assert fitted.importance["none"] < 0.25


def test_the_weight_of_a_linear_input_is_its_coefficient_times_its_spread():
    data = examples(task="numbers")
    wide = replace(data, rows=data.rows.with_columns(pl.col("strong") * 1000))
    ridge = Trainer(estimator="sklearn.linear_model.LinearRegression")
    assert fit(data, ridge).importance == pytest.approx(fit(wide, ridge).importance, abs=1e-3)


def test_a_model_of_which_no_input_counts_has_no_importance():
    data = examples()
    trainer = Trainer(estimator="sklearn.dummy.DummyClassifier", params={"strategy": "prior"})
    assert fit(data, trainer).importance == {}


@pytest.mark.long
def test_the_metrics_of_classes_are_those_of_the_bytes_that_are_kept():
    fitted = fit(examples(task="classes"), Trainer(estimator="lightgbm.LGBMClassifier", params={"verbose": -1}))
    scores = load_runtime("txt", fitted.content, allow_pickle=False).predict(fitted.judged.matrix)
    assert fitted.metrics["accuracy"] == pytest.approx((scores == fitted.judged.label).mean(), abs=1e-6)


def test_odd_inputs_are_told_with_their_counts():
    rows = pl.DataFrame(
        {
            "id": [1, (1 << 24) + 1, -(1 << 24) - 1, 1 << 24, None],
            "gone": [None] * 5,
            "holes": [1.0, None, float("nan"), None, 2.0],
            "half": [1.0, 2.0, 3.0, None, None],
            "kind": ["a", "b", "c", "d", "e"],
        },
        schema_overrides={"gone": pl.Float64},
    )
    types = {"id": "int64", "gone": "float64", "holes": "float64", "half": "float64"}
    inputs = [BoundFeature(name=name, dtype=dtype, model_dtype=dtype) for name, dtype in types.items()]
    many = tuple(str(i) for i in range(1_001))
    inputs.append(BoundFeature(name="kind", dtype="string", model_dtype="category", categories=many))
    found = warn_of_inputs(inputs, rows)
    assert [(w.input, w.count, w.rows) for w in found] == [
        ("id", 2, 5),
        ("gone", 5, 5),
        ("holes", 3, 5),
        ("kind", 1001, 5),
    ]
    assert [w.message for w in found] == [
        "id: 2 values beyond 16,777,216, where float32 no longer tells whole numbers apart",
        "gone: null throughout",
        "holes: null in 3 rows of 5 (60%)",
        "kind: 1,001 categories, of which most models learn little",
    ]
