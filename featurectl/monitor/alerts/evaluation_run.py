"""One look at every applied alert: what is seen is written, and what is due is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.language.definitions.alerts import Alert
from featurectl.language.definitions.json_form import load_alert, load_notifier
from featurectl.monitor.alerts.all_metrics import observe
from featurectl.monitor.alerts.deliver import Deliverer, DeliveryAttempt
from featurectl.monitor.alerts.evaluate import AlertEvaluation, AlertEvaluator
from featurectl.monitor.alerts.message import AlertScope
from featurectl.monitor.alerts.observation import Observation
from featurectl.monitor.alerts.workspace_metrics import WorkspaceMetrics
from featurectl.notifiers.all_notifiers import open_notifier
from featurectl.notifiers.base import NotifierChannel, NotSentError
from featurectl.registry.alert_state import AlertLedger, Delivery
from featurectl.registry.state import State
from featurectl.workspace.workspace import Workspace

KEPT: Final = timedelta(days=7)  # messages that were sent or given up


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """What one look found and sent; `unsent` are messages of what still fires that nobody has, or will have.

    `faults` are those of ours in measuring.
    """

    alerts: Mapping[str, Alert]
    evaluations: Sequence[AlertEvaluation]
    sent: Sequence[DeliveryAttempt] = ()
    unsent: Sequence[Delivery] = ()
    faults: Sequence[Exception] = ()


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
) -> EvaluationRun:
    """Look at every applied alert, write what follows, and send what is due; `dry`: write and send nothing.

    `again`: what was given up is due, too, if it still fires, or tells of an end. Once `stopped` says so, no other
    message is begun.

    Raises:
        StoreError: the registry can't be reached.
        CheckFailedError: nothing is applied.
    """
    state = workspace.applied_state()
    alerts, reader = applied_alerts(state), WorkspaceMetrics(workspace, state)
    ledger, place = ledger_of(workspace), AlertScope(project=workspace.project, environment=reader.environment)
    known = ledger.load_states()
    looker = AlertEvaluator(
        ledger=ledger, place=place, now=workspace.now, dry=dry, past=workspace.clock is None, known=known
    )
    observed = {name: observe(alert, reader) for name, alert in alerts.items()}
    evaluations = looker.look(alerts, observed)
    firing = [f"{place.key(item.after)}/" for item in evaluations if item.after.status == "firing"]
    if again and not dry:
        _revive(
            ledger, lambda d: _is_missed(d, alerts, state) and (d.kind == "resolved" or d.id.startswith(tuple(firing)))
        )
    sent = () if dry else list(deliverer_of(workspace, state, stopped).deliver())
    begun = (*(item.delivery.id for item in sent), *firing)
    unsent = [d for d in ledger.load_deliveries() if d.id.startswith(begun) and _is_missed(d, alerts, state)]
    if not dry:
        ledger.forget(KEPT, [delivery.id for delivery in unsent])
    faults = [o.fault for found in observed.values() for o in found.observations if o.fault is not None]
    return EvaluationRun(alerts=alerts, evaluations=evaluations, sent=sent, unsent=unsent, faults=faults)


def _revive(ledger: AlertLedger, chosen: Callable[[Delivery], bool]) -> None:
    """Let messages that were given up wait again."""
    for delivery in ledger.load_deliveries(["failed"]):
        if chosen(delivery):
            ledger.revive(delivery)


def _is_missed(delivery: Delivery, alerts: Mapping[str, Alert], state: State) -> bool:
    """Return whether somebody is to get a message still; one who is notified no more misses none that was given up."""
    notify = alerts[delivery.alert].notify if delivery.alert in alerts else (delivery.notifier,)
    gone = delivery.notifier not in notify or state.current("notifier", delivery.notifier) is None
    return delivery.state != "failed" or not gone


def deliverer_of(workspace: Workspace, state: State, stopped: Callable[[], bool]) -> Deliverer:
    """Return what sends the messages of the environment, to the notifiers that are applied."""

    def opened(name: str) -> NotifierChannel:
        found = state.current("notifier", name)
        if found is None:
            raise NotSentError(f"notifier {name} is no longer applied", again=False)
        return open_notifier(load_notifier(found.definition), workspace.environ, workspace.root)

    return Deliverer(ledger=ledger_of(workspace), now=workspace.now, open_notifier=opened, stopped=stopped)


def error_of(observation: Observation) -> FeaturectlError:
    """Return why a subject could not be observed, as an error."""
    return StoreError(observation.error) if observation.unreachable else FeaturectlError(observation.error)
