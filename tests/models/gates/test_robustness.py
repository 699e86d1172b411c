"""Models that lean on one exact value, or on every value being there, and models that do not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from featurectl.models.gates.robustness import RobustnessGate
from tests.models.gates.fitted import LIGHTGBM, LOGISTIC, X, category, looked, made, number

STUMPS = replace(LIGHTGBM, params={**LIGHTGBM.params, "num_leaves": 63, "min_child_samples": 1, "n_estimators": 200})


def on_a_comb(rows=4_000):
    """X tells the label by its hundredth digit alone: a little noise takes all of it away."""
    rng = np.random.default_rng(5)
    steps = rng.integers(0, 40, rows)
    return pl.DataFrame({"x": steps / 10, "y": (steps % 2 == 0) ^ (rng.random(rows) < 0.05)})


def test_noise_breaks_a_model_on_a_comb_and_not_one_on_a_slope():
    gate = RobustnessGate(kind="noise", amount=0.1, most_drop=0.05)
    comb, slope = looked(on_a_comb(), X, STUMPS), looked(made(), X)
    found = gate.measure(comb)
    assert (found.name, found.asked, found.passed) == ("robustness.noise", "0.1: AUC drop at most 0.05", False)
    assert float(found.measured.removeprefix("AUC drop ")) > 0.2
    assert gate.measure(slope).passed is True


def test_missing_values_break_a_model_of_one_input_and_not_one_of_many():
    frame = made(4_000)
    rng = np.random.default_rng(9)
    copies = {f"c{i}": frame["x"] + rng.normal(size=frame.height) * 0.1 for i in range(8)}
    gate = RobustnessGate(kind="missing", amount=0.5, most_drop=0.1)
    assert gate.measure(looked(frame, X)).passed is False
    many = looked(frame.with_columns(**copies), [number(name) for name in copies])
    assert gate.measure(many).passed is True


def test_scores_that_jump_when_values_are_missing_move_the_mean():
    frame = made(4_000)
    holed = frame.with_columns(pl.when(pl.int_range(pl.len()) % 20 == 0).then(None).otherwise("x").alias("x"))
    always = holed.with_columns(pl.when(pl.col("x").is_null()).then(pl.lit(value=True)).otherwise("y").alias("y"))
    gate = RobustnessGate(kind="missing", amount=0.3, most_shift=0.05)
    found = gate.measure(looked(always, X))
    assert found.passed is False
    assert found.measured.startswith("mean shift 0.")
    assert gate.measure(looked(holed, X)).passed is True


def test_an_input_with_a_default_is_given_that_when_it_is_missing():
    frame = made(4_000)
    holed = frame.with_columns(pl.when(pl.int_range(pl.len()) % 20 == 0).then(None).otherwise("x").alias("x"))
    always = holed.with_columns(pl.when(pl.col("x").is_null()).then(pl.lit(value=True)).otherwise("y").alias("y"))
    gate = RobustnessGate(kind="missing", amount=0.3, most_shift=0.05)
    assert gate.measure(looked(always, [number("x", default=0.0)])).passed is True


@pytest.mark.long
def test_unseen_categories_break_only_a_model_that_leans_on_one():
    frame = made(4_000)
    leaning = frame.with_columns(
        pl.when("y").then(pl.lit("up")).otherwise(pl.lit("down")).alias("true kind"),
        pl.Series("at", np.random.default_rng(2).random(4_000)),
    ).with_columns(pl.when(pl.col("at") < 0.9).then("true kind").otherwise("kind").alias("kind"))
    gate = RobustnessGate(kind="unseen", amount=0.5, most_drop=0.05)
    inputs = [number("x"), category("kind")]
    assert gate.measure(looked(leaning, inputs)).passed is False
    assert gate.measure(looked(frame, inputs)).passed is True
    assert gate.measure(looked(frame, X)).passed is None
    assert gate.measure(looked(frame, X)).measured == "no input can be disturbed so"


def test_a_model_that_refuses_nulls_does_not_stand_them():
    found = RobustnessGate(kind="missing", amount=0.1, most_shift=1.0).measure(looked(made(), X, LOGISTIC))
    assert found.passed is False
    assert found.measured.startswith("the model refuses such rows: ")


@pytest.mark.parametrize("kind", ["noise", "missing", "unseen"])
def test_one_seed_disturbs_the_same_values_and_leaves_the_rows_as_they_are(kind):
    seen = looked(made(), [number("x"), category("kind")])
    before = seen.matrix.copy()
    gate = RobustnessGate(kind=kind, amount=0.2, most_shift=1.0, most_drop=1.0)
    assert gate.measure(seen) == gate.measure(seen)
    np.testing.assert_array_equal(seen.matrix, before)
    other = gate.measure(replace(seen, seed=8))
    assert other.measured != gate.measure(seen).measured
