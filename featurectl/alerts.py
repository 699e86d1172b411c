"""Alerts of a repository, as they are applied: looked at once or again and again, told, silenced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from featurectl.apply import caller
from featurectl.errors import FeaturectlError, StoreError, UsageError
from featurectl.health import recorded_runs, runs_seen, served_view
from featurectl.monitor.alerts import sources
from featurectl.monitor.alerts.deliver import Deliverer, Sent
from featurectl.monitor.alerts.look import Looked, Looker
from featurectl.monitor.alerts.message import Place
from featurectl.monitor.alerts.observation import matches, root_of
from featurectl.monitor.alerts.observe import WINDOWS_US, Aged, observe
from featurectl.monitor.alerts.served import Requests, Window, read_requests
from featurectl.monitor.freshness import FreshnessRow
from featurectl.monitor.prediction_log import open_log, require_sample
from featurectl.monitor.status import ServedView, check_source, check_views
from featurectl.monitor.why import Records, cause_of, look_at_chain
from featurectl.notifiers.base import Notifier, NotSentError
from featurectl.notifiers.open import open_notifier
from featurectl.offline.runs import RunRecord
from featurectl.open import Workspace
from featurectl.registry.alert_state import AlertLedger, Delivery, Silence, new_silence_id
from featurectl.registry.applied import need_applied, not_applied, served_views
from featurectl.registry.state import CHAMPION, State
from featurectl.spec.definition import FeatureInput, Source
from featurectl.spec.definition_alerts import Alert
from featurectl.spec.definition_json import load_alert, load_model, load_notifier
from featurectl.units import moved_by

if TYPE_CHECKING:
    from featurectl.monitor.drift.compare import DriftRow

K = TypeVar("K")
T = TypeVar("T")

KEPT: Final = timedelta(days=7)  # messages that were sent or given up
_LEAST_WAIT_S: Final = 0.5
_RECENT: Final = timedelta(microseconds=WINDOWS_US["checks"])
_TICK: Final = timedelta(microseconds=1)
_MEASURED: Final = "which this is measured by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one look found and told; `unsent` are messages of what still fires that nobody has, or will have."""

    alerts: Mapping[str, Alert]
    looked: Sequence[Looked]
    sent: Sequence[Sent] = ()
    unsent: Sequence[Delivery] = ()


class Once(Generic[K, T]):
    """What is measured once in a look, and told to every alert that asks; so is why it can't be."""

    def __init__(self) -> None:
        self._found: dict[K, T | FeaturectlError] = {}

    def get(self, key: K, measure: Callable[[], T]) -> T:
        """Return what is measured, or raise what measuring it raised."""
        if key not in self._found:
            try:
                self._found[key] = measure()
            except FeaturectlError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, FeaturectlError):
            raise found
        return found


def _half_open(window: Window) -> tuple[datetime, datetime]:
    """Return a window for those who count its beginning and not its end: what is served at now counts."""
    return moved_by(window.since, _TICK), moved_by(window.until, _TICK)


