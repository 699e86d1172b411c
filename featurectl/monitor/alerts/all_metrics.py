"""The metrics that an alert can name, and what measures each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featurectl.language.definitions.alerts import Alert, Metric
from featurectl.monitor.alerts.measure import (
    MetricsReader,
    measure_checks,
    measure_drift,
    measure_freshness,
    measure_requests,
    measure_runs,
    measure_skew,
    measure_store,
    measure_streams,
)
from featurectl.monitor.alerts.observation import Observed

OBSERVERS: Final[Mapping[Metric, Callable[[Alert, MetricsReader], Observed]]] = {
    "freshness": measure_freshness,
    "latency_p50": measure_requests,
    "latency_p95": measure_requests,
    "latency_p99": measure_requests,
    "error_rate": measure_requests,
    "store_errors": measure_store,
    "psi": measure_drift,
    "js": measure_drift,
    "ks": measure_drift,
    "wasserstein": measure_drift,
    "null_rate": measure_drift,
    "skew": measure_skew,
    "checks": measure_checks,
    "pipeline_failures": measure_runs,
    "stream_lag": measure_streams,
}


def observe(alert: Alert, reader: MetricsReader) -> Observed:
    """Return an observation of each subject of an alert; an error of one of them is an observation, too."""
    return OBSERVERS[alert.when.metric](alert, reader)
