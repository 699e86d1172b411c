"""Look once: observations move the states, and what follows is written with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from featurectl.core.errors import TryAgainError
from featurectl.language.definitions.alerts import Alert
from featurectl.monitor.alerts.incidents import AlertObservations, CauseObservation, observations_of
from featurectl.monitor.alerts.message import AlertScope, Transition, deliveries_of
from featurectl.monitor.alerts.observation import Observed
from featurectl.monitor.alerts.state_machine import AlertMessage, close, step
from featurectl.registry.alert_state import AffectedSubject, AlertLedger, AlertState, Silence, silence_of

_TRIES: Final = 20
_GONE: Final = "it is no longer watched"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvaluation:
    """What came of one alert and root cause: the state before and after, what was seen, what is sent to whom.

    `heard` are the subjects that a message tells of: those that are not silenced. `past`: nothing came of it, for the
    state is of a later instant than the look.
    """

    before: AlertState
    after: AlertState
    seen: CauseObservation
    heard: tuple[AffectedSubject, ...] = ()
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
        found = []
        for name in dict.fromkeys([*alerts, *(state.alert for state in known)]):
            states = {state.root_cause: state for state in known if state.alert == name}
            seen = observations_of(alerts.get(name), observed.get(name), list(states.values()))
            for root_cause in seen.root_causes:
                state = states.get(root_cause) or AlertState(alert=name, root_cause=root_cause)
                found.append(self._one(state, seen, silences))
        return found

    def _one(self, state: AlertState, seen: AlertObservations, silences: Sequence[Silence]) -> AlertEvaluation:
        for _ in range(_TRIES):
            if self.past and self._is_later(state):
                return _left(state, seen)
            looked = self._stepped(state, seen, silences)
            if self._is_written(looked):
                return looked
            now = (s for s in self.ledger.load_states() if (s.alert, s.root_cause) == (state.alert, state.root_cause))
            state = next(now, AlertState(alert=state.alert, root_cause=state.root_cause))
            if self._is_later(state):
                return _left(state, seen)
        raise TryAgainError(f"alert {state.alert}: its state is written by others all the time", hint="run it again")

    def _is_later(self, state: AlertState) -> bool:
        return state.changed_at is not None and state.changed_at > self.now

    def _stepped(self, before: AlertState, seen: AlertObservations, silences: Sequence[Silence]) -> AlertEvaluation:
        observed = _readable(seen.of(before))
        names = [s.name for s in observed.affected] or before.names
        silence = silence_of(silences, before, names, self.now)
        silenced = silence is not None
        if seen.alert is None or not (observed.affected or observed.unknown or observed.well):
            after, messages = close(before, self.now, _GONE, silenced=silenced)
        else:
            after, messages = step(before, observed, seen.alert, self.now, silenced=silenced)
        heard = tuple(s for s in after.subjects if silence_of(silences, before, [s.name], self.now) is None)
        return AlertEvaluation(
            before=before, after=after, seen=observed, heard=heard, messages=messages, silence=silence
        )

    def _is_written(self, looked: AlertEvaluation) -> bool:
        if self.dry or _lasting(looked.before) == _lasting(looked.after):
            return True
        before, after = looked.before, looked.after
        heard = replace(after, subjects=looked.heard)
        transition = Transition(before=before, after=heard, at=self.now, clock=self.ledger.now())
        deliveries = deliveries_of(self.place, transition, looked.messages)
        unheard = looked.silence is not None and before.status == "firing" != after.status
        return self.ledger.write_state(before, after, deliveries, withdraw=unheard)


def _left(state: AlertState, seen: AlertObservations) -> AlertEvaluation:
    return AlertEvaluation(before=state, after=state, seen=_readable(seen.of(state)), past=True)


def _readable(seen: CauseObservation) -> CauseObservation:
    """Return an observation whose texts may be kept and sent: a file's name may hold bytes that are no letters."""
    return replace(
        seen,
        affected=tuple(replace(s, cause=_letters(s.cause)) for s in seen.affected),
        unknown=tuple(replace(o, cause=_letters(o.cause), error=_letters(o.error)) for o in seen.unknown),
        well=tuple(replace(o, cause=_letters(o.cause)) for o in seen.well),
    )


def _letters(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _lasting(state: AlertState) -> AlertState:
    """Return what is worth a write: while a condition does not hold, or goes on holding, the value alone is not."""
    subjects = tuple(AffectedSubject(name=name) for name in sorted(state.names)) if state.is_open else ()
    kept = replace(state, value=None, cause="", subjects=subjects)
    return replace(kept, severity="info", condition="") if state.status in ("ok", "resolved") else kept
