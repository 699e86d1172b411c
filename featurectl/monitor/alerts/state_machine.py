"""The state machine of an alert and a root cause: ok, pending, firing, resolved. Pure.

- *pending* as soon as the condition holds for one of the cause's subjects, *firing* once it has, for one or another,
  for `for`; an incident begins there.
- Subjects that join an incident, or leave it, are no message of their own: the next one has them as they are then.
- Firing, every notifier is notified once, and again every `repeat`, or when the alert becomes more severe; a notifier
  that the alert has from now on is notified too.
- *resolved* when the condition no longer holds: who was notified of the incident is notified of that, once.
- What is not known (nothing was measured, or a store is gone) changes nothing: neither does it fire, nor resolve.
- A clock that was ahead, or `--as-of` of the future, delays nothing: what it wrote counts as of now.
- Silenced, the state moves as ever, and nobody is notified; what is still so when the silence is over is sent then. An
  incident of whose end nobody was notified goes on when the condition holds again: for those it never ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from featurectl.language.definitions.alerts import SEVERITIES, Alert, format_condition
from featurectl.monitor.alerts.incidents import CauseObservation
from featurectl.registry.alert_state import AffectedSubject, AlertState, MessageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """A message to be sent: to whom, and of which kind."""

    notifier: str
    kind: MessageKind


def step(
    state: AlertState, observed: CauseObservation, alert: Alert, now: datetime, *, silenced: bool = False
) -> tuple[AlertState, Sequence[AlertMessage]]:
    """Return the state after a look at its root cause at now, and the messages that follow."""
    state, held = _not_later(state, now), is_affected(state, observed)
    moved = state if held is None else _risen(state, alert, now) if held else _ended(state, now)
    raised = state.status == "firing" and SEVERITIES.index(alert.severity) > SEVERITIES.index(state.severity)
    error = "" if held else next((o.error for o in observed.unknown if o.error), "")
    moved = replace(moved, error=error, severity=alert.severity, condition=format_condition(alert.when))
    moved = _with_figures(moved, observed)
    return (moved, ()) if silenced else _notify(moved, alert, now, raised=raised)


def is_affected(state: AlertState, observed: CauseObservation) -> bool | None:
    """Return whether the condition holds for a subject of a root cause; None when that is not known."""
    if observed.affected:
        return True
    before = state.names if state.is_open else ()
    return None if any(o.subject in before for o in observed.unknown) else False


def close(
    state: AlertState, now: datetime, cause: str, *, silenced: bool = False
) -> tuple[AlertState, Sequence[AlertMessage]]:
    """Return the state of what is watched no more, and the messages that follow: an incident ends."""
    ended = replace(_ended(_not_later(state, now), now), cause=cause, error="")
    return (ended, ()) if silenced else _notify_end(ended)


def _with_figures(state: AlertState, observed: CauseObservation) -> AlertState:
    """Return a state with the subjects that it has now, and with the value and the cause of the worst."""
    if observed.affected:
        worst, subjects = observed.affected[0], (*observed.affected, *_still_unknown(state, observed))
        return replace(state, value=worst.value, cause=worst.cause, subjects=subjects)
    if state.is_open:
        return replace(state, subjects=tuple(_still_unknown(state, observed)))
    seen = next((o for o in observed.well if not state.subjects or o.subject in state.names), None)
    return state if seen is None else replace(state, value=seen.value, cause=seen.cause)


def _still_unknown(state: AlertState, observed: CauseObservation) -> list[AffectedSubject]:
    unknown = {o.subject for o in observed.unknown}
    return [subject for subject in state.subjects if subject.name in unknown]


def _not_later(state: AlertState, now: datetime) -> AlertState:
    """Return a state with no instant after now: else `for` and `repeat` would count from a clock that was ahead."""
    since, changed_at = (instant and min(instant, now) for instant in (state.since, state.changed_at))
    notified = {name: min(last, now) for name, last in state.notified.items()}
    return replace(state, since=since, changed_at=changed_at, notified=notified)


def _risen(state: AlertState, alert: Alert, now: datetime) -> AlertState:
    """Return the state when the condition holds."""
    if state.status not in ("pending", "firing"):
        state = replace(state, status="pending", since=now, changed_at=now, subjects=())
    assert state.since is not None
    if state.status == "pending" and now - state.since >= timedelta(microseconds=alert.for_us):
        goes_on = state.incident > 0 and bool(state.notified)  # nobody was notified of its end
        fired = replace(state, status="firing", changed_at=now)
        return fired if goes_on else replace(fired, incident=state.incident + 1, began=now)
    return state


def _ended(state: AlertState, now: datetime) -> AlertState:
    """Return the state once the condition no longer holds."""
    if state.status == "pending":
        return replace(state, status="resolved" if state.incident else "ok", since=None, changed_at=now)
    return replace(state, status="resolved", since=None, changed_at=now) if state.status == "firing" else state


def _notify(
    state: AlertState, alert: Alert, now: datetime, *, raised: bool = False
) -> tuple[AlertState, Sequence[AlertMessage]]:
    if state.status == "resolved":
        return _notify_end(state)
    if state.status != "firing":
        return state, ()
    new = [name for name in alert.notify if name not in state.notified]
    known = [name for name in alert.notify if name in state.notified]
    again = [name for name in known if raised or _is_due(state.notified[name], alert, now)]
    messages = [AlertMessage(notifier=name, kind="firing") for name in new] + [
        AlertMessage(notifier=name, kind="repeat") for name in again
    ]
    return replace(
        state, notified={**state.notified, **dict.fromkeys([*new, *again], now)}
    ) if messages else state, messages


def _notify_end(state: AlertState) -> tuple[AlertState, Sequence[AlertMessage]]:
    return replace(state, notified={}), [AlertMessage(notifier=name, kind="resolved") for name in state.notified]


def _is_due(last: datetime, alert: Alert, now: datetime) -> bool:
    return alert.repeat_us is not None and now - last >= timedelta(microseconds=alert.repeat_us)
