"""A world whose figures a test sets, and looks at its alerts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from featurectl.language.definitions.alerts import Alert
from featurectl.language.shapes.alerts import condition_of
from featurectl.monitor.alerts.all_metrics import observe
from featurectl.monitor.alerts.data_metrics import FailureCount, FeatureFigure
from featurectl.monitor.alerts.evaluate import AlertEvaluator
from featurectl.monitor.alerts.measure import ViewAge
from featurectl.monitor.alerts.message import AlertScope
from featurectl.monitor.alerts.observation import Observation, Observed, RootCause
from featurectl.monitor.alerts.request_rows import Requests, RequestWindow
from featurectl.monitor.alerts.subjects import matches
from featurectl.registry.alert_state import AlertLedger

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR_US = 3_600_000_000
PLACE = AlertScope(project="shop", environment="prod")


@dataclass
class Town:
    """A world whose figures a test sets; an error in the place of figures is raised."""

    environment: str = "prod"
    now: datetime = T0
    aged: Mapping[tuple[str, int], int | str] = field(
        default_factory=lambda: {("spend", 1): HOUR_US, ("spend", 2): HOUR_US, ("visits", 1): HOUR_US}
    )
    logged: Mapping[str, Requests | Exception] = field(default_factory=dict)
    drifted: Mapping[str, Sequence[FeatureFigure] | Exception] = field(default_factory=dict)
    failed: Sequence[FailureCount] | Exception = ()
    ran: Sequence[FailureCount] | Exception = ()
    pipelines: Mapping[str, tuple[int, str] | Exception | None] = field(default_factory=dict)
    trained: tuple[str, ...] = ("churn", "late")
    asked: list[Any] = field(default_factory=list)
    causes: Mapping[str, str] = field(default_factory=dict)
    lags: Mapping[str, float] = field(default_factory=dict)

    def views(self) -> Sequence[tuple[str, int]]:
        """Return the view versions."""
        return list(self.aged)

    def readers(self) -> Mapping[str, frozenset[str]]:
        """Return what two models read."""
        return {"churn": frozenset({"visits"}), "late": frozenset({"spend"})}

    def stream_lags(self, views: Sequence[str]) -> Mapping[str, Callable[[], Observation]]:
        """Return the lags of streams, which all views read."""
        observed = {name: Observation(subject=f"source:{name}", value=value) for name, value in self.lags.items()}
        return {name: partial(dict.__getitem__, observed, name) for name in observed if views}

    def champions(self) -> Collection[str]:
        """Return the models with a champion."""
        return self.trained

    def ages(self, views: Sequence[tuple[str, int]]) -> Sequence[ViewAge]:
        """Return the ages that are set; a text is an error."""
        given = [(view, version, self.aged[view, version]) for view, version in views]
        return [
            ViewAge(view=v, version=n, age_us=None, error=a)
            if isinstance(a, str)
            else ViewAge(view=v, version=n, age_us=a)
            for v, n, a in given
        ]

    def behind(self, aged: ViewAge) -> RootCause:
        """Return the cause that is set for a view."""
        return RootCause(name=self.causes.get(aged.view, aged.subject), text=f"the source of {aged.view} stopped")

    def requests(self, model: str, window: RequestWindow) -> Requests:
        """Return the requests of a model."""
        self.asked.append((model, window.until - window.since))
        return given_or_raised(self.logged.get(model, requests()))

    def drift(self, model: str, metric: str, window: RequestWindow) -> Sequence[FeatureFigure]:  # noqa: ARG002
        """Return the figures of a model."""
        return given_or_raised(self.drifted.get(model, []))

    def skew(self, model: str, window: RequestWindow) -> Sequence[FeatureFigure]:
        """Return the figures of a model."""
        return self.drift(model, "skew", window)

    def checks(self, since: datetime) -> Sequence[FailureCount]:  # noqa: ARG002
        """Return the checks that failed."""
        return given_or_raised(self.failed)

    def runs(self, since: datetime) -> Sequence[FailureCount]:
        """Return the runs that failed."""
        self.asked.append(since)
        return given_or_raised(self.ran)

    def pipeline_failures(self, patterns: Sequence[str]) -> Mapping[str, Callable[[datetime], tuple[int, str] | None]]:
        """Return what gives the failures that are set."""
        return {
            name: lambda _, found=found: given_or_raised(found)  # type: ignore[misc]
            for name, found in self.pipelines.items()
            if matches(name, patterns)
        }


def given_or_raised(value: Any) -> Any:
    """Return what a test has set, or raise it."""
    if isinstance(value, Exception):
        raise value
    return value


def requests(*rows: tuple[object, ...]) -> Requests:
    """Return requests of one instant."""
    schema = {
        "time": pl.Datetime("us", "UTC"), "latency_ms": pl.Float64(), "fault": pl.Boolean(), "store": pl.Boolean(),
        "error": pl.String(), "weight": pl.Float64(),
    }  # fmt: skip
    return Requests(frame=pl.DataFrame([(T0, *row, 1.0) for row in rows], schema, orient="row"))


def alert(when: str, name: str = "a", **more: Any) -> Alert:
    """Return an alert with a condition."""
    return Alert(name=name, when=condition_of(when), severity="critical", notify=("ops",), **more)


def values(found: Observed) -> dict[str, object]:
    """Return the value, or the error, of each subject."""
    return {o.subject: o.error or o.value for o in found.observations}


def look(
    ledger: AlertLedger, town: Town, *alerts: Alert, minutes: int = 0, **more: Any
) -> dict[str, tuple[str, list[str]]]:
    """Look at alerts so many minutes after T0; return state and messages by root cause."""
    town.now = T0 + timedelta(minutes=minutes)
    named = {item.name: item for item in alerts}
    observed = {name: observe(item, town) for name, item in named.items()}
    looked = AlertEvaluator(ledger=ledger, place=PLACE, now=town.now, **more).look(named, observed)
    return {item.after.root_cause: (item.after.status, [t.kind for t in item.messages]) for item in looked}


def subjects(ledger: AlertLedger) -> dict[str, list[str]]:
    """Return the names of the subjects of each root cause."""
    return {state.root_cause: list(state.names) for state in ledger.load_states()}
