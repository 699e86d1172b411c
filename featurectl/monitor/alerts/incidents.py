"""Which subjects of an alert have one cause, so that one message tells of them. Pure.

- A subject for which the condition holds belongs to each of its causes. What holds for `freshness` stays with the cause
  by which it began to, until it holds no longer: a source that is back is read at the next run, and what is late until
  then is no incident of its own.
- What is not known of a subject leaves it where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from featurectl.language.definitions.alerts import Alert, Metric, Operator
from featurectl.monitor.alerts.observation import Observation, Observed, holds, root_causes_of, root_of
from featurectl.registry.alert_state import AffectedSubject, AlertState

_STAYS: Final[frozenset[Metric]] = frozenset({"freshness"})
_WORST_IS_LEAST: Final[frozenset[Operator]] = frozenset({"<", "<="})
_UNSEEN: Final = "nothing was measured of it"
_MOVED: Final = "what is left has another cause"


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseObservation:
    """What was observed of a root cause.

    `affected` are the subjects for which the condition holds by it, the worst first; `unknown` those of which that is
    not known; `well` those for which it does not hold, or not by this cause any more; `gone` those that nobody watches.
    """

    affected: tuple[AffectedSubject, ...] = ()
    unknown: tuple[Observation, ...] = ()
    well: tuple[Observation, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertObservations:
    """What one look has observed for an alert (None: it is applied no more), by subject, and by root cause.

    `unfinished` are the root causes of states that are not over.
    """

    alert: Alert | None
    watched: frozenset[str]
    by_subject: Mapping[str, Observation]
    by_cause: Mapping[str, Sequence[Observation]]
    unfinished: tuple[str, ...]

    @property
    def root_causes(self) -> list[str]:
        """The root causes of all that was observed, and of every state that is not over."""
        return list(dict.fromkeys([*self.by_cause, *self.unfinished]))

    def of(self, state: AlertState) -> CauseObservation:
        """Return what was observed of the root cause of a state, whose subjects may be others than it had before."""
        before = state.names if state.is_open else ()
        known = {name: found for name in before if (found := self.by_subject.get(name) or self._unseen(name))}
        own = {o.subject: o for o in self.by_cause.get(state.root_cause, ())}
        held = {name: _holds(self.alert, o) for name, o in (known | own).items()}
        moved = [name for name in known if held[name] and name not in own]
        return CauseObservation(
            affected=_affected(self.alert, state.root_cause, [own[name] for name in own if held[name]]),
            unknown=tuple(o for name, o in (known | own).items() if held[name] is None),
            well=tuple(o for name, o in (known | own).items() if held[name] is False)
            + tuple(replace(known[name], cause=_MOVED) for name in moved),
            gone=tuple(name for name in before if name not in known),
        )

    def _unseen(self, subject: str) -> Observation | None:
        """Return what is known of a subject that was not observed; None: it is watched no more.

        Of a feature nothing is known when its model could not be observed; when others of the model were, it is gone.
        """
        root = root_of(subject)
        if self.alert is None or root not in self.watched:
            return None
        of_root = [o for o in self.by_subject.values() if root_of(o.subject) == root]
        failed = next((o for o in of_root if o.subject == root and (o.error or o.value is None)), None)
        if failed is not None:
            return replace(failed, subject=subject)
        return None if of_root else Observation(subject=subject, cause=_UNSEEN)


def observations_of(alert: Alert | None, observed: Observed | None, states: Sequence[AlertState]) -> AlertObservations:
    """Return what was observed for an alert by its subjects and causes; `states` are those that it had before."""
    observations = observed.observations if observed is not None and alert is not None else ()
    before: dict[str, list[str]] = {}
    for state in states:
        for name in state.names if state.is_open else ():
            before.setdefault(name, []).append(state.root_cause)
    by_cause: dict[str, list[Observation]] = {}
    for observation in observations:
        for root_cause in _assigned(alert, observation, before.get(observation.subject, [])):
            by_cause.setdefault(root_cause, []).append(observation)
    return AlertObservations(
        alert=alert,
        watched=observed.watched if observed is not None else frozenset(),
        by_subject={o.subject: o for o in observations},
        by_cause=by_cause,
        unfinished=tuple(s.root_cause for s in states if s.is_open or s.notified or s.error),
    )


def _assigned(alert: Alert | None, observation: Observation, before: Sequence[str]) -> Sequence[str]:
    """Return the root causes that a subject belongs to: what is well or unknown, to where it was, else to its own."""
    held = _holds(alert, observation)
    if before and (not held or (alert is not None and alert.when.metric in _STAYS)):
        return before
    return [cause.name for cause in root_causes_of(observation)] if held else [root_of(observation.subject)]


def _holds(alert: Alert | None, observation: Observation) -> bool | None:
    return None if alert is None else holds(alert.when, observation)


def _affected(alert: Alert | None, root_cause: str, held: Sequence[Observation]) -> tuple[AffectedSubject, ...]:
    """Return subjects for which a condition holds, the worst first, each with what the root cause says of it."""
    sign = 1 if alert is not None and alert.when.op in _WORST_IS_LEAST else -1
    ordered = sorted(held, key=lambda o: (sign * (o.value or 0.0), o.subject))
    return tuple(AffectedSubject(name=o.subject, value=o.value, cause=_text(o, root_cause)) for o in ordered)


def _text(observation: Observation, root_cause: str) -> str:
    texts = (cause.text for cause in root_causes_of(observation) if cause.name == root_cause)
    return next(texts, observation.cause)
