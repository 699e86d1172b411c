"""Look at a workspace for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from featurectl.core.progress import Progress
from featurectl.monitor.alerts.data_metrics import failed_checks
from featurectl.monitor.health import check_results, look, runs_seen, served_view
from featurectl.monitor.prometheus.metrics import MetricsSnapshot, metrics_text
from featurectl.registry.applied import served_views

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace

_BACK: Final = timedelta(days=30)


def read_metrics(workspace: Workspace, progress: Progress) -> bytes:
    """Return the metrics of an environment now; that records of runs can't be read is a warning.

    Raises:
        CheckFailedError: nothing is applied.
        StoreError: the registry can't be read.
    """
    state = workspace.applied_state()
    seen, unread = runs_seen(workspace, _BACK)
    runs = [run for run in seen if run.state == "ended"]
    snapshot = MetricsSnapshot(
        project=workspace.project,
        environment=workspace.environment.name,
        now=workspace.now,
        at=datetime.now(UTC),
        rows=look(workspace, state, entities=True),
        runs=runs,
        checks=check_results(workspace, state, runs),
        failing=failed_checks([served_view(workspace, item) for item in served_views(state)], runs, workspace.now),
        alerts=workspace.registry().alerts(workspace.project, workspace.environment.name).load_states(),
    )
    if unread:
        progress.done(f"warning: no runs and no checks: {unread}")
    return metrics_text(snapshot)
