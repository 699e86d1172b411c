"""What Prometheus is asked for each metric that an alert can name, of what `monitor export` and `serve` give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from featurectl.core.units import SECOND_US, format_duration
from featurectl.language.definitions.alerts import Alert, Metric
from featurectl.language.definitions.model import views_read
from featurectl.language.repo import Repo
from featurectl.monitor.alerts.measure import WINDOWS_US
from featurectl.monitor.alerts.subjects import is_about_all, models_of_alert, views_of_alert
from featurectl.monitor.prometheus.names import FAILING, PREFIX, REQUESTS, SECONDS, STREAM_AGE
from featurectl.monitor.prometheus.promql import selector

LONGEST_S: Final = 2.5  # the last bound of the histogram of requests: a quantile is never known beyond it
_PLAIN: Final = "{{ $value }}"
_PERCENT: Final = "{{ $value | humanizePercentage }}"
_DURATION: Final = "{{ $value | humanizeDuration }}"
_OF_MODEL: Final = "model {{ $labels.model }}: "


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryScope:
    """What an alert is about: labels of its project and environment, and its views, models and streams (None: all)."""

    where: Mapping[str, str]
    views: Sequence[str] | None
    models: Sequence[str] | None
    streams: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuery:
    """An expression for a metric over a window of time, and templates of its subject and value for people.

    `is_exported` is whether `monitor export` gives it, `is_of_workers` whether `stream run` does (all others are of
    `serve`); `window_us` the only window that it
    can have, `most_us` the largest value that it can compare with; None: any.
    """

    expression: Callable[[QueryScope, str], str]
    subject: str
    value: str = _PLAIN
    is_exported: bool = False
    is_of_workers: bool = False
    window_us: int | None = None
    most_us: float | None = None


def scope_of(alert: Alert, repo: Repo, where: Mapping[str, str]) -> QueryScope:
    """Return what an alert is about in a repository."""
    readers = {name: views_read(repo.models[name].inputs) for name in sorted(repo.models)}
    every = is_about_all(alert)
    views = None if every or "*" in alert.views else views_of_alert(alert, sorted(repo.views), readers)
    sources = [] if views is None else [repo.views[name].source for name in views]
    return QueryScope(
        where=where,
        views=views,
        streams=None if views is None else sorted({source.name for source in sources if source.is_stream}),
        models=None if every or "*" in alert.models else models_of_alert(alert, readers),
    )


def query_of(alert: Alert) -> MetricQuery | str:
    """Return how an alert's metric is asked for, or why it can't be."""
    found = METRIC_QUERIES[alert.when.metric]
    if alert.when.bound is not None:
        return "the rules of SLAs above tell it"
    if isinstance(found, MetricQuery) and found.most_us is not None and alert.when.value > found.most_us:
        return f"requests are counted in classes up to {LONGEST_S} s"
    return found


def window_of(alert: Alert) -> str:
    """Return the time over which a condition is measured; "" for one of a moment."""
    length_us = alert.when.window_us or WINDOWS_US.get(alert.when.metric)
    return format_duration(length_us) if length_us else ""


def _age(scope: QueryScope, _window: str) -> str:
    return f"{PREFIX}age_seconds{selector({**scope.where, 'kind': 'view'}, name=scope.views)}"


def _stream_age(scope: QueryScope, _window: str) -> str:
    return f"{STREAM_AGE}{selector(scope.where, source=scope.streams)}"


def _failing(scope: QueryScope, _window: str) -> str:
    return f"{FAILING}{selector(scope.where, view=scope.views)}"


def _quantile(share: str, scope: QueryScope, window: str) -> str:
    rate = f"sum by (model, le) (rate({SECONDS}_bucket{selector({}, model=scope.models)}[{window}]))"
    return f"histogram_quantile({share}, {rate})"


def _error_rate(scope: QueryScope, window: str) -> str:
    every = f"sum by (model) (rate({REQUESTS}{selector({}, model=scope.models)}[{window}]))"
    failed = f"sum by (model) (rate({REQUESTS}{selector({'result': 'failed'}, model=scope.models)}[{window}]))"
    return f"({failed} or 0 * {every}) / ({every} > 0)"


def _store_errors(scope: QueryScope, window: str) -> str:
    failed = f"sum(increase({REQUESTS}{selector({'result': 'store'}, model=scope.models)}[{window}]))"
    return f"({failed} or vector(0))"


def _latency(share: str) -> MetricQuery:
    query = partial(_quantile, share)
    return MetricQuery(expression=query, subject=_OF_MODEL, value=_DURATION, most_us=LONGEST_S * SECOND_US)


_MEASURED: Final = "featurectl monitor measures it: no metric of a server does"
METRIC_QUERIES: Final[Mapping[Metric, MetricQuery | str]] = {  # a text: why there is none
    "freshness": MetricQuery(
        expression=_age,
        subject="view {{ $labels.name }}@{{ $labels.version }}: ",
        value=_DURATION,
        is_exported=True,
    ),
    "latency_p50": _latency("0.5"),
    "latency_p95": _latency("0.95"),
    "latency_p99": _latency("0.99"),
    "error_rate": MetricQuery(expression=_error_rate, subject=_OF_MODEL, value=_PERCENT),
    "store_errors": MetricQuery(expression=_store_errors, subject=""),
    "psi": _MEASURED,
    "js": _MEASURED,
    "ks": _MEASURED,
    "wasserstein": _MEASURED,
    "null_rate": "the metrics of a server do not tell features apart",
    "skew": _MEASURED,
    "checks": MetricQuery(
        expression=_failing,
        subject="view {{ $labels.view }}@{{ $labels.version }}: ",
        is_exported=True,
        window_us=WINDOWS_US["checks"],
    ),
    "stream_lag": MetricQuery(
        expression=_stream_age, subject="source {{ $labels.source }}: ", value=_DURATION, is_of_workers=True
    ),
    "pipeline_failures": "featurectl monitor counts it in the records of runs",
}
