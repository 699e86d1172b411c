"""What an alert's condition is about, measured: an observation for each of its subjects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.units import DAY_US, MINUTE_US, plural
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.alerts import Alert, Condition, Metric
from featurectl.monitor.alerts.data_metrics import FailureCount, FeatureFigure
from featurectl.monitor.alerts.observation import Observation, Observed, RootCause, holds
from featurectl.monitor.alerts.request_rows import Requests, RequestWindow
from featurectl.monitor.alerts.subjects import is_about_all, models_of_alert, views_of_alert

WINDOWS_US: Final[Mapping[Metric, int]] = {  # of a condition without `in`
    "latency_p50": 5 * MINUTE_US,
    "latency_p95": 5 * MINUTE_US,
    "latency_p99": 5 * MINUTE_US,
    "error_rate": 5 * MINUTE_US,
    "store_errors": 5 * MINUTE_US,
    "psi": DAY_US,
    "js": DAY_US,
    "ks": DAY_US,
    "wasserstein": DAY_US,
    "null_rate": DAY_US,
    "skew": DAY_US,
    "checks": 30 * DAY_US,
    "pipeline_failures": DAY_US,
}
_QUANTILES: Final = {"latency_p50": 0.50, "latency_p95": 0.95, "latency_p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAge:
    """The age of a view version, which is that of its features; `error` says why it could not be seen.

    `freshness` is the view's SLA, `own_freshness` those of the features that have one of their own.
    """

    view: str
    version: int
    age_us: int | None
    error: str = ""
    freshness: Freshness | None = None
    own_freshness: Mapping[str, Freshness] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What an alert about it is about."""
        return f"view:{self.view}@{self.version}"


class MetricsReader(Protocol):
    """What can be looked at: the applied project in one environment, at one instant. All raise `FeaturectlError`."""

    environment: str
    now: datetime

    def views(self) -> Sequence[tuple[str, int]]:
        """Return every view version that is served."""

    def readers(self) -> Mapping[str, frozenset[str]]:
        """Return the views that each model reads."""

    def champions(self) -> Collection[str]:
        """Return the models that have a champion: the others are not served, and were compared with nothing."""

    def ages(self, views: Sequence[tuple[str, int]]) -> Sequence[ViewAge]:
        """Return how old view versions are."""

    def behind(self, aged: ViewAge) -> RootCause:
        """Return why a view is as old as it is: which source stopped and when, or what was not run since."""

    def requests(self, model: str, window: RequestWindow) -> Requests:
        """Return the logged requests for a model."""

    def drift(self, model: str, metric: str, window: RequestWindow) -> Sequence[FeatureFigure]:
        """Return how far each feature that was served lies from the training."""

    def skew(self, model: str, window: RequestWindow) -> Sequence[FeatureFigure]:
        """Return the share of the served values of each feature that differ from the offline ones."""

    def checks(self, since: datetime) -> Sequence[FailureCount]:
        """Return what the checks of each view version found at their last run."""

    def runs(self, since: datetime) -> Sequence[FailureCount]:
        """Return how many runs of each view version failed."""

    def pipeline_failures(self, patterns: Sequence[str]) -> Mapping[str, Callable[[datetime], tuple[int, str] | None]]:
        """Return what counts the runs of each pipeline that failed since an instant, with the last one's cause.

        It is None where none has ended since.
        """

    def stream_lags(self, views: Sequence[str]) -> Mapping[str, Callable[[], Observation]]:
        """Return what measures each stream that some views read, in microseconds, by the names of the sources."""


def _window(alert: Alert, reader: MetricsReader) -> RequestWindow:
    length_us = alert.when.window_us or WINDOWS_US[alert.when.metric]
    return RequestWindow(since=reader.now - timedelta(microseconds=length_us), until=reader.now)


def _views(alert: Alert, reader: MetricsReader) -> list[tuple[str, int]]:
    """Return the view versions of an alert: those that it names, and those that its models read."""
    every = list(reader.views())
    if is_about_all(alert):
        return every
    chosen = views_of_alert(alert, dict(every), reader.readers())
    return [pair for pair in every if pair[0] in chosen]


def _models(alert: Alert, reader: MetricsReader) -> list[str]:
    """Return the models of an alert: those that it names, and those that read its views."""
    readers = reader.readers()
    return list(readers) if is_about_all(alert) else models_of_alert(alert, readers)


def _champions(alert: Alert, reader: MetricsReader) -> list[str]:
    champions = reader.champions()
    return [model for model in _models(alert, reader) if model in champions]


