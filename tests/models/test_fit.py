"""Models are fitted on the past and measured on what comes after."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.core.units import DAY_US
from featurectl.language.definitions.model import Trainer
from featurectl.models.fit import fit_model
from featurectl.models.golden_rows import load_golden
from featurectl.models.request_matrix import RowEncoder
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.split import Examples, split_by_time, split_examples
from featurectl.registry.state import BoundFeature

START = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")


def times(*days):
    return pl.Series("t", [None if d is None else START + timedelta(days=d) for d in days], dtype=INSTANT)


def examples(n=400, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    label = pl.Series("y", x + rng.normal(size=n) * 0.5 > 0)
    return Examples(rows=pl.DataFrame({"x": x}), label=label, time=times(*range(n)))


INPUTS = [BoundFeature(name="x", dtype="float64", model_dtype="float64")]
LIGHTGBM = Trainer(
    estimator="lightgbm.LGBMClassifier",
    params={"n_estimators": 20, "num_threads": 1, "verbose": -1, "deterministic": True},
    seed=7,
)
LOGISTIC = Trainer(estimator="sklearn.linear_model.LogisticRegression", params={}, seed=7)


def test_rows_of_one_instant_stay_on_one_side_of_the_split():
    is_train, cut = split_by_time(times(0, 1, 2, 2, 2, 3, 4, 5), 0.5)
    assert cut == START + timedelta(days=2)
    assert is_train.tolist() == [True, True, False, False, False, False, False, False]


def test_a_fraction_of_0_trains_on_everything():
    is_train, cut = split_by_time(times(0, 1, 2), 0.0)
    assert is_train.all()
    assert cut is None


def test_lightgbm_is_kept_as_text_and_gives_the_same_scores_back():
    fitted = fit_model(examples(), INPUTS, LIGHTGBM, allow_pickle=False, model="m")
    assert (fitted.format, fitted.rows_train, fitted.rows_validation) == ("txt", 300, 100)
    assert fitted.metrics["auc"] > 0.8
    again = fit_model(examples(), INPUTS, LIGHTGBM, allow_pickle=False, model="m")
    assert again.content == fitted.content
    runtime = load_runtime(fitted.format, fitted.content, allow_pickle=False)
    scores = runtime.predict(fitted.form.encode(pl.DataFrame({"x": [-2.0, 2.0, None]})))
    assert 0 <= scores[0] < 0.2
    assert 0.8 < scores[1] <= 1


def test_scikit_learn_is_kept_as_data_and_converted():
    data = examples()
    fitted = fit_model(data, INPUTS, LOGISTIC, allow_pickle=False, model="m")
    assert fitted.format == "skops"
    rows = fitted.form.encode(pl.DataFrame({"x": [3.0, -3.0]}))
    scores = load_runtime(fitted.format, fitted.content, allow_pickle=False).predict(rows)
    assert scores[0] > 0.9
    assert fitted.onnx.missing == ""
    np.testing.assert_allclose(
        load_runtime("onnx", fitted.onnx.content, allow_pickle=False).predict(rows), scores, atol=1e-6
    )


def test_golden_rows_are_training_rows_with_their_scores():
    fitted = fit_model(examples(), INPUTS, LIGHTGBM, allow_pickle=False, model="m")
    golden = load_golden(fitted.golden)
    native = load_runtime(fitted.format, fitted.content, allow_pickle=False)
    assert len(golden.scores) == 100
    matrix = RowEncoder(fitted.form.inputs).encode(golden.columns, 100)
    assert native.predict(matrix).tolist() == golden.scores.tolist()
    assert set(golden.columns["x"]) <= set(examples().rows["x"].head(300))


@pytest.mark.parametrize("estimator", ["tests.models.score_by_hand:first_column", "nowhere:f"])
def test_a_function_is_not_imported_unless_the_model_allows_it(estimator):
    trainer = Trainer(estimator=estimator, params={}, seed=0)
    with pytest.raises(DataError, match="a Python function, which runs code") as caught:
        fit_model(examples(), INPUTS, trainer, allow_pickle=False, model="m")
    assert caught.value.code == "FC514"


def test_a_function_is_measured_and_has_golden_rows_too():
    trainer = Trainer(estimator="tests.models.score_by_hand:first_column", params={}, seed=0)
    fitted = fit_model(examples(), INPUTS, trainer, allow_pickle=True, model="m")
    assert fitted.format == "py"
    assert fitted.metrics["auc"] > 0.8
    assert fitted.onnx.missing == "a Python function has no conversion"
    assert len(load_golden(fitted.golden).scores) == 100


def test_rows_without_label_or_time_are_left_out():
    data = examples()
    label = data.label.to_list()
    label[0] = None
    late = data.time.to_list()
    late[1] = None
    holed = Examples(rows=data.rows, label=pl.Series("y", label), time=pl.Series("t", late, dtype=INSTANT))
    fitted = fit_model(holed, INPUTS, LIGHTGBM, allow_pickle=False, model="m")
    assert fitted.rows_train + fitted.rows_validation == 398


def test_a_regression_is_measured_in_the_units_of_its_label():
    data = examples()
    numeric = Examples(rows=data.rows, label=data.rows["x"] * 2, time=data.time)
    trainer = Trainer(estimator="sklearn.linear_model.LinearRegression", params={}, seed=0)
    fitted = fit_model(numeric, INPUTS, trainer, allow_pickle=True, model="m")
    assert fitted.metrics["rmse"] < 1e-3
    assert fitted.metrics["r2"] > 0.999


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (Trainer(estimator="nowhere.Model"), "nowhere.Model can't be imported"),
        (Trainer(estimator="lightgbm.Nothing"), "lightgbm.Nothing can't be imported"),
        (Trainer(estimator="sklearn.linear_model.LogisticRegression", params={"depth": 3}), "does not take these"),
        (Trainer(estimator="datetime.date", params={"year": 1, "month": 1, "day": 1}), "has no fit and predict"),
    ],
)
def test_an_estimator_that_can_not_be_made_is_named(trainer, message):
    with pytest.raises(DataError, match=message) as caught:
        fit_model(examples(), INPUTS, trainer, allow_pickle=True, model="m")
    assert caught.value.code == "FC513"


def test_no_rows_with_a_label_is_an_error_with_numbers():
    data = examples(4)
    empty = Examples(rows=data.rows, label=pl.Series("y", [None] * 4, dtype=pl.Boolean), time=data.time)
    with pytest.raises(DataError, match=r"model m: no rows to train on \(4 rows, 0 with a label; the last "):
        fit_model(empty, INPUTS, LIGHTGBM, allow_pickle=False, model="m")


def test_rows_that_a_sample_a_split_or_a_horizon_takes_away_are_told():
    data = examples(40)
    with pytest.raises(DataError, match=r"0 with a label in a sample of 1e-05; the last 0\.5 of these"):
        fit_model(data, INPUTS, replace(LIGHTGBM, sample=1e-5, split_fraction=0.5), allow_pickle=False, model="m")
    far = replace(data, horizon_us=1_000 * DAY_US)
    with pytest.raises(DataError, match="40 with a label; the last") as caught:
        fit_model(far, INPUTS, LIGHTGBM, allow_pickle=False, model="m")
    assert caught.value.hint == "a label looks 1000d ahead, and must end before the validation begins"


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "lightgbm.LGBMClassifier",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.linear_model.LogisticRegression",
    ],
)
@pytest.mark.parametrize(
    ("label", "told"),
    [([True] * 40, "are true"), ([0] * 30 + [1] * 10, "are 0")],
    ids=["true throughout", "0 in those to train on"],
)
def test_a_classifier_is_not_fitted_on_labels_of_one_class(name, label, told):
    data = replace(examples(40), label=pl.Series("y", label))
    with pytest.raises(DataError, match=f"model m: all 30 labels to train on {told}: nothing can be learned") as caught:
        fit_model(data, INPUTS, Trainer(estimator=name, params={}), allow_pickle=False, model="m")
    assert caught.value.code == "FC515"


def test_a_regression_of_a_constant_label_is_warned_of():
    trainer = Trainer(estimator="sklearn.linear_model.LinearRegression", params={})
    fitted = fit_model(replace(examples(40), label=pl.Series("y", [2.5] * 40)), INPUTS, trainer,
                       allow_pickle=False, model="m")  # fmt: skip
    (warning,) = fitted.warnings
    assert warning.sentence == "all 30 labels to train on are 2.5: there is nothing to learn but that"
    fitted = fit_model(replace(examples(40), label=pl.Series("y", [2.5] * 39 + [3.0])), INPUTS, trainer,
                       allow_pickle=False, model="m")  # fmt: skip
    assert len(fitted.warnings) == 1  # those to train on are the same still
    varied = replace(examples(40), label=pl.Series("y", [2.0, *[2.5] * 39]))
    assert fit_model(varied, INPUTS, trainer, allow_pickle=False, model="m").warnings == ()


def test_a_row_to_judge_on_that_the_model_refuses_is_named():
    data = examples(40)
    rows = data.rows.with_columns(x=pl.when(pl.int_range(pl.len()) == 33).then(None).otherwise("x"))
    with pytest.raises(DataError) as caught:
        fit_model(replace(data, rows=rows), INPUTS, LOGISTIC, allow_pickle=False, model="m")
    assert caught.value.code == "FC532"
    told = "model m has no score for row 4 of those to judge it on: its input x is null (Input X contains NaN.)"
    assert caught.value.message == told


def test_a_text_label_is_refused():
    data = examples(4)
    text = Examples(rows=data.rows, label=pl.Series("y", list("abcd")), time=data.time)
    with pytest.raises(DataError, match="the label y is String"):
        fit_model(text, INPUTS, LIGHTGBM, allow_pickle=False, model="m")


def test_rows_with_a_label_inside_the_validation_period_are_not_trained_on():
    data = replace(examples(10), label=pl.Series("y", [True, False] * 5), horizon_us=2 * DAY_US)
    few = replace(LIGHTGBM, split_fraction=0.3)
    fitted = fit_model(data, INPUTS, few, allow_pickle=False, model="m")
    assert fitted.validation_from == START + timedelta(days=7)
    assert (fitted.rows_train, fitted.rows_validation) == (6, 3)  # day 6 is of neither; day 5 ends at the cut
    everything = fit_model(data, INPUTS, replace(few, split_fraction=0.0), allow_pickle=False, model="m")
    assert (everything.rows_train, everything.rows_validation) == (10, 0)


def test_rows_later_than_now_are_left_out_and_counted():
    label = pl.Series("y", [i % 2 == 0 for i in range(20)])
    rows = Examples(rows=pl.DataFrame({"x": range(20)}), label=label, time=times(*range(20)))
    until = replace(rows, now=rows.time[14])
    split = split_examples(until, replace(LIGHTGBM, split_fraction=0.2), "m")
    assert split.left_out["later_than_now"] == 5
    assert [*split.train.taken, *split.judged.taken] == [*range(15)]
    beside = split_examples(replace(rows, holdout=until), LIGHTGBM, "m")
    assert (beside.left_out["later_than_now"], beside.left_out["validation_later_than_now"]) == (0, 5)
    with pytest.raises(DataError, match="20 rows, 20 later than now, 0 with a label"):
        split_examples(replace(rows, now=rows.time[0] - timedelta(days=1)), LIGHTGBM, "m")


def test_rows_that_are_left_out_are_counted_by_reason():
    n = 40
    label = pl.Series("y", [None if i % 10 == 3 else i % 2 == 0 for i in range(n)])
    time = times(*(None if i == 4 else i for i in range(n)))
    rows = Examples(rows=pl.DataFrame({"x": range(n)}), label=label, time=time, horizon_us=3 * DAY_US)
    split = split_examples(rows, replace(LIGHTGBM, split_fraction=0.25), "m")
    none = {"later_than_now": 0, "not_sampled": 0}
    assert split.left_out == {**none, "no_time": 1, "null_label": 4, "label_in_validation": 2}
    assert split.train.rows.height + split.judged.rows.height + sum(split.left_out.values()) == n
    drawn = split_examples(rows, replace(LIGHTGBM, split_fraction=0.0, sample=0.5), "m")
    assert drawn.left_out["not_sampled"] == n - 5 - drawn.train.rows.height > 0


def test_rows_of_a_holdout_are_counted_apart():
    n = 10
    holdout = Examples(
        rows=pl.DataFrame({"x": range(3)}), label=pl.Series("y", [True, None, False]), time=times(1, 2, 3)
    )
    rows = Examples(rows=pl.DataFrame({"x": range(n)}), label=pl.Series("y", [True, False] * 5), time=times(*range(n)))
    split = split_examples(replace(rows, holdout=holdout), LIGHTGBM, "m")
    none = {"no_time": 0, "later_than_now": 0, "null_label": 0, "not_sampled": 0, "validation_no_time": 0}
    assert split.left_out == {**none, "validation_later_than_now": 0, "validation_null_label": 1}
