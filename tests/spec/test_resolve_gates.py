"""Gates and canaries as they are written become what a version is held to, and come back from a registry equal."""

from __future__ import annotations

from featurectl.spec.definition_gates import Canary, CanarySuccess, Gates, Robustness
from featurectl.spec.definition_json import dump_definition, load_model
from featurectl.spec.load import load_repo
from featurectl.units import parse_duration

FILES = {
    "featurectl.yaml": 'project: p\nenvironments: {dev: {registry: "sqlite:///r.db", offline: o, online: "sqlite:///n.db"}}\n',
    "all.yaml": """
entities: [{name: carrier, keys: {carrier: string}}]
sources:
  - {name: rows, path: rows.parquet, event_time: at, columns: {carrier: string, at: timestamp, x: float64, y: bool}}
feature_views: [{name: v, entity: carrier, source: rows, features: [x]}]
models:
  - name: late
    spine: {source: rows, time: at, label: {name: y}}
    features: [{v: [x]}, {feature: "v:x", as: kind, type: category}]
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
""",
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