def measure_freshness(alert: Alert, reader: MetricsReader) -> Observed:
    """Return the age of each view version; where it is compared with SLAs, of what has one, features too."""
    subjects = {pair: f"view:{pair[0]}@{pair[1]}" for pair in _views(alert, reader)}
    observations: list[Observation] = []
    for pair, subject in subjects.items():
        try:
            observations += [o for aged in reader.ages([pair]) for o in _ages(alert, reader, aged)]
        except Exception as error:  # noqa: BLE001 (see `_failed`)
            observations.append(_failed(subject, error))
    return Observed(observations=observations, watched=frozenset(subjects.values()))


def _ages(alert: Alert, reader: MetricsReader, aged: ViewAge) -> list[Observation]:
    """Return the age of a view as that of each subject it has: their cause is looked for once, where one is too old."""
    value = None if aged.age_us is None else float(aged.age_us)
    found = [
        Observation(subject=subject, value=value, limit=limit, error=aged.error)
        for subject, limit in _limits(alert.when, aged).items()
    ]
    if not any(holds(alert.when, observation) for observation in found):
        return found
    late = _with_cause(found[0], reader, aged)
    return [replace(late, subject=o.subject, limit=o.limit) if holds(alert.when, o) else o for o in found]


def _limits(when: Condition, aged: ViewAge) -> dict[str, float | None]:
    """Return the subjects of a view, each with the bound of its SLA where the condition names one."""
    if when.bound is None or aged.error:
        return {aged.subject: None}
    slas = {aged.subject: aged.freshness} | {f"{aged.subject}:{name}": sla for name, sla in aged.own_freshness.items()}
    bounds = {subject: getattr(sla, f"{when.bound}_us", None) for subject, sla in slas.items()}
    return {subject: float(bound) for subject, bound in bounds.items() if bound is not None}


def _with_cause(found: Observation, reader: MetricsReader, aged: ViewAge) -> Observation:
    """Add why a view is as old as it is; that it is not known keeps nobody from hearing that it is."""
    try:
        behind = reader.behind(aged)
        return replace(found, cause=behind.text, root_causes=(behind,))
    except Exception as error:  # noqa: BLE001 (see `_failed`)
        failed = _failed(aged.subject, error)
        return replace(found, cause=f"what it waits for is not known: {failed.error}", fault=failed.fault)


def measure_checks(alert: Alert, reader: MetricsReader) -> Observed:
    """Return how many checks of each view version fail."""
    return _counted(alert, reader, reader.checks)


def measure_runs(alert: Alert, reader: MetricsReader) -> Observed:
    """Return how many runs of each view version failed, and of each pipeline that the alert names."""
    views = Observed(observations=()) if _is_of_pipelines(alert) else _counted(alert, reader, reader.runs)
    if not alert.pipelines:
        return views
    pipelines = _of_pipelines(alert, reader)
    return Observed(
        observations=[*views.observations, *pipelines.observations], watched=views.watched | pipelines.watched
    )


def _is_of_pipelines(alert: Alert) -> bool:
    return bool(alert.pipelines) and not alert.views and not alert.models


def _of_pipelines(alert: Alert, reader: MetricsReader) -> Observed:
    """Return how many runs of each pipeline of an alert failed; of one without a run in the window nothing is known."""
    window, observations = _window(alert, reader), list[Observation]()
    measures = reader.pipeline_failures(alert.pipelines)
    for name, count in measures.items():
        try:
            found = count(window.since)
        except Exception as error:  # noqa: BLE001 (see `_failed`)
            observations.append(_failed(f"pipeline:{name}", error))
            continue
        if found is not None:
            value, cause = found
            observations.append(Observation(subject=f"pipeline:{name}", value=float(value), cause=cause))
    return Observed(observations=observations, watched=frozenset(f"pipeline:{name}" for name in measures))


def _counted(alert: Alert, reader: MetricsReader, count: Callable[[datetime], Sequence[FailureCount]]) -> Observed:
    window, watched = _window(alert, reader), _views(alert, reader)
    subjects = {(view, version): f"view:{view}@{version}" for view, version in watched}
    try:
        found = {(item.view, item.version): item for item in count(window.since)}
    except Exception as error:  # noqa: BLE001 (see `_failed`)
        return Observed(
            observations=[_failed(s, error) for s in subjects.values()], watched=frozenset(subjects.values())
        )
    observations = [
        Observation(
            subject=subject,
            value=float(found[pair].count),
            cause=found[pair].cause,
            root_causes=found[pair].root_causes,
        )
        for pair, subject in subjects.items()
        if pair in found
    ]
    return Observed(observations=observations, watched=frozenset(subjects.values()))


