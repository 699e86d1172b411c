"""Metrics are those of scikit-learn, by name."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from featurectl.models.metrics import measure, task_of
from featurectl.models.runtimes.base import Classes

SEEDS = range(12)


def test_no_rows_and_scores_that_are_no_numbers_have_no_metrics():
    assert measure(np.empty(0), np.empty(0)) == {}
    assert measure(np.array([0, 1]), np.array([0.5, np.nan])) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_binary_metrics_are_scikit_learns_with_ties_and_without(seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(5, 400))
    label = rng.integers(0, 2, rows)
    label[:2] = (0, 1)
    scores = rng.random(rows).round(1 if seed % 2 else 9)
    said = scores >= 0.5
    expected = {
        "positive_rate": label.mean(),
        "accuracy": theirs.accuracy_score(label, said),
        "precision": theirs.precision_score(label, said, zero_division=0),
        "recall": theirs.recall_score(label, said),
        "f1": theirs.f1_score(label, said),
        "brier": theirs.brier_score_loss(label, scores),
        "auc": theirs.roc_auc_score(label, scores),
        "average_precision": theirs.average_precision_score(label, scores),
        "log_loss": theirs.log_loss(label, scores),
    }
    found = measure(label, scores)
    assert found == pytest.approx(expected, abs=1e-6)
    assert task_of(found) == "binary"


def test_one_class_has_no_auc_and_scores_without_probabilities_no_brier():
    assert "auc" not in measure(np.ones(3), np.array([0.1, 0.2, 0.9]))
    found = measure(np.array([0, 1, 1]), np.array([-2.0, 3.0, 1.0]))
    assert found["auc"] == 1
    assert not {"brier", "log_loss"} & set(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_numbers_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    label = rng.normal(size=50) * 10 + 1
    scores = label + rng.normal(size=50)
    expected = {
        "mae": theirs.mean_absolute_error(label, scores),
        "rmse": theirs.root_mean_squared_error(label, scores),
        "r2": theirs.r2_score(label, scores),
        "mape": theirs.mean_absolute_percentage_error(label, scores),
    }
    found = measure(label, scores)
    assert found == pytest.approx(expected, abs=2e-6)
    assert task_of(found) == "numbers"


def test_a_label_of_0_has_no_percentage_and_one_value_alone_no_r2():
    found = measure(np.array([0.0, 2.5]), np.array([0.1, 2.0]))
    assert "mape" not in found
    assert "r2" not in measure(np.array([2.5, 2.5]), np.array([0.1, 2.0]))


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_of_classes_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    names = np.array([0, 1, 2]) if seed % 2 else np.array([1, 5, 9])
    label = rng.choice(names, 80)
    label[:3] = names
    table = rng.dirichlet(np.ones(3), 80)
    scores = names[table.argmax(axis=1)].astype(np.float64)
    found = measure(label, scores, "classes", Classes(labels=names, table=table))
    expected = {
        "accuracy": theirs.accuracy_score(label, scores),
        "macro_f1": theirs.f1_score(label, scores, average="macro", zero_division=0),
        "log_loss": theirs.log_loss(label, table, labels=names),
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert task_of(found) == "classes"
    assert "log_loss" not in measure(label, scores, "classes")
