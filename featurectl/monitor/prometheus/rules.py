"""Alert rules for Prometheus: from the SLAs, and from those of the declared alerts that its metrics can tell.

Ages come from `monitor export`, latencies and errors from the `/metrics` of `serve`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from featurectl.core.units import MINUTE_US, SECOND_US, format_duration
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.alerts import Alert, Condition, Metric, format_condition, is_timed
from featurectl.language.definitions.model import views_read
from featurectl.language.repo import Repo
from featurectl.monitor.alerts.measure import WINDOWS_US
from featurectl.monitor.alerts.observation import matches
from featurectl.monitor.prometheus.names import FAILING, LOG_ROWS, PREFIX, REQUESTS, SECONDS

LONGEST_S: Final = 2.5  # the last bound of the histogram of requests: a quantile is never known beyond it
_UNSURE_US: Final = 5 * MINUTE_US  # for how long something can't be seen before that is reported
_UNSEEN_US: Final = 10 * MINUTE_US  # for how long nobody looks before that is reported
_KEPT_US: Final = 15 * MINUTE_US  # what nobody sees any more is not over: until then it is known that nobody looks
_LOST_IN: Final = "10m"  # how far back rows that the log has lost are reported
_QUANTILES: Final[Mapping[Metric, str]] = {"latency_p50": "0.5", "latency_p95": "0.95", "latency_p99": "0.99"}
_EXPORTED: Final[tuple[Metric, ...]] = ("freshness", "checks")  # given by `monitor export`, all others by `serve`
_MEASURED: Final = "featurectl monitor measures it: no metric of a server does"
_WHY_NOT: Final[Mapping[Metric, str]] = {
    "psi": _MEASURED,
    "js": _MEASURED,
    "ks": _MEASURED,
    "wasserstein": _MEASURED,
    "skew": _MEASURED,
    "null_rate": "the metrics of a server do not tell features apart",
    "stream_lag": "no metric says it yet",
    "pipeline_failures": "featurectl monitor counts it in the records of runs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """A rule: it fires while `expr` gives a result, once it has for `for_us`, and for `keep_us` after it did last."""

    alert: str
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    for_us: int = 0
    keep_us: int = 0
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRendered:
    """A declared alert that no metric can tell, and why."""

    alert: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of a project in an environment: those of SLAs, those of alerts, and the alerts that have none."""

    project: str
    environment: str
    slas: tuple[AlertingRule, ...] = ()
    alerts: tuple[AlertingRule, ...] = ()
    not_rendered: tuple[NotRendered, ...] = field(default=())


def rules_of(repo: Repo, environment: str) -> Rules:
    """Return the rules of a repository for one of its environments."""
    where = {"project": repo.project, "environment": environment}
    made: list[AlertingRule] = []
    left: list[NotRendered] = []
    for alert in sorted(repo.alerts.values(), key=lambda a: a.name):
        why = _why_not(alert)
        if why:
            left.append(NotRendered(alert=alert.name, why=f"{alert.when.metric}: {why}"))
        else:
            made.append(_of_alert(alert, repo, where))
    slas = tuple(_of_slas(repo, where))
    if slas or any(alert.when.metric in _EXPORTED for alert in repo.alerts.values()):
        slas += tuple(_of_sight(where))
    if repo.environments[environment].prediction_sample:
        slas += (_of_log(where),)
    return Rules(
        project=repo.project,
        environment=environment,
        slas=slas,
        alerts=tuple(made),
        not_rendered=tuple(left),
    )


def _of_slas(repo: Repo, where: Mapping[str, str]) -> Iterable[AlertingRule]:
    owners = {("view", view.name): view.about.owner for view in repo.views.values()}
    sources = {("view", view.name): view.source.name for view in repo.views.values()}
    slas = [("view", view.name, view.freshness) for view in repo.views.values()]
    slas += [("source", source.name, source.freshness) for source in repo.sources.values()]
    for kind, name, freshness in sorted(slas, key=lambda sla: (sla[0] != "view", sla[1])):
        if freshness is not None:
            more = {"owner": owners.get((kind, name), ""), "source": sources.get((kind, name), name)}
            yield from _of_sla({**where, "kind": kind, "name": name}, freshness, more)


