"""Gates and canaries as they are written become what a version is held to, and come back from a registry equal."""

from __future__ import annotations

import pytest

from featurectl.core.units import parse_duration
from featurectl.language.definitions.gates import Canary, CanarySuccess, Gates, Robustness
from featurectl.language.definitions.json_form import dump_definition, load_model
from featurectl.language.load import load_repo

FILES = {
    "featurectl.yaml": 'project: p\nenvironments: {dev: {registry: "sqlite:///r.db", offline: o, online: "sqlite:///n.db"}}\n',
    "all.yaml": """
entities: [{name: carrier, keys: {carrier: string}}]
sources:
  - {name: rows, path: rows.parquet, event_time: at, columns: {carrier: string, at: timestamp, x: float64, kind: string}}
  - {name: asks, path: asks.parquet, event_time: at, columns: {carrier: string, at: timestamp, y: bool}}
feature_views: [{name: v, entity: carrier, source: rows, features: [x, kind]}]
models:
  - name: late
    spine: {source: asks, time: at, label: {name: y}}
    features: [{v: [x]}, {feature: "v:kind", as: kind, type: category}]
    gates:
      min_auc: 0.65
      max_auc: 0.95
      min_auc_gain_over_champion: -0.002
      max_log_loss: 1
      max_model_size_mb: 50
      max_latency_p99_ms: 10
      robustness: {noise: 0.05, missing: 0.1, unseen: 0.2, max_mean_shift: 0.1, max_auc_drop: 0.02}
      slices: [kind]
    canary:
      percent: 5
      for: 30m
      min_requests: 1000
      success: {latency_p99_ms: 100, error_rate_percent: 0.1, freshness: 2h, score_psi: 0.2}
""",  # noqa: E501  # lines of a file or a screen
}


def test_gates_and_canaries_are_read_and_kept_whole(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    model = load_repo(tmp_path, lambda _: None).models["late"]
    assert model.gates == Gates(
        least={"auc": 0.65},
        most={"auc": 0.95, "log_loss": 1.0},
        least_gain={"auc": -0.002},
        max_model_size_mb=50,
        max_latency_p99_ms=10,
        robustness=Robustness(noise=0.05, missing=0.1, unseen=0.2, max_mean_shift=0.1, max_auc_drop=0.02),
        slices=("kind",),
    )
    two_hours = CanarySuccess(
        latency_p99_ms=100, error_rate_percent=0.1, freshness_us=parse_duration("2h"), score_psi=0.2
    )
    assert model.canary == Canary(percent=5, for_us=parse_duration("30m"), min_requests=1000, success=two_hours)
    loaded = load_model(dump_definition(model))
    assert (loaded.gates, loaded.canary) == (model.gates, model.canary)


@pytest.mark.parametrize(
    ("old", "new", "code", "message", "help_"),
    [
        ("min_auc: 0.65", "min_auk: 0.65", "FC104", 'no metric "auk" to bound', 'did you mean "min_auc"?'),
        ("max_log_loss", "max_gini", "FC104", 'no metric "gini" to bound', ""),
        ("min_auc_gain", "min_positive_rate_gain", "FC104", 'no metric "positive_rate" to bound', ""),
        ("max_model_size_mb", "max_model_size_kb", "FC104", "no metric", 'did you mean "max_model_size_mb"?'),
        ("slices: [kind]", "slices: [kin]", "FC201", 'model "late" has no input "kin"', 'did you mean "kind"?'),
        ("slices: [kind]", "slices: [x]", "FC104", 'slices: "x" is no category', ""),
        ("noise: 0.05, missing: 0.1, unseen: 0.2, ", "", "FC107", "needs one of: noise, missing, unseen", ""),
        (", max_mean_shift: 0.1, max_auc_drop: 0.02", "", "FC107", "needs one of: max_mean_shift, max_auc_drop", ""),
        ("missing: 0.1", "missing: 1.5", "FC104", '"missing" is above 0 and at most 1, not 1.5', ""),
        ("noise: 0.05", "noise: 0", "FC104", '"noise" is above 0, not 0', ""),
        ("max_mean_shift: 0.1", "max_mean_shift: -1", "FC104", '"max_mean_shift" is at least 0, not -1', ""),
        ("max_auc_drop: 0.02", "max_auc_drop: 2", "FC104", '"max_auc_drop" is from 0 to 1, not 2', ""),
        ("min_auc: 0.65", "min_auc: 65", "FC104", '"min_auc" is from 0 to 1, not 65', ""),
        ("max_auc: 0.95", "max_auc: 0.6", "FC104", '"min_auc" is at most "max_auc", 0.6, not 0.65', ""),
        ("max_auc: 0.95", "max_r2: 1.5", "FC104", '"max_r2" is at most 1, not 1.5', ""),
        ("max_auc: 0.95", "max_rmse: -1", "FC104", '"max_rmse" is at least 0, not -1', ""),
        ("max_latency_p99_ms: 10", "max_latency_p99_ms: 0", "FC104", '"max_latency_p99_ms" is above 0, not 0', ""),
        ("max_auc: 0.95", "min_f1_gain_over_champion: 2", "FC104", "is from -1 to 1, not 2", ""),
        (
            "    gates:",
            "    trainer: {estimator: a.B, seed: -1}\n    gates:",
            "FC104",
            '"seed" is from 0 to 2147483647',
            "",
        ),
        ("percent: 5", "percent: 101", "FC104", '"percent" is from 0 to 100, not 101', ""),
        ("percent: 5", "percent: -0.5", "FC104", '"percent" is from 0 to 100, not -0.5', ""),
        ("min_requests: 1000", "min_requests: -1", "FC104", '"min_requests" is at least 0, not -1', ""),
        ("error_rate_percent: 0.1", "error_rate_percent: 200", "FC104", "is from 0 to 100, not 200", ""),
    ],
)
def test_a_gate_on_what_nobody_can_measure_is_a_problem_with_a_place(tmp_path, old, new, code, message, help_):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace(old, new))
    (problem,) = load_repo(tmp_path, lambda _: None).errors
    assert problem.code == code
    assert message in problem.message
    assert help_ in problem.suggestion
    assert problem.place.line > 10


def test_slices_and_robustness_of_a_right_model_are_no_problem_and_are_run(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    repo = load_repo(tmp_path, lambda _: None)
    assert repo.errors == ()
    assert repo.unsupported == ()