def measure_requests(alert: Alert, reader: MetricsReader) -> Observed:
    """Return the latency or the rate of errors of each model."""
    return _of_models(_models(alert, reader), lambda model: [_request(alert, reader, model)])


def _request(alert: Alert, reader: MetricsReader, model: str) -> Observation:
    requests = reader.requests(model, _window(alert, reader))
    if alert.when.metric == "error_rate":
        value, last = requests.error_rate(), requests.last_error("fault")
        cause = f"{_of(requests.count)}; the last: {last}" if last else _of(requests.count)
    else:
        value = requests.latency_us(_QUANTILES[alert.when.metric])
        cause = _of(requests.count)
    return Observation(subject=f"model:{model}", value=value, cause=cause)


def _of(requests: float) -> str:
    return f"of {requests:,.0f} {plural(round(requests), 'request')}"


def measure_store(alert: Alert, reader: MetricsReader) -> Observed:
    """Return the failures of the environment's store, whichever model asked it."""
    subject, window = f"store:{reader.environment}", _window(alert, reader)
    try:
        every = [reader.requests(model, window) for model in _models(alert, reader)]
    except Exception as error:  # noqa: BLE001 (see `_failed`)
        return Observed(observations=[_failed(subject, error)], watched=frozenset({subject}))
    last = next((text for requests in every if (text := requests.last_error("store"))), "")
    value = sum(requests.store_errors() for requests in every)
    cause = _of(sum(requests.count for requests in every))
    observation = Observation(subject=subject, value=value, cause=f"{cause}; the last: {last}" if last else cause)
    return Observed(observations=[observation], watched=frozenset({subject}))


def measure_drift(alert: Alert, reader: MetricsReader) -> Observed:
    """Return how far the served features of each champion lie from its training."""
    metric, window = alert.when.metric, _window(alert, reader)
    return _of_models(_champions(alert, reader), lambda model: _below(model, reader.drift(model, metric, window)))


def measure_skew(alert: Alert, reader: MetricsReader) -> Observed:
    """Return the share of wrong served values of each champion's features."""
    window = _window(alert, reader)
    return _of_models(_champions(alert, reader), lambda model: _below(model, reader.skew(model, window)))


def measure_streams(alert: Alert, reader: MetricsReader) -> Observed:
    """Return how old the values of each stream are that views of the alert read."""
    lags = reader.stream_lags([name for name, _ in _views(alert, reader)])
    observations = []
    for name, measure in lags.items():
        try:
            observations.append(measure())
        except Exception as error:  # noqa: BLE001 (see `_failed`)
            observations.append(_failed(f"source:{name}", error))
    return Observed(observations=observations, watched=frozenset(f"source:{name}" for name in lags))


class _OfModel(Protocol):
    def __call__(self, model: str, /) -> Iterable[Observation]: ...


def _of_models(models: Sequence[str], look: _OfModel) -> Observed:
    observations: list[Observation] = []
    for model in models:
        try:
            observations += look(model)
        except Exception as error:  # noqa: BLE001 (see `_failed`)
            observations.append(_failed(f"model:{model}", error))
    return Observed(observations=observations, watched=frozenset(f"model:{model}" for model in models))


def _below(model: str, measured: Iterable[FeatureFigure]) -> list[Observation]:
    """Return an observation of each feature; of several versions that are served, the worst."""
    worst: dict[str, FeatureFigure] = {}
    for item in measured:
        known = worst.get(item.feature)
        if known is None or (item.value or 0.0) > (known.value or 0.0):
            worst[item.feature] = item
    subjects = {name: f"model:{model}:{name}" if name else f"model:{model}" for name in worst}
    return [Observation(subject=subjects[name], value=item.value, cause=item.cause) for name, item in worst.items()]


def _failed(subject: str, error: Exception) -> Observation:
    """Return that a subject can't be measured: also by a fault of ours, which must not silence all other alerts."""
    if isinstance(error, FeaturectlError):
        return Observation(subject=subject, error=error.message, unreachable=isinstance(error, StoreError))
    message = f"a fault of featurectl: {type(error).__name__}; --debug shows where"
    return Observation(subject=subject, error=message, fault=error)