def _of_sla(of: Mapping[str, str], freshness: Freshness, more: Mapping[str, str]) -> Iterable[AlertingRule]:
    """Give the rules of an SLA: what is stale is not late any more, so that one of them fires.

    `more` are labels to group and inhibit by: the owner, and the source that a view reads.
    """
    error_us = freshness.error_after_us
    bounds = (
        ("FeaturectlStale", "critical", "error_after", error_us),
        ("FeaturectlLate", "warning", "warn_after", freshness.warn_after_us),
    )
    what = "feature view" if of["kind"] == "view" else "source"
    for alert, severity, key, bound_us in bounds:
        if bound_us is None:
            continue
        summary = (
            f"{what} {of['name']} is {{{{ $value | humanizeDuration }}}} old: {key} is {format_duration(bound_us)}"
        )
        hint = f"featurectl why {of['name']}@{{{{ $labels.version }}}}" if of["kind"] == "view" else "featurectl status"
        end = f" <= {_seconds(error_us)}" if key == "warn_after" and error_us is not None else ""
        yield AlertingRule(
            alert=alert,
            expr=f"{PREFIX}age_seconds{_matching(of)} > {_seconds(bound_us)}{end}",
            labels={"severity": severity, **of} | {key: _literal(text) for key, text in more.items() if text},
            keep_us=_KEPT_US if key == "error_after" else 0,  # what is stale is not late, too
            annotations={"summary": summary, "description": f"{hint} --env {of['environment']}"},
        )


def _literal(text: str) -> str:
    """Return a text of which Prometheus, that fills templates in labels, makes this text again."""
    return text.replace("{{", '{{ "{{" }}')


def _of_sight(where: Mapping[str, str]) -> Iterable[AlertingRule]:
    """Give the rules of a row, and of an environment, that nobody can see."""
    yield AlertingRule(
        alert="FeaturectlError",
        expr=f"{PREFIX}state{_matching({**where, 'state': 'ERROR'})} == 1",
        for_us=_UNSURE_US,
        keep_us=_KEPT_US,
        labels={"severity": "critical", **where},
        annotations={
            "summary": "{{ $labels.kind }} {{ $labels.name }} can't be looked at",
            "description": f"featurectl status --env {where['environment']}",
        },
    )
    stamp = f"{PREFIX}timestamp_seconds{_matching(where)}"
    yield AlertingRule(
        alert="FeaturectlUnseen",
        expr=f"time() - {stamp} > {_seconds(_UNSEEN_US)} or absent({stamp})",
        for_us=_UNSURE_US,
        labels={"severity": "critical", **where},
        annotations={
            "summary": f"nobody looks at the freshness of {where['project']} in {where['environment']}",
            "description": f"featurectl monitor export --env {where['environment']}",
        },
    )


def _of_log(where: Mapping[str, str]) -> AlertingRule:
    """Return the rule of rows that the prediction log has lost: what is verified and judged by it lacks them."""
    lost = "{{ $value | humanize }} rows of the prediction log were {{ $labels.result }}"
    return AlertingRule(
        alert="FeaturectlLogLost",
        expr=f'sum by (result) (increase({LOG_ROWS}{{result=~"dropped|failed"}}[{_LOST_IN}])) > 0',
        labels={"severity": "warning", **where},
        annotations={
            "summary": f"{lost} in {_LOST_IN}",
            "description": "its room is full, or its store is away or slow: prediction_log in featurectl.yaml",
        },
        comments=("of all servers that are scraped: their metrics name no project",),
    )


def _why_not(alert: Alert) -> str:
    """Return why an alert has no rule; "" when it has one."""
    metric = alert.when.metric
    if metric in _QUANTILES and alert.when.value / SECOND_US > LONGEST_S:
        return f"requests are counted in classes up to {LONGEST_S} s"
    return _WHY_NOT.get(metric, "")


def _of_alert(alert: Alert, repo: Repo, where: Mapping[str, str]) -> AlertingRule:
    metric, condition = alert.when.metric, format_condition(alert.when)
    return AlertingRule(
        alert=f"featurectl_{alert.name}",
        expr=_expression(alert, repo, where),
        for_us=alert.for_us,
        keep_us=_KEPT_US if metric in _EXPORTED else 0,
        labels={"severity": alert.severity, **where, "notify": ",".join(alert.notify)},
        annotations={
            "summary": f"{alert.name}: {_subject(metric)}{metric} is {_value(metric)}, alert when {condition}"
        },
        comments=tuple(_comments(alert)),
    )


