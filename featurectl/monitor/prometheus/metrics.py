"""Rows of status, runs and checks as metrics, in the names and base units of Prometheus.

A metric of a row that has no such number is left out: it is no zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from featurectl.core.units import SECOND_US
from featurectl.monitor.alerts.data_metrics import FailureCount
from featurectl.monitor.checks import CheckHistory
from featurectl.monitor.freshness import FreshnessRow, Verdict, age_at
from featurectl.monitor.prometheus.names import FAILING, PREFIX, UP
from featurectl.offline.runs import RunRecord
from featurectl.registry.alert_state import AlertState

_WHERE: Final = ("project", "environment")
_ROW: Final = (*_WHERE, "kind", "name", "version")
_RUN: Final = (*_WHERE, "view", "version", "command")
_CHECK: Final = (*_WHERE, "of", "check", "severity")
_VIEW: Final = (*_WHERE, "view", "version")
_ALERT: Final = (*_WHERE, "alert", "subject", "severity")
_NUMBERS: Final = {
    "age_seconds": "The age that is judged: of the newest row of a source, or behind a view's values.",
    "event_age_seconds": "From the newest event to now.",
    "computed_age_seconds": "From the instant of the values that a view serves to now.",
    "warn_after_seconds": "The age past which a row is WARN.",
    "error_after_seconds": "The age past which a row is STALE.",
    "rows": "Rows of a view's offline table.",
    "online_keys": "Entities of a view in the online store.",
    "entities": "Entities of a state view that are served.",
    "stale_entities": "Entities of a state view whose values are older than ttl, or known for longer than error_after.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """What one look at an environment found: as of `now`, by the clock at `at`. `runs` are sorted, the newest last.

    `failing` are the checks that failed in the last runs of each view version that is served.
    """

    project: str
    environment: str
    now: datetime
    at: datetime
    rows: Sequence[FreshnessRow]
    runs: Sequence[RunRecord] = ()
    checks: Sequence[CheckHistory] = ()
    failing: Sequence[FailureCount] = ()
    alerts: Sequence[AlertState] = ()


def metrics_text(looked: MetricsSnapshot) -> bytes:
    """Return the metrics of a look, in the text format of Prometheus."""
    registry = CollectorRegistry()
    where = (looked.project, looked.environment)
    _add_rows(registry, where, looked)
    _add_runs(registry, where, looked.runs)
    _add_checks(registry, where, looked.checks)
    _add_failing(registry, where, looked.failing)
    _add_alerts(registry, where, looked.alerts)
    _add_up(registry, where, up=True)
    seen = Gauge(
        f"{PREFIX}timestamp_seconds", "When the stores were looked at, by the clock.", _WHERE, registry=registry
    )
    seen.labels(*where).set(looked.at.timestamp())
    return generate_latest(registry)


def metrics_of_failure(project: str, environment: str) -> bytes:
    """Return the metrics of a look that failed: that it did, and no other, for those would be of before."""
    registry = CollectorRegistry()
    _add_up(registry, (project, environment), up=False)
    return generate_latest(registry)


def _add_up(registry: CollectorRegistry, where: tuple[str, str], *, up: bool) -> None:
    gauge = Gauge(UP, "1 when the registry could be looked at, and something is applied.", _WHERE, registry=registry)
    gauge.labels(*where).set(up)


def _add_rows(registry: CollectorRegistry, where: tuple[str, str], looked: MetricsSnapshot) -> None:
    gauges = {name: Gauge(PREFIX + name, text, _ROW, registry=registry) for name, text in _NUMBERS.items()}
    states = Gauge(f"{PREFIX}state", "1 for the state that a row is in.", (*_ROW, "state"), registry=registry)
    for row in looked.rows:
        labels = (*where, row.kind, row.name, "" if row.version is None else str(row.version))
        for name, value in _numbers(row, looked.now).items():
            if value is not None:
                gauges[name].labels(*labels).set(value)
        for verdict in get_args(Verdict):
            states.labels(*labels, verdict).set(row.verdict == verdict)


def _numbers(row: FreshnessRow, now: datetime) -> dict[str, float | None]:
    bound = row.freshness
    return {
        "age_seconds": _seconds(row.age_us),
        "event_age_seconds": _seconds(age_at(now, row.last_event)),
        "computed_age_seconds": _seconds(age_at(now, row.computed_at)),
        "warn_after_seconds": _seconds(bound.warn_after_us) if bound else None,
        "error_after_seconds": _seconds(bound.error_after_us) if bound else None,
        "rows": row.rows,
        "online_keys": row.online_keys,
        "entities": row.entities,
        "stale_entities": row.stale_entities,
    }


def _add_runs(registry: CollectorRegistry, where: tuple[str, str], runs: Iterable[RunRecord]) -> None:
    """Add the last run of each view version by each command."""
    last = {(run.view, str(run.version), run.command): run for run in runs}
    texts = {
        "timestamp_seconds": "When the last run ended, or, of one that was killed, began, by the clock.",
        "duration_seconds": "How long the last run took.",
        "failed": "1 when the last run failed.",
        "rows": "Rows that the last run wrote, or sent.",
    }
    gauges = {name: Gauge(f"featurectl_last_run_{name}", text, _RUN, registry=registry) for name, text in texts.items()}
    for key, run in last.items():
        values = (run.at.timestamp(), run.seconds, not run.done, run.rows)
        for gauge, value in zip(gauges.values(), values, strict=True):
            gauge.labels(*where, *key).set(value)


def _add_checks(registry: CollectorRegistry, where: tuple[str, str], checks: Iterable[CheckHistory]) -> None:
    gauge = Gauge(
        "featurectl_check_failed", "1 for a check of the data that failed the last time.", _CHECK, registry=registry
    )
    for history in checks:
        if history.last is not None:
            gauge.labels(*where, history.of, history.label, history.severity).set(history.failing)


def _add_failing(registry: CollectorRegistry, where: tuple[str, str], failing: Iterable[FailureCount]) -> None:
    gauge = Gauge(
        FAILING, "Checks of the data that failed in the last run of a view version.", _VIEW, registry=registry
    )
    for item in failing:
        gauge.labels(*where, item.view, str(item.version)).set(item.count)


def _add_alerts(registry: CollectorRegistry, where: tuple[str, str], alerts: Iterable[AlertState]) -> None:
    gauge = Gauge(
        "featurectl_alert_firing", "1 for an alert that fired when a monitor last looked.", _ALERT, registry=registry
    )
    firing: dict[tuple[str, ...], bool] = {}
    for state in alerts:
        for name in state.names:
            of: tuple[str, ...] = (state.alert, name, state.severity)
            firing[of] = firing.get(of, False) or state.status == "firing"
    for of, is_firing in firing.items():
        gauge.labels(*where, *of).set(is_firing)


def _seconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / SECOND_US
