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
from featurectl.notifiers.base import IncidentMessage
from featurectl.registry.alert_state import AlertState, Delivery

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
        of = f"{self.project}/{self.environment}/{state.alert}/{state.subject}"
        return f"featurectl/{of}/{state.incident}{began}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A state before and after, at the alert's instant `at`; `clock` is the real one."""

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
    message = IncidentMessage(
        id=number,
        key=key,
        kind=item.kind,
        project=place.project,
        environment=place.environment,
        alert=after.alert,
        subject=after.subject,
        severity=after.severity,
        condition=after.condition,
        value="not known" if after.value is None else format_measure(metric, after.value),
        measured=_measured(metric, after.value),
        cause=after.cause if not after.error else f"{after.cause} (not seen at the last look: {after.error})".strip(),
        since=format_iso(since) if since else "",
        at=format_iso(transition.at),
        look=look_command(metric, after.subject, place.environment),
    )
    return Delivery(
        id=number,
        alert=after.alert,
        subject=after.subject,
        notifier=item.notifier,
        kind=item.kind,
        message=message.to_json(),
        created_at=transition.clock,
        due_at=transition.clock,
    )


def _measured(metric: str, value: float | None) -> float | None:
    """Return a value for machines; JSON has no infinite ones."""
    return None if value is None or not math.isfinite(value) else plain_measure(metric, value)


def look_command(metric: str, subject: str, environment: str) -> str:
    """Return the command that shows more of a subject: of a view's version, which need not be the newest.

    >>> look_command("freshness", "view:delays@2", "prod")
    'featurectl why delays@2 --env prod'
    >>> look_command("latency_p99", "model:late", "prod")
    'featurectl models show late --env prod'
    """
    version = subject.split(":")[1] if ":" in subject else subject
    command = _LOOK.get(metric, "featurectl models show {name}")
    return f"{command.format(name=version.partition('@')[0], version=version)} --env {environment}"
