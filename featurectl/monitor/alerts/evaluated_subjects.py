"""The subjects of an evaluated root cause, one by one: what people and machines are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurectl.monitor.alerts.evaluate import AlertEvaluation
from featurectl.registry.alert_state import AlertState, AlertStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectEvaluation:
    """Where a subject stands with an alert, and stood before the look; `error`: it could not be observed."""

    name: str
    state: AlertStatus
    was: AlertStatus
    value: float | None = None
    cause: str = ""
    error: str = ""
    silenced: bool = False


def subjects_of(evaluation: AlertEvaluation) -> Sequence[SubjectEvaluation]:
    """Return the subjects of a root cause: affected ones, the worst first, then what is not known, well, and gone."""
    seen, after = evaluation.seen, evaluation.after
    found = [_subject(evaluation, s.name, s.value, s.cause) for s in seen.affected]
    found += [_subject(evaluation, o.subject, o.value, o.cause, o.error) for o in seen.unknown]
    found += [_subject(evaluation, o.subject, o.value, o.cause) for o in seen.well]
    return found + [_subject(evaluation, name, None, after.cause) for name in seen.gone]


def _subject(
    evaluation: AlertEvaluation, name: str, value: float | None, cause: str, error: str = ""
) -> SubjectEvaluation:
    before, after = evaluation.before, evaluation.after
    state: AlertStatus = after.status if name in after.names or not after.is_open else "ok"
    is_heard = evaluation.past or any(subject.name == name for subject in evaluation.heard)
    return SubjectEvaluation(
        name=name,
        state=state,
        was=_was(before, name),
        value=value,
        cause=cause,
        error=error,
        silenced=state in ("pending", "firing") and not is_heard,
    )


def _was(before: AlertState, name: str) -> AlertStatus:
    """Return the state that a subject had with this root cause."""
    return before.status if name in before.names or not before.is_open else "ok"
