"""Alerts and notifiers, as they are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Severity = Literal["info", "warning", "critical"]
Operator = Literal["<", "<=", ">", ">=", "=", "!="]
Way = Literal["slack", "pagerduty", "webhook", "email", "command"]
Metric = Literal[
    "freshness", "latency_p50", "latency_p95", "latency_p99", "error_rate", "store_errors", "psi", "js", "ks",
    "wasserstein", "null_rate", "skew", "checks", "stream_lag", "pipeline_failures",
]  # fmt: skip
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
WAYS: Final[tuple[Way, ...]] = get_args(Way)
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is measured, over how long (None: as the metric needs), and what it is compared with.

    `value` is in the unit of the metric: microseconds for freshness, latencies and lags, a plain number for all others,
    a share of 1 where it was written in percent (5% is 0.05).
    """

    metric: Metric
    op: Operator
    value: float
    window_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """When to tell whom.

    `for_us` is how long the condition must hold before anybody is told, `repeat_us` how soon it is told again (None:
    not). `views` and `models` are names or patterns; both empty: all that the metric is measured on.
    """

    name: str
    when: Condition
    severity: Severity
    notify: tuple[str, ...]
    for_us: int = 0
    repeat_us: int | None = None
    views: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """How somebody is told; `address` may hold `${NAME}`, unexpanded."""

    name: str
    way: Way
    address: str
