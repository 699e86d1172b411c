"""What alerts look at in a workspace: each figure is measured once in a look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.alerts import Alert
from featurectl.language.shapes.alerts import condition_of
from featurectl.monitor.alerts import data_metrics
from featurectl.monitor.alerts.all_metrics import observe
from featurectl.monitor.alerts.request_rows import RequestWindow
from featurectl.monitor.alerts.workspace_metrics import WorkspaceMetrics
from featurectl.registry.state import State

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = RequestWindow(since=NOW - timedelta(days=1), until=NOW)
HOUR = RequestWindow(since=NOW - timedelta(hours=1), until=NOW)


def drift_row(feature):
    return SimpleNamespace(
        model="late", version=2, feature=feature, kind="feature", n=5_000, n_reference=90_000, psi=0.3, ks=0.2,
        null_rate=0.25, null_rate_reference=0.01, enough=True, note="", beyond={"psi": 0.25, "ks": 0.1},
    )  # fmt: skip


@pytest.fixture
def world():
    """A world of an environment in which nothing is."""
    workspace = SimpleNamespace(environment=SimpleNamespace(name="prod", prediction_sample=1.0), now=NOW)
    return WorkspaceMetrics(workspace, State(project="shop", registry_id="r", serial=1))


def test_drift_is_measured_once_for_all_metrics_of_a_model_and_a_window(world, monkeypatch):
    asked = []

    def measure(_workspace, model, since, until):
        asked.append((model, until - since))
        return [drift_row("x")]

    monkeypatch.setattr(data_metrics, "drift_of", measure)
    found = [world.drift("late", metric, DAY)[0].value for metric in ("psi", "ks", "null_rate", "psi")]
    assert found == [0.25, 0.1, 0.25, 0.25]
    world.drift("late", "psi", HOUR)
    world.drift("churn", "psi", DAY)
    day, hour = timedelta(days=1), timedelta(hours=1)
    assert asked == [("late", day), ("late", hour), ("churn", day)]


def test_what_can_not_be_measured_is_tried_once_and_told_to_all(world, monkeypatch):
    asked = []

    def fail(*of):
        asked.append(of)
        raise DataError("no profile")

    monkeypatch.setattr(data_metrics, "skew_of", fail)
    for _ in range(2):
        with pytest.raises(DataError, match="no profile"):
            world.skew("late", DAY)
    assert len(asked) == 1


@pytest.mark.parametrize("metric", ["checks", "pipeline_failures"])
def test_unreadable_records_of_runs_make_an_alert_on_them_an_error(world, metric, monkeypatch):
    def gone(*_, **__):
        raise StoreError("the bucket is gone")

    monkeypatch.setattr("featurectl.monitor.alerts.workspace_metrics.recorded_runs", gone)
    monkeypatch.setattr(WorkspaceMetrics, "views", lambda _: [("spend", 1)])
    alert = Alert(name="a", when=condition_of(f"{metric} > 0"), severity="info", notify=("ops",))
    (found,) = observe(alert, world).observations
    assert (found.subject, found.value, found.error) == ("view:spend@1", None, "the bucket is gone")
    assert found.unreachable
