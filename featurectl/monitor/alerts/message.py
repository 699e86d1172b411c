"""Messages of an alert, ready for a registry's outbox."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from featurectl.core.units import format_iso
from featurectl.language.definitions.alerts import format_measure, plain_measure
from featurectl.monitor.alerts.state_machine import AlertMessage
from featurectl.notifiers.base import IncidentMessage, MessageSubject
from featurectl.registry.alert_state import AffectedSubject, AlertState, Delivery

_LOOK: Final[Mapping[str, str]] = {
    "psi": "featurectl monitor drift {name}",
    "js": "featurectl monitor drift {name}",
    "ks": "featurectl monitor drift {name}",
    "wasserstein": "featurectl monitor drift {name}",
    "null_rate": "featurectl monitor drift {name}",
    "skew": "featurectl verify {name}",
    "freshness": "featurectl why {version}",
    "checks": "featurectl why {version}",
    "pipeline_failures": "featurectl why {version}",
    "store_errors": "featurectl status",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertScope:
    """Whose alerts these are."""

    project: str
    environment: str

    def key(self, state: AlertState) -> str:
        """Return what all messages of an incident have in common, and no other.

        Numbers begin anew in a registry that is new; the instant of the beginning tells its incidents from older ones.
        """
        began = f"/{format_iso(state.began)}" if state.began else ""
        of = f"{self.project}/{self.environment}/{state.alert}/{state.root_cause}"
        return f"featurectl/{of}/{state.incident}{began}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A state before and after, with the subjects to tell of, at the alert's instant `at`; `clock` is the real one."""

    before: AlertState
    after: AlertState
    at: datetime
    clock: datetime


def deliveries_of(place: AlertScope, transition: Transition, messages: Sequence[AlertMessage]) -> list[Delivery]:
    """Return the messages that a transition causes, due at once."""
    return [_delivery(place, transition, item) for item in messages]


def _delivery(place: AlertScope, transition: Transition, item: AlertMessage) -> Delivery:
    before, after = transition.before, transition.after
    key = place.key(after)
    number = f"{key}/{item.kind}/{before.revision + 1}/{item.notifier}"
    metric = after.condition.partition(" ")[0]
    since = after.since or before.since
    value, cause = _worst(after)
    message = IncidentMessage(
        id=number,
        key=key,
        kind=item.kind,
        project=place.project,
        environment=place.environment,
        alert=after.alert,
        subject=after.root_cause,
        subjects=tuple(_subject(metric, subject) for subject in after.subjects),
        severity=after.severity,
        condition=after.condition,
        value=_format_value(metric, value),
        measured=_measured(metric, value),
        cause=cause if not after.error else f"{cause} (not seen at the last look: {after.error})".strip(),
        since=format_iso(since) if since else "",
        at=format_iso(transition.at),
        look=look_command(metric, after, place.environment),
    )
    return Delivery(
        id=number,
        alert=after.alert,
        root_cause=after.root_cause,
        subjects=after.names,
        notifier=item.notifier,
        kind=item.kind,
        message=message.to_json(),
        created_at=transition.clock,
        due_at=transition.clock,
    )


def _worst(state: AlertState) -> tuple[float | None, str]:
    """Return the value and the cause of the worst subject of a message; of an incident that is over, the last."""
    if state.is_open and state.subjects:
        return state.subjects[0].value, state.subjects[0].cause
    return state.value, state.cause


def _subject(metric: str, subject: AffectedSubject) -> MessageSubject:
    return MessageSubject(
        name=subject.name,
        value=_format_value(metric, subject.value),
        measured=_measured(metric, subject.value),
        cause=subject.cause,
    )


def _format_value(metric: str, value: float | None) -> str:
    return "not known" if value is None else format_measure(metric, value)


def _measured(metric: str, value: float | None) -> float | None:
    """Return a value for machines; JSON has no infinite ones."""
    return None if value is None or not math.isfinite(value) else plain_measure(metric, value)


def look_command(metric: str, state: AlertState, environment: str) -> str:
    """Return the command that shows more of the worst subject: of a view's version, which need not be the newest.

    >>> late = AffectedSubject(name="view:delays@2")
    >>> look_command("freshness", AlertState(alert="a", root_cause="source:arrivals", subjects=(late,)), "prod")
    'featurectl why delays@2 --env prod'
    >>> look_command("latency_p99", AlertState(alert="a", root_cause="model:late"), "prod")
    'featurectl models show late --env prod'
    """
    subject = state.names[0] if state.names else state.root_cause
    if subject.startswith("pipeline:"):
        return f"featurectl pipeline show {subject.partition(':')[2]} --env {environment}"
    version = subject.split(":")[1] if ":" in subject else subject
    command = _LOOK.get(metric, "featurectl models show {name}")
    return f"{command.format(name=version.partition('@')[0], version=version)} --env {environment}"
