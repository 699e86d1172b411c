"""Look once: observations move the states, and what follows is written with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from featurectl.core.errors import TryAgainError
from featurectl.language.definitions.alerts import Alert
from featurectl.monitor.alerts.message import AlertScope, Transition, deliveries_of
from featurectl.monitor.alerts.observation import Observation, Observed, root_of
from featurectl.monitor.alerts.state_machine import AlertMessage, close, step
from featurectl.registry.alert_state import AlertLedger, AlertState, Silence

_TRIES: Final = 20
_GONE: Final = "it is no longer watched"
_UNSEEN: Final = "nothing was measured of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvaluation:
    """What came of one alert and subject: the state before and after, and what is sent to whom.

    `past`: nothing, for the state is of a later instant than the look.
    """

    before: AlertState
    after: AlertState
    observation: Observation
    messages: Sequence[AlertMessage] = ()
    silence: Silence | None = None
    past: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvaluator:
    """Moves the states of a ledger at one instant; `dry`: nothing is written.

    `known` are the states from before anything was observed (None: as they are when it looks). One that another has
    moved since, at a later instant, stays: what was observed is older than what the other saw. `past`: the look is at
    an instant that was asked for, and every state of a later one stays.
    """

    ledger: AlertLedger
    place: AlertScope
    now: datetime
    dry: bool = False
    past: bool = False
    known: Sequence[AlertState] | None = None

    def look(self, alerts: Mapping[str, Alert], observed: Mapping[str, Observed]) -> list[AlertEvaluation]:
        """Return what came of every observation, and of every state that nothing was observed of.

        `observed` has an entry for each alert.

        Raises:
            StoreError: the registry can't be reached.
            TryAgainError: others wrote a state again and again.
        """
        silences = self.ledger.load_silences()
        known = self.ledger.load_states() if self.known is None else self.known
        states = {(state.alert, state.subject): state for state in known}
        seen = {(name, o.subject): o for name, found in observed.items() for o in found.observations}
        unseen = [key for key, state in states.items() if key not in seen and _is_open(state)]
        found = []
        for key, observation in seen.items():
            found.append(self._one(key, alerts[key[0]], observation, states.get(key), silences))
        for key in unseen:
            unknown = _unseen(key[1], observed.get(key[0]))
            found.append(self._one(key, alerts.get(key[0]) if unknown else None, unknown, states[key], silences))
        return found

    def _one(
        self,
        key: tuple[str, str],
        alert: Alert | None,
        observation: Observation | None,
        state: AlertState | None,
        silences: Sequence[Silence],
    ) -> AlertEvaluation:
        name, subject = key
        observation = observation and _readable(observation)
        for _ in range(_TRIES):
            before = state or AlertState(alert=name, subject=subject)
            if self.past and self._is_later(before):
                return self._left(before, observation)
            looked = self._stepped(before, alert, observation, silences)
            if self._is_written(looked):
                return looked
            states = {(s.alert, s.subject): s for s in self.ledger.load_states()}
            state = states.get((name, subject))
            if state is not None and self._is_later(state):
                return self._left(state, observation)
        raise TryAgainError(f"alert {name}: its state is written by others all the time", hint="run it again")

    def _is_later(self, state: AlertState) -> bool:
        return state.changed_at is not None and state.changed_at > self.now

    def _left(self, state: AlertState, observation: Observation | None) -> AlertEvaluation:
        seen = observation or Observation(subject=state.subject)
        return AlertEvaluation(before=state, after=state, observation=seen, past=True)

    def _stepped(
        self, before: AlertState, alert: Alert | None, observation: Observation | None, silences: Sequence[Silence]
    ) -> AlertEvaluation:
        silence = next((s for s in silences if s.covers(before.alert, before.subject, self.now)), None)
        if alert is None or observation is None:
            after, messages = close(before, self.now, _GONE, silenced=silence is not None)
            observation = Observation(subject=before.subject, cause=_GONE)
        else:
            after, messages = step(before, observation, alert, self.now, silenced=silence is not None)
        return AlertEvaluation(before=before, after=after, observation=observation, messages=messages, silence=silence)

    def _is_written(self, looked: AlertEvaluation) -> bool:
        if self.dry or _lasting(looked.before) == _lasting(looked.after):
            return True
        before, after = looked.before, looked.after
        transition = Transition(before=before, after=after, at=self.now, clock=self.ledger.now())
        deliveries = deliveries_of(self.place, transition, looked.messages)
        unheard = looked.silence is not None and before.status == "firing" != after.status
        return self.ledger.write_state(before, after, deliveries, withdraw=unheard)


def _readable(observation: Observation) -> Observation:
    """Return an observation whose texts may be kept and sent: a file's name may hold bytes that are no letters."""
    cause, error = (
        text.encode("utf-8", "backslashreplace").decode() for text in (observation.cause, observation.error)
    )
    return replace(observation, cause=cause, error=error)


def _is_open(state: AlertState) -> bool:
    return state.status in ("pending", "firing") or bool(state.notified) or bool(state.error)


def _lasting(state: AlertState) -> AlertState:
    """Return what is worth a write: while a condition does not hold, or goes on holding, the value alone is not."""
    kept = replace(state, value=None, cause="")
    return replace(kept, severity="info", condition="") if state.status in ("ok", "resolved") else kept


def _unseen(subject: str, observed: Observed | None) -> Observation | None:
    """Return what is known of a subject that was not observed; None: it is watched no more.

    Of a feature nothing is known when its model could not be observed; when others of the model were, it is gone.
    """
    root = root_of(subject)
    if observed is None or root not in observed.watched:
        return None
    of_root = [o for o in observed.observations if root_of(o.subject) == root]
    failed = next((o for o in of_root if o.subject == root and (o.error or o.value is None)), None)
    if failed is not None:
        return replace(failed, subject=subject)
    return None if of_root else Observation(subject=subject, cause=_UNSEEN)
