"""Each gate turns away a model that has the property it asks about, and lets one pass that has not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from featurectl.core.errors import DataError
from featurectl.language.definitions.gates import LESS_IS_BETTER, METRICS, MORE_IS_BETTER, Gates, Robustness
from featurectl.models.gates.all_gates import gates_asked
from featurectl.models.gates.base import Champion
from featurectl.models.gates.equality import EqualityGate
from featurectl.models.gates.evaluate import failed_gates, measure_gates
from featurectl.models.gates.evidence import evidence_of_fitted
from featurectl.models.gates.latency import LatencyGate
from featurectl.models.gates.leakage import LeakageGate, auc_alone
from featurectl.models.gates.metric import GainGate, MetricGate
from featurectl.models.gates.size import SizeGate
from featurectl.models.gates.slices import SliceGate
from featurectl.models.metrics import measure
from tests.models.gates.fitted import LIGHTGBM, LINEAR, X, category, fitted, looked, made, number

SLOW = replace(LIGHTGBM, estimator="tests.models.score_by_hand:slowly", params={})


def test_a_model_that_knows_something_reaches_a_metric_and_noise_does_not():
    gate = MetricGate(metric="auc", least=0.7)
    good, bad = looked(made(), X), looked(made(), [number("z")])
    assert gate.measure(good).passed is True
    found = gate.measure(bad)
    assert (found.name, found.asked, found.passed) == ("min_auc", "at least 0.7", False)
    assert found.measured == f"{measure(bad.label, bad.scores)['auc']:.6g}"
    assert 0.4 < float(found.measured) < 0.6


def test_a_model_that_was_given_the_label_is_too_good():
    gate = MetricGate(metric="auc", most=0.95)
    frame = made()
    leaky = frame.with_columns(pl.col("y").cast(pl.Float64).alias("z"))
    assert gate.measure(looked(frame, X)).passed is True
    found = gate.measure(looked(leaky, [number("x"), number("z")]))
    assert (found.measured, found.passed) == ("1", False)


def test_an_error_has_an_upper_bound():
    frame = made().with_columns((pl.col("x") * 2).alias("y"))
    gate = MetricGate(metric="rmse", most=0.5)
    assert gate.measure(looked(frame, X, LINEAR)).passed is True
    found = gate.measure(looked(frame, [number("z")], LINEAR))
    assert found.passed is False
    assert float(found.measured) > 1.5


def test_a_metric_that_the_rows_do_not_give_is_not_reached():
    gate = MetricGate(metric="rmse", most=100)
    found = gate.measure(looked(made(), X))
    assert found.passed is False
    names = "accuracy, auc, average_precision, brier, f1, log_loss, positive_rate, precision, recall"
    assert found.measured == f"not measured: the validation rows give {names}"
    none = looked(made(), X, replace(LIGHTGBM, split_fraction=0.0))
    assert MetricGate(metric="auc", least=0.5).measure(none).measured == "not measured: there are no validation rows"


def three(rows=1_200):
    """Rows of three classes that x tells; of kind b there are the classes 0 and 1 alone."""
    frame = made(rows)
    of_b = pl.col("kind") == "b"
    return frame.with_columns(
        pl.when(of_b)
        .then((pl.col("x") > 0).cast(pl.Int64))
        .otherwise((pl.col("x") > 0.4).cast(pl.Int64) * 2)
        .alias("y")
    )


def test_a_model_of_several_classes_is_held_to_its_registered_metrics():
    frame, inputs = three(), [number("x"), category("kind")]
    model = fitted(frame, inputs)
    good, bad = evidence_of_fitted(model, 7, None), looked(frame, [number("z")])
    assert {"accuracy", "macro_f1", "log_loss"} == set(model.metrics)
    for gate in (MetricGate(metric="macro_f1", least=0.6), MetricGate(metric="log_loss", most=0.6)):
        found = gate.measure(good)
        assert (found.measured, found.passed) == (f"{model.metrics[gate.metric]:.6g}", True)
        assert gate.measure(bad).passed is False
    assert "accuracy, log_loss, macro_f1" in MetricGate(metric="auc", least=0.5).measure(good).measured
    champion = Champion(version=1, scores=bad.scores, classes=bad.classes)
    for metric in ("macro_f1", "log_loss"):
        assert GainGate(metric=metric, least=0.1).measure(replace(good, champion=champion)).passed is True
    beaten = replace(bad, champion=Champion(version=1, scores=good.scores, classes=good.classes))
    assert GainGate(metric="log_loss", least=0.0).measure(beaten).passed is False


def test_a_slice_of_two_of_three_classes_is_measured_as_all_of_them_are():
    frame = three(2_000)
    gate = SliceGate(column="kind", bound=MetricGate(metric="macro_f1", least=0.6))
    good = gate.measure(looked(frame, [number("x"), category("kind")]))
    assert good.passed is True
    assert good.measured.endswith("of 2 values")
    assert gate.measure(looked(frame, [number("z"), category("kind")])).passed is False


def test_a_number_that_is_0_or_1_in_all_rows_of_a_slice_is_still_a_number():
    frame = made().with_columns(pl.when(pl.int_range(pl.len()) < 1_000).then(pl.col("x") * 3).otherwise("y").alias("y"))
    seen = looked(frame, X, LINEAR)
    assert MetricGate(metric="rmse", most=100).measure(seen).passed is True
    assert MetricGate(metric="auc", least=0.1).measure(seen).passed is False
    assert LeakageGate().measure(seen).passed is None


def test_a_score_that_is_no_number_is_told():
    seen = looked(made(400), X)
    broken = replace(seen, scores=np.where(np.arange(len(seen.scores)) == 3, np.nan, seen.scores))
    found = MetricGate(metric="auc", least=0.5).measure(broken)
    assert (found.measured, found.passed) == ("not measured: a score is no finite number", False)
    rival = Champion(version=4, scores=broken.scores)
    gained = GainGate(metric="auc", least=0.0).measure(replace(seen, champion=rival))
    assert gained.measured == "not measured: of champion v4 a score is no finite number"


@pytest.mark.parametrize(("least", "passed"), [(-0.002, False), (-0.5, True)])
def test_a_version_that_is_worse_than_the_champion_gains_less_than_nothing(least, passed):
    frame = made()
    champion = looked(frame, X)
    rival = Champion(version=3, scores=champion.scores)
    worse = looked(frame, [number("z")], champion=rival)
    found = GainGate(metric="auc", least=least).measure(worse)
    own, other = (measure(item.label, item.scores)["auc"] for item in (worse, champion))
    assert found.passed is passed
    assert found.measured == f"{own - other:.6g} ({own:.6g}, champion v3 {other:.6g})"


def test_a_version_better_than_the_champion_gains_where_less_is_better_too():
    frame = made()
    rival = Champion(version=1, scores=looked(frame, [number("z")]).scores)
    better = looked(frame, X, champion=rival)
    for metric in ("auc", "log_loss"):
        assert GainGate(metric=metric, least=0.01).measure(better).passed is True
    worse = looked(frame, [number("z")], champion=Champion(version=1, scores=better.scores))
    assert GainGate(metric="log_loss", least=0.0).measure(worse).passed is False


def test_no_champion_is_nothing_to_gain_and_one_that_fails_is_not_beaten():
    gate = GainGate(metric="auc", least=0.5)
    seen = looked(made(), X)
    found = gate.measure(seen)
    assert (found.measured, found.passed) == ("no champion", True)
    mute = gate.measure(replace(seen, champion=Champion(version=2, scores=seen.scores[:0], missing="its file is gone")))
    assert (mute.measured, mute.passed) == ("not measured: champion v2: its file is gone", False)


@pytest.mark.long
def test_a_large_model_is_turned_away_and_a_small_one_not():
    large = looked(made(), X, replace(LIGHTGBM, params={**LIGHTGBM.params, "n_estimators": 300}))
    gate = SizeGate(most=0.1)
    assert gate.measure(large).passed is False
    assert float(gate.measure(large).measured) == pytest.approx(large.size_bytes / 1e6, rel=1e-5)
    assert gate.measure(looked(made(), X)).passed is True


@pytest.mark.long
def test_a_model_that_takes_its_time_is_turned_away_and_a_quick_one_not():
    """The slow one sleeps five milliseconds a call; the quick one has a minute."""
    found = LatencyGate(most=1.0).measure(looked(made(400), X, SLOW, allow_pickle=True))
    assert found.passed is False
    assert float(found.measured.split()[0]) >= 5
    calls = int(found.measured.split("(")[1].split()[0].replace(",", ""))
    assert 200 <= calls <= 1_000
    quick = LatencyGate(most=60_000.0).measure(looked(made(400), X))
    assert (quick.passed, quick.asked) == (True, "at most 60000")


def test_a_converted_model_that_is_another_one_is_found_out():
    ours, other = fitted(made(), X), fitted(made(seed=2), X)
    gate = EqualityGate()
    same = gate.measure(evidence_of_fitted(ours, 7, None))
    assert same.passed is True
    assert same.measured.endswith("apart (100 rows)")
    swapped = gate.measure(evidence_of_fitted(replace(ours, onnx=other.onnx), 7, None))
    assert swapped.passed is False
    assert " for " in swapped.measured


def test_a_model_without_a_converted_form_has_nothing_to_compare():
    found = EqualityGate().measure(looked(made(200), X, SLOW, allow_pickle=True))
    assert (found.passed, found.measured) == (None, "a Python function has no conversion")


@pytest.mark.parametrize(
    "leak",
    [
        pl.col("y").cast(pl.Float64),
        -pl.col("y").cast(pl.Float64),
        pl.when("y").then(None).otherwise(pl.col("x")),
        pl.when("y").then(pl.col("x").clip(-1, 1)).otherwise(None),
    ],
    ids=["the label", "the label turned round", "null where it is true", "null where it is false"],
)
def test_a_number_that_knows_the_label_is_named(leak):
    frame = made().with_columns(leak.alias("z"))
    found = LeakageGate().measure(looked(frame, [number("x"), number("z")]))
    assert (found.passed, found.measured) == (False, "z 1")


def test_a_category_that_knows_the_label_is_named_and_a_unique_one_is_not():
    frame = made().with_columns(
        pl.when("y").then(pl.lit("landed late")).otherwise(pl.lit("in time")).alias("kind"),
        pl.int_range(pl.len()).cast(pl.String).alias("id"),
    )
    found = LeakageGate().measure(looked(frame, [number("x"), category("kind"), category("id")]))
    assert (found.passed, found.measured) == (False, "kind 1")


def test_a_column_alone_is_judged_as_scikit_learn_judges_scores():
    rng = np.random.default_rng(4)
    label = (rng.random(500) < 0.3).astype(np.int64)
    for column in (rng.normal(size=500), rng.integers(0, 5, 500), label + rng.normal(size=500)):
        values = column.astype(np.float32)
        auc = roc_auc_score(label, values)
        assert auc_alone(values, label, is_category=False, seed=1) == pytest.approx(max(auc, 1 - auc), abs=1e-6)
    assert auc_alone(values, np.zeros(500, dtype=np.int64), is_category=False, seed=1) == 0.5


def test_inputs_that_know_a_part_of_it_pass_and_the_best_is_told():
    found = LeakageGate().measure(looked(made(), [number("z"), number("x"), category("kind")]))
    assert found.passed is True
    assert found.measured.startswith("x 0.")


def test_few_rows_prove_no_leak_and_neither_does_a_label_of_many_values():
    few = made(150).with_columns(pl.col("y").cast(pl.Float64).alias("z"))
    found = LeakageGate().measure(looked(few, [number("z")]))
    assert found.passed is None
    assert found.measured.endswith("100 are enough, 10 of each class")
    many = made().with_columns((pl.col("x") * 2).alias("y"))
    assert LeakageGate().measure(looked(many, X, LINEAR)).passed is None


def test_one_value_of_a_category_in_which_the_model_knows_nothing_is_found():
    frame = made(4_000)
    noise = np.random.default_rng(3).random(4_000) > 0.5
    blind = frame.with_columns(pl.when(pl.col("kind") == "b").then(pl.Series(noise)).otherwise("y").alias("y"))
    inputs = [number("x"), category("kind")]
    gate = SliceGate(column="kind", bound=MetricGate(metric="auc", least=0.6))
    assert (gate.name, gate.asked) == ("slices.kind.min_auc", "at least 0.6 in each value with 100 rows")
    good = gate.measure(looked(frame, inputs))
    assert good.passed is True
    assert good.measured.endswith("of 2 values")
    bad = looked(blind, inputs)
    assert MetricGate(metric="auc", least=0.6).measure(bad).passed is True  # over all it is good enough
    found = gate.measure(bad)
    assert found.passed is False
    assert found.measured.startswith("b 0.")


def test_values_with_few_rows_are_told_and_turn_nobody_away():
    frame = made(4_000)
    few = pl.int_range(pl.len()) % 100 == 0
    rare = frame.with_columns(
        pl.when(few).then(pl.lit("rare")).otherwise(pl.lit("common")).alias("kind"),
        pl.when(few).then(pl.col("x") < 0).otherwise("y").alias("y"),
    )
    gate = SliceGate(column="kind", bound=MetricGate(metric="auc", least=0.6))
    found = gate.measure(looked(rare, [number("x"), category("kind")]))
    assert found.passed is True
    assert found.measured.endswith("of 1 value; 1 value with too few rows to tell")
    short = gate.measure(looked(made(150), [number("x"), category("kind")]))
    assert (short.passed, short.measured) == (None, "2 values with too few rows to tell")


def test_a_value_with_rows_of_one_class_is_another_case_than_one_with_few():
    frame = made().with_columns(pl.when(pl.col("kind") == "b").then(pl.lit(value=False)).otherwise("y").alias("y"))
    gate = SliceGate(column="kind", bound=MetricGate(metric="auc", least=0.6))
    found = gate.measure(looked(frame, [number("x"), category("kind")]))
    assert found.passed is True
    assert found.measured.endswith("of 1 value; 1 value whose rows do not give auc")


def test_gates_are_the_bounds_of_the_model_and_those_of_every_model():
    gates = Gates(
        least={"auc": 0.6},
        most={"auc": 0.95},
        least_gain={"auc": -0.01},
        max_model_size_mb=1,
        max_latency_p99_ms=1_000,
        robustness=Robustness(noise=0.1, unseen=0.5, max_mean_shift=0.5),
        slices=("kind",),
    )
    results = measure_gates(gates_asked(gates), lambda: looked(made(), [number("x"), category("kind")]))
    assert [item.name for item in results] == [
        "min_auc", "max_auc", "min_auc_gain_over_champion", "slices.kind.min_auc", "slices.kind.max_auc",
        "max_model_size_mb", "max_latency_p99_ms", "robustness.noise", "robustness.unseen", "onnx_equals_native",
        "single_feature_auc",
    ]  # fmt: skip
    assert failed_gates(results) == []
    assert [gate.name for gate in gates_asked(None)] == ["onnx_equals_native", "single_feature_auc"]


def test_what_was_measured_is_measured_again_only_if_the_gates_changed():
    asked = gates_asked(Gates(least={"auc": 0.6}))
    stored = measure_gates(asked, lambda: looked(made(), X))

    def nothing():
        raise AssertionError

    assert measure_gates(asked, nothing, stored) == stored
    stricter = measure_gates(gates_asked(Gates(least={"auc": 0.99})), lambda: looked(made(), X), stored)
    assert [item.name for item in failed_gates(stricter)] == ["min_auc"]
    gain = gates_asked(Gates(least_gain={"auc": 0.0}))
    before = measure_gates(gain, lambda: looked(made(), X))
    with pytest.raises(AssertionError):
        measure_gates(gain, nothing, before)


def test_a_bound_moved_by_less_than_the_shown_digits_is_measured_again():
    frame = made().with_columns((pl.col("x") * 2_000_000).alias("y"))
    seen = looked(frame, [number("z")], LINEAR)
    rmse = measure(seen.label, seen.scores)["rmse"]
    passed = measure_gates(gates_asked(Gates(most={"rmse": rmse + 0.2})), lambda: seen)
    assert failed_gates(passed) == []
    stricter = measure_gates(gates_asked(Gates(most={"rmse": rmse - 0.2})), lambda: seen, passed)
    (failed,) = failed_gates(stricter)
    assert failed.asked == f"at most {rmse - 0.2!r}"
    assert failed.measured == f"{rmse:.1f}"


def test_a_metric_that_nobody_measures_is_an_error():
    with pytest.raises(DataError, match="no metric 'auk'") as caught:
        gates_asked(Gates(most={"auk": 1.0}))
    assert caught.value.code == "FC104"


def test_every_metric_that_is_measured_can_be_asked_for():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=50)
    found = {**measure(numbers > 0, rng.random(50)), **measure(numbers, rng.normal(size=50))}
    assert set(found) <= set(METRICS)
    assert set(METRICS) - {"positive_rate"} == {*MORE_IS_BETTER, *LESS_IS_BETTER}
