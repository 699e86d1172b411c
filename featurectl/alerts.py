"""Alerts of a repository, as they are applied: looked at once or again and again, told, silenced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from featurectl.apply import caller
from featurectl.canary import log_folder
from featurectl.errors import FeaturectlError, StoreError, UsageError
from featurectl.health import runs_seen, served_view
from featurectl.monitor.alerts import sources
from featurectl.monitor.alerts.deliver import Deliverer, Sent
from featurectl.monitor.alerts.look import Looked, Looker
from featurectl.monitor.alerts.message import Place
from featurectl.monitor.alerts.observation import matches
from featurectl.monitor.alerts.observe import WINDOWS_US, Aged, observe
from featurectl.monitor.alerts.served import Requests, Window, read_requests
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.status import ServedView, check_source, check_views
from featurectl.monitor.why import Records, cause_of, look_at_chain
from featurectl.notifiers.base import Notifier, NotSentError
from featurectl.notifiers.open import open_notifier
from featurectl.offline.runs import RunRecord
from featurectl.open import Workspace
from featurectl.registry.alert_state import AlertLedger, Delivery, Silence, new_silence_id
from featurectl.registry.applied import not_applied, served_views
from featurectl.registry.state import CHAMPION, State
from featurectl.spec.definition import FeatureInput, Source
from featurectl.spec.definition_alerts import Alert
from featurectl.spec.definition_json import load_alert, load_model, load_notifier

_LEAST_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one look found and told; `unsent` are messages of what still fires that nobody has, or will have."""

    alerts: Mapping[str, Alert]
    looked: Sequence[Looked]
    sent: Sequence[Sent] = ()
    unsent: Sequence[Delivery] = ()


class WorkspaceWorld:
    """What alerts look at, in the stores of a workspace at its instant."""

    def __init__(self, workspace: Workspace, state: State) -> None:
        self.environment = workspace.environment.name
        self.now = workspace.now
        self._workspace = workspace
        self._state = state
        self._requests: dict[tuple[str, Window], Requests] = {}
        self._rows: dict[tuple[str, int], FreshnessRow] = {}
        self._sources: dict[str, FreshnessRow] = {}

    def views(self) -> Sequence[tuple[str, int]]:
        """Return every view version that is served."""
        return list(self._served)

    def readers(self) -> Mapping[str, frozenset[str]]:
        """Return the views that each model reads."""
        models = [load_model(o.definition) for o in self._state.objects if o.kind == "model" and o.current]
        read = {model.name: (i.view for i in model.inputs if isinstance(i, FeatureInput)) for model in models}
        return {name: frozenset(views) for name, views in sorted(read.items())}

    def champions(self) -> Collection[str]:
        """Return the models that have a champion."""
        return {model for model, alias in self._state.aliases if alias == CHAMPION}

    def ages(self, views: Sequence[tuple[str, int]]) -> Sequence[Aged]:
        """Return how old view versions are."""
        return [_aged(self._row(pair)) for pair in views]

    def behind(self, aged: Aged) -> str:
        """Return why a view is as old as it is, as `featurectl why` tells it: what broke first on the way to it."""
        served = self._served[aged.view, aged.version]
        records = Records(state=self._state, runs=self._runs)
        chain = look_at_chain(served, self._source, self._workspace.online, records, self.now)
        late = chain if chain.row.verdict == "ERROR" else replace(chain, row=replace(chain.row, verdict="STALE"))
        return cause_of(late)  # an alert may ask for more than the SLA does

    def requests(self, model: str, window: Window) -> Requests:
        """Return the logged requests for a model.

        Raises:
            UsageError: the environment keeps no predictions, or keeps them in an object store.
            StoreError: they can't be read.
        """
        folder, sample = log_folder(self._workspace), self._workspace.environment.prediction_sample
        if folder is None or not sample:
            told = f"environment {self.environment} has no prediction log, which this is measured by"
            raise UsageError(told, hint="prediction_log: {sample: 0.01} in featurectl.yaml")
        if "://" in folder:
            raise UsageError(
                f"the prediction log of environment {self.environment} is in an object store, not a folder"
            )
        if (model, window) not in self._requests:
            self._requests[model, window] = read_requests(Path(folder), model, window, sample)
        return self._requests[model, window]

    def drift(self, model: str, metric: str, window: Window) -> Sequence[sources.Measured]:
        """Return how far each feature that was served lies from the training."""
        return sources.drift_of(self._workspace, model, metric, window.since, window.until)

    def skew(self, model: str, window: Window) -> Sequence[sources.Measured]:
        """Return the share of the served values of each feature that differ from the offline ones."""
        return sources.skew_of(self._workspace, model, window.since, window.until)

    def checks(self, since: datetime) -> Sequence[sources.FailedChecks]:
        """Return what the checks of each view version found at their last run."""
        where = self._workspace.offline_location()
        return sources.failed_checks(where, self._workspace.project, self.environment, since, self.now)

    @cached_property
    def _served(self) -> Mapping[tuple[str, int], ServedView]:
        found = {}
        for item in served_views(self._state):
            found[item.name, item.version] = served_view(self._workspace, item)
        return found

    @cached_property
    def _runs(self) -> Sequence[RunRecord]:
        return runs_seen(self._workspace, timedelta(microseconds=WINDOWS_US["checks"]))[0]

    def _row(self, pair: tuple[str, int]) -> FreshnessRow:
        if pair not in self._rows:
            self._rows[pair] = check_views([self._served[pair]], self._workspace.online, self.now)[0]
        return self._rows[pair]

    def _source(self, source: Source) -> FreshnessRow:
        if source.name not in self._sources:
            self._sources[source.name] = check_source(source, self._workspace.source, self.now)
        return self._sources[source.name]