class WorkspaceWorld:
    """What alerts look at, in the stores of a workspace at its instant."""

    def __init__(self, workspace: Workspace, state: State) -> None:
        self.environment = workspace.environment.name
        self.now = workspace.now
        self._workspace = workspace
        self._state = state
        self._requests: Once[tuple[str, Window], Requests] = Once()
        self._drift: Once[tuple[str, Window], Sequence[DriftRow]] = Once()
        self._skew: Once[tuple[str, Window], Sequence[sources.Measured]] = Once()
        self._rows: Once[tuple[str, int], FreshnessRow] = Once()
        self._sources: Once[str, FreshnessRow] = Once()

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
            UsageError: the environment keeps no predictions.
            StoreError: they can't be read.
        """
        sample = require_sample(self._workspace.environment, _MEASURED)
        log, moved = open_log(self._workspace, model), self._workspace.clock is None
        return self._requests.get((model, window), partial(read_requests, log, window, sample, moved=moved))

    def drift(self, model: str, metric: str, window: Window) -> Sequence[sources.Measured]:
        """Return how far each feature that was served lies from the training."""
        measure = partial(sources.drift_of, self._workspace, model, *_half_open(window))
        return [sources.drifted(row, metric) for row in self._drift.get((model, window), measure)]

    def skew(self, model: str, window: Window) -> Sequence[sources.Measured]:
        """Return the share of the served values of each feature that differ from the offline ones."""
        require_sample(self._workspace.environment, _MEASURED)
        measure = partial(sources.skew_of, self._workspace, model, *_half_open(window))
        return self._skew.get((model, window), measure)

    def checks(self, since: datetime) -> Sequence[sources.Counted]:
        """Return what the checks of each view version found at their last run.

        Raises:
            StoreError: the records of runs can't be read.
        """
        return sources.failed_checks(self._served.values(), self._recorded(since), self.now)

    def runs(self, since: datetime) -> Sequence[sources.Counted]:
        """Return how many runs of each view version failed.

        Raises:
            StoreError: the records of runs can't be read.
        """
        return sources.failed_runs(self._served.values(), self._recorded(since))

    @cached_property
    def _served(self) -> Mapping[tuple[str, int], ServedView]:
        found = {}
        for item in served_views(self._state):
            found[item.name, item.version] = served_view(self._workspace, item)
        return found

    @cached_property
    def _runs(self) -> Sequence[RunRecord]:
        return runs_seen(self._workspace, _RECENT)[0]

    @cached_property
    def _ended(self) -> Sequence[RunRecord]:
        return recorded_runs(self._workspace, _RECENT)

    def _recorded(self, since: datetime) -> Sequence[RunRecord]:
        """Return the records of runs that ended, as of later than an instant, and not after now."""
        back = self.now - since
        found = self._ended if back <= _RECENT else recorded_runs(self._workspace, back)
        return [run for run in found if run.now > since]

    def _row(self, pair: tuple[str, int]) -> FreshnessRow:
        return self._rows.get(pair, lambda: check_views([self._served[pair]], self._workspace.online, self.now)[0])

    def _source(self, source: Source) -> FreshnessRow:
        return self._sources.get(source.name, partial(check_source, source, self._workspace.source, self.now))


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


def look_once(
    workspace: Workspace, *, dry: bool = False, again: bool = False, stopped: Callable[[], bool] = _never
) -> Round:
    """Look at every applied alert, write what follows, and send what is due; `dry`: write and send nothing.

    `again`: what was given up is due, too, if it still fires, or tells of an end. Once `stopped` says so, no other
    message is begun.

    Raises:
        StoreError: the registry can't be reached.
        CheckFailedError: nothing is applied.
    """
    state = workspace.state()
    need_applied(state, workspace.environment.name)
    alerts, world = applied_alerts(state), WorkspaceWorld(workspace, state)
    ledger, place = ledger_of(workspace), Place(project=workspace.project, environment=world.environment)
    known = ledger.load_states()
    looker = Looker(ledger=ledger, place=place, now=workspace.now, dry=dry, past=workspace.clock is None, known=known)
    looked = looker.look(alerts, {name: observe(alert, world) for name, alert in alerts.items()})
    firing = [f"{place.key(item.after)}/" for item in looked if item.after.status == "firing"]
    if again and not dry:
        _revive(
            ledger, lambda d: _is_missed(d, alerts, state) and (d.kind == "resolved" or d.id.startswith(tuple(firing)))
        )
    sent = () if dry else list(deliverer_of(workspace, state, stopped).deliver())
    begun = (*(item.delivery.id for item in sent), *firing)
    unsent = [d for d in ledger.load_deliveries() if d.id.startswith(begun) and _is_missed(d, alerts, state)]
    if not dry:
        ledger.forget(KEPT, [delivery.id for delivery in unsent])
    return Round(alerts=alerts, looked=looked, sent=sent, unsent=unsent)


def _revive(ledger: AlertLedger, chosen: Callable[[Delivery], bool]) -> None:
    """Let messages that were given up wait again."""
    for delivery in ledger.load_deliveries(["failed"]):
        if chosen(delivery):
            ledger.revive(delivery)


def _is_missed(delivery: Delivery, alerts: Mapping[str, Alert], state: State) -> bool:
    """Return whether somebody is to get a message still; one who is told no more misses none that was given up."""
    notify = alerts[delivery.alert].notify if delivery.alert in alerts else (delivery.notifier,)
    gone = delivery.notifier not in notify or state.current("notifier", delivery.notifier) is None
    return delivery.state != "failed" or not gone


def deliverer_of(workspace: Workspace, state: State, stopped: Callable[[], bool]) -> Deliverer:
    """Return what sends the messages of the environment, to the notifiers that are applied."""

    def opened(name: str) -> Notifier:
        found = state.current("notifier", name)
        if found is None:
            raise NotSentError(f"notifier {name} is no longer applied", again=False)
        return open_notifier(load_notifier(found.definition), workspace.environ, workspace.root)

    return Deliverer(ledger=ledger_of(workspace), now=workspace.now, open_notifier=opened, stopped=stopped)


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
            deliverer = deliverer_of(workspace, workspace.state(), self.stop.is_set)
            if not is_look:
                self.tell(Round(alerts={}, looked=(), sent=list(deliverer.deliver())))
            due_s = deliverer.due_s()
        return self.every_s if due_s is None else due_s


def silence(workspace: Workspace, asked: Silence) -> Silence:
    """Write a silence from now on; its ID, its author and its beginning are set here.

    Raises:
        UsageError: no applied alert is of that name or pattern, or nothing that alerts are about is.
    """
    state = workspace.state()
    if not any(matches(name, [asked.alert]) for name in applied_alerts(state)):
        raise not_applied(state, "alert", asked.alert)
    known, seen = _roots(workspace, state), [item.subject for item in ledger_of(workspace).load_states()]
    below, wanted = root_of(asked.subject), asked.subject
    if not any(matches(root, [below]) for root in known) and not any(matches(subject, [wanted]) for subject in seen):
        raise UsageError(f"nothing is {asked.subject!r}", hint=f"subjects are like {', '.join(known[:3])}")
    written = replace(asked, id=new_silence_id(), who=caller(), created_at=workspace.now)
    ledger_of(workspace).write_silence(written)
    return written


def _roots(workspace: Workspace, state: State) -> list[str]:
    """Return what alerts of the environment may be about; features of models are below them."""
    views = [f"view:{item.name}@{item.version}" for item in served_views(state)]
    models = sorted(f"model:{o.name}" for o in state.objects if o.kind == "model" and o.current)
    return [*views[:1], *models, f"store:{workspace.environment.name}", *views[1:]]


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
