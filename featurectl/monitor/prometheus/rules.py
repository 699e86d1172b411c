"""Alert rules for Prometheus: from the SLAs, and from those of the declared alerts that its metrics can tell.

Ages come from `monitor export`, latencies and errors from the `/metrics` of `serve`, lags of streams
from those of workers (`stream run --port`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from featurectl.core.units import MINUTE_US, format_duration
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.alerts import Alert, Condition, format_condition, is_timed
from featurectl.language.repo import Repo
from featurectl.monitor.prometheus.metric_queries import MetricQuery, QueryScope, query_of, scope_of, window_of
from featurectl.monitor.prometheus.names import LOG_ROWS, PREFIX
from featurectl.monitor.prometheus.promql import literal, seconds, selector

_UNSURE_US: Final = 5 * MINUTE_US  # for how long something can't be seen before that is reported
_UNSEEN_US: Final = 10 * MINUTE_US  # for how long nobody looks before that is reported
_KEPT_US: Final = 15 * MINUTE_US  # what nobody sees any more is not over: until then it is known that nobody looks
_KINDS: Final = ("view", "feature", "source")
_LOST_IN: Final = "10m"  # how far back rows that the log has lost are reported


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
        query = query_of(alert)
        if isinstance(query, str):
            left.append(NotRendered(alert=alert.name, why=f"{alert.when.metric}: {query}"))
        else:
            made.append(_of_alert(alert, query, scope_of(alert, repo, where)))
    slas = tuple(_of_slas(repo, where))
    if slas or any(_is_exported(alert) for alert in repo.alerts.values()):
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


def _is_exported(alert: Alert) -> bool:
    query = query_of(alert)
    return isinstance(query, MetricQuery) and query.is_exported


def _of_slas(repo: Repo, where: Mapping[str, str]) -> Iterable[AlertingRule]:
    owners = {("view", view.name): view.about.owner for view in repo.views.values()}
    sources = {("view", view.name): view.source.name for view in repo.views.values()}
    slas = [("view", view.name, view.freshness) for view in repo.views.values()]
    slas += [("feature", f"{v.name}:{f}", sla) for v in repo.views.values() for f, sla in v.own_freshness.items()]
    slas += [("source", source.name, source.freshness) for source in repo.sources.values()]
    for kind, name, freshness in sorted(slas, key=lambda sla: (_KINDS.index(sla[0]), sla[1])):
        if freshness is not None:
            of = (kind.replace("feature", "view"), name.partition(":")[0])
            more = {"owner": owners.get(of, ""), "source": sources.get(of, name)}
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
    what, view = {"view": "feature view"}.get(of["kind"], of["kind"]), of["name"].partition(":")[0]
    for alert, severity, key, bound_us in bounds:
        if bound_us is None:
            continue
        summary = (
            f"{what} {of['name']} is {{{{ $value | humanizeDuration }}}} old: {key} is {format_duration(bound_us)}"
        )
        hint = f"featurectl why {view}@{{{{ $labels.version }}}}" if of["kind"] != "source" else "featurectl status"
        end = f" <= {seconds(error_us)}" if key == "warn_after" and error_us is not None else ""
        yield AlertingRule(
            alert=alert,
            expr=f"{PREFIX}age_seconds{selector(of)} > {seconds(bound_us)}{end}",
            labels={"severity": severity, **of} | {key: literal(text) for key, text in more.items() if text},
            keep_us=_KEPT_US if key == "error_after" else 0,  # what is stale is not late, too
            annotations={"summary": summary, "description": f"{hint} --env {of['environment']}"},
        )


def _of_sight(where: Mapping[str, str]) -> Iterable[AlertingRule]:
    """Give the rules of a row, and of an environment, that nobody can see."""
    yield AlertingRule(
        alert="FeaturectlError",
        expr=f"{PREFIX}state{selector({**where, 'state': 'ERROR'})} == 1",
        for_us=_UNSURE_US,
        keep_us=_KEPT_US,
        labels={"severity": "critical", **where},
        annotations={
            "summary": "{{ $labels.kind }} {{ $labels.name }} can't be looked at",
            "description": f"featurectl status --env {where['environment']}",
        },
    )
    stamp = f"{PREFIX}timestamp_seconds{selector(where)}"
    yield AlertingRule(
        alert="FeaturectlUnseen",
        expr=f"time() - {stamp} > {seconds(_UNSEEN_US)} or absent({stamp})",
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


def _of_alert(alert: Alert, query: MetricQuery, scope: QueryScope) -> AlertingRule:
    condition = format_condition(alert.when)
    return AlertingRule(
        alert=f"featurectl_{alert.name}",
        expr=f"{query.expression(scope, window_of(alert))} {_bound(alert.when)}",
        for_us=alert.for_us,
        keep_us=_KEPT_US if query.is_exported or query.is_of_workers else 0,
        labels={"severity": alert.severity, **scope.where, "notify": ",".join(alert.notify)},
        annotations={
            "summary": f"{alert.name}: {query.subject}{alert.when.metric} is {query.value}, alert when {condition}"
        },
        comments=tuple(_comments(alert, query)),
    )


def _comments(alert: Alert, query: MetricQuery) -> Iterable[str]:
    """Give what the condition is in the language, and in what the rule differs from it."""
    yield f"{alert.name}: {format_condition(alert.when)}"
    if query.is_of_workers:
        yield "of workers that are scraped: when none runs, `up` and featurectl monitor tell it"
    elif not query.is_exported:
        yield "of all servers that are scraped: their metrics name no project"
    if query.window_us is not None and alert.when.window_us not in (None, query.window_us):
        yield f"of the last {format_duration(query.window_us)}: so far back does featurectl monitor export look"
    if alert.repeat_us is not None:
        yield f"repeat {format_duration(alert.repeat_us)}: repeat_interval of Alertmanager"


def _bound(when: Condition) -> str:
    """Return what a value is compared with, in the unit of Prometheus."""
    value = seconds(when.value) if is_timed(when.metric) else f"{when.value:.15g}"
    return f"{'==' if when.op == '=' else when.op} {value}"