def _comments(alert: Alert) -> Iterable[str]:
    """Give what the condition is in the language, and in what the rule differs from it."""
    metric, window_us = alert.when.metric, alert.when.window_us
    yield f"{alert.name}: {format_condition(alert.when)}"
    if metric not in _EXPORTED:
        yield "of all servers that are scraped: their metrics name no project"
    if metric == "checks" and window_us not in (None, WINDOWS_US[metric]):
        yield f"of the last {format_duration(WINDOWS_US[metric])}: so far back does featurectl monitor export look"
    if alert.repeat_us is not None:
        yield f"repeat {format_duration(alert.repeat_us)}: repeat_interval of Alertmanager"


def _subject(metric: Metric) -> str:
    """Return the subject in a template, as the labels of the expression name it."""
    if metric == "freshness":
        return "view {{ $labels.name }}@{{ $labels.version }}: "
    if metric == "checks":
        return "view {{ $labels.view }}@{{ $labels.version }}: "
    return "" if metric == "store_errors" else "model {{ $labels.model }}: "


def _value(metric: Metric) -> str:
    if is_timed(metric):
        return "{{ $value | humanizeDuration }}"
    return "{{ $value | humanizePercentage }}" if metric == "error_rate" else "{{ $value }}"


def _expression(alert: Alert, repo: Repo, where: Mapping[str, str]) -> str:
    when = alert.when
    against = (
        f"{'==' if when.op == '=' else when.op} {_seconds(when.value) if is_timed(when.metric) else _number(when)}"
    )
    if when.metric == "freshness":
        return f"{PREFIX}age_seconds{_matching({**where, 'kind': 'view'}, name=_views(alert, repo))} {against}"
    if when.metric == "checks":
        return f"{FAILING}{_matching(where, view=_views(alert, repo))} {against}"
    models = _models(alert, repo)
    window = format_duration(when.window_us or WINDOWS_US[when.metric])
    if when.metric in _QUANTILES:
        rate = f"sum by (model, le) (rate({SECONDS}_bucket{_matching({}, model=models)}[{window}]))"
        return f"histogram_quantile({_QUANTILES[when.metric]}, {rate}) {against}"
    if when.metric == "error_rate":
        every = f"sum by (model) (rate({REQUESTS}{_matching({}, model=models)}[{window}]))"
        failed = f"sum by (model) (rate({REQUESTS}{_matching({'result': 'failed'}, model=models)}[{window}]))"
        return f"({failed} or 0 * {every}) / ({every} > 0) {against}"
    assert when.metric == "store_errors", when.metric
    failed = f"sum(increase({REQUESTS}{_matching({'result': 'store'}, model=models)}[{window}]))"
    return f"({failed} or vector(0)) {against}"


def _number(when: Condition) -> str:
    return f"{when.value:.15g}"


def _views(alert: Alert, repo: Repo) -> Sequence[str] | None:
    """Return the views that an alert is about, by its patterns, and those that its models read; None: all there are."""
    if not (alert.views or alert.models) or "*" in alert.views:
        return None
    read = {
        view for model in repo.models.values() if matches(model.name, alert.models) for view in views_read(model.inputs)
    }
    return [name for name in sorted(repo.views) if name in read or matches(name, alert.views)]


def _models(alert: Alert, repo: Repo) -> Sequence[str] | None:
    """Return the models that an alert is about, by its patterns, and those that read its views; None: all there are."""
    if not (alert.views or alert.models) or "*" in alert.models:
        return None
    read = {
        model.name
        for model in repo.models.values()
        if any(matches(view, alert.views) for view in views_read(model.inputs))
    }
    return [name for name in sorted(repo.models) if name in read or matches(name, alert.models)]


def _matching(equal: Mapping[str, str], **among: Sequence[str] | None) -> str:
    parts = [f"{name}={_quoted(value)}" for name, value in equal.items()]
    for name, values in among.items():
        if values is not None:
            parts.append(f"{name}=~{_quoted('|'.join(values))}")
    return "{" + ", ".join(parts) + "}" if parts else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _seconds(length_us: float) -> str:
    return f"{length_us / SECOND_US:.15g}"