def _aged(row: FreshnessRow) -> Aged:
    return Aged(view=row.name, version=row.version or 0, age_us=row.age_us, error=row.error)


def applied_alerts(state: State) -> dict[str, Alert]:
    """Return the alerts that are applied, by name."""
    found = [load_alert(o.definition) for o in state.objects if o.kind == "alert" and o.current]
    return {alert.name: alert for alert in sorted(found, key=lambda alert: alert.name)}


def ledger_of(workspace: Workspace) -> AlertLedger:
    """Return the states, messages and silences of the workspace's environment."""
    return workspace.registry().alerts(workspace.project, workspace.environment.name)


def _never() -> bool:
    return False


def look_once(workspace: Workspace, *, dry: bool = False, stopped: Callable[[], bool] = _never) -> Round:
    """Look at every applied alert, write what follows, and send what is due; `dry`: write and send nothing.

    Once `stopped` says so, no other message is begun.

    Raises:
        StoreError: the registry can't be reached.
    """
    state = workspace.state()
    alerts, world = applied_alerts(state), WorkspaceWorld(workspace, state)
    ledger, place = ledger_of(workspace), Place(project=workspace.project, environment=world.environment)
    looker = Looker(ledger=ledger, place=place, now=workspace.now, dry=dry, known=ledger.load_states())
    looked = looker.look(alerts, {name: observe(alert, world) for name, alert in alerts.items()})
    sent = () if dry else list(deliverer_of(workspace, state, stopped).deliver())
    firing = [f"{place.key(item.after)}/" for item in looked if item.after.status == "firing"]
    tried = {item.delivery.id for item in sent}
    unsent = [d for d in ledger.load_deliveries() if d.id in tried or d.id.startswith(tuple(firing))]
    return Round(alerts=alerts, looked=looked, sent=sent, unsent=unsent)


def deliverer_of(workspace: Workspace, state: State, stopped: Callable[[], bool]) -> Deliverer:
    """Return what sends the messages of the environment, to the notifiers that are applied."""

    def opened(name: str) -> Notifier:
        found = state.current("notifier", name)
        if found is None:
            raise NotSentError(f"notifier {name} is no longer applied", again=False)
        return open_notifier(load_notifier(found.definition), workspace.environ, workspace.root)

    return Deliverer(ledger=ledger_of(workspace), open_notifier=opened, stopped=stopped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks every so many seconds, and sends what waits in between, until it is stopped.

    `open_workspace` is called for each look: so it follows what is applied. `tell` gets each round, `fail` each error.
    """

    open_workspace: Callable[[], Workspace]
    every_s: float
    tell: Callable[[Round], None]
    fail: Callable[[FeaturectlError], None]
    stop: threading.Event

    def run(self) -> None:
        """Go on until stopped; an error of a look ends nothing, that of the first one when it is wrong usage does.

        Raises:
            UsageError: there is no such repository or environment.
        """
        with self.open_workspace():
            look_at = time.monotonic()
        while not self.stop.is_set():
            is_look = time.monotonic() >= look_at
            due_s = self.every_s
            try:
                due_s = self._turn(is_look=is_look)
            except FeaturectlError as error:
                self.fail(error)
            if is_look:
                look_at = time.monotonic() + self.every_s
            self.stop.wait(max(min(look_at - time.monotonic(), due_s), _LEAST_WAIT_S))

    def _turn(self, *, is_look: bool) -> float:
        """Look, or only send; return in how many seconds the next message is due."""
        with self.open_workspace() as workspace:
            if is_look:
                self.tell(look_once(workspace, stopped=self.stop.is_set))
            else:
                sent = list(deliverer_of(workspace, workspace.state(), self.stop.is_set).deliver())
                self.tell(Round(alerts={}, looked=(), sent=sent))
            ledger = ledger_of(workspace)
            waiting = ledger.load_deliveries(["waiting"])
            now = ledger.now()
        due_s = [(max(d.due_at, d.lease_until or d.due_at) - now).total_seconds() for d in waiting]
        return min(due_s, default=self.every_s)


def silence(workspace: Workspace, asked: Silence) -> Silence:
    """Write a silence from now on; its ID, its author and its beginning are set here.

    Raises:
        UsageError: no applied alert is of that name or pattern.
    """
    state = workspace.state()
    if not any(matches(name, [asked.alert]) for name in applied_alerts(state)):
        raise not_applied(state, "alert", asked.alert)
    written = replace(asked, id=new_silence_id(), who=caller(), created_at=workspace.now)
    ledger_of(workspace).write_silence(written)
    return written


def end_silence(workspace: Workspace, silence_id: str) -> Silence:
    """End a silence now, and return it.

    Raises:
        UsageError: there is none of this ID, or it is over.
    """
    silences = [item for item in ledger_of(workspace).load_silences() if item.until > workspace.now]
    found = next((item for item in silences if item.id == silence_id), None)
    if found is None:
        hint = "silences: " + (", ".join(item.id for item in silences) or "none")
        raise UsageError(f"no silence {silence_id!r} that is not over", hint=hint)
    ended = replace(found, until=workspace.now)
    ledger_of(workspace).write_silence(ended)
    return ended


def failure_of(looked: Looked) -> FeaturectlError | None:
    """Return why a subject could not be observed, as an error; None when it could."""
    found = looked.observation
    if not found.error:
        return None
    return StoreError(found.error) if found.unreachable else FeaturectlError(found.error)
