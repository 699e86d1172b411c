"""Silences: what is not sent for a while, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from featurectl.core.errors import UsageError
from featurectl.language.definitions.json_form import load_view
from featurectl.language.resolve.transformed import transform_sources
from featurectl.monitor.alerts.evaluation_run import applied_alerts, ledger_of
from featurectl.monitor.alerts.observation import root_of
from featurectl.monitor.alerts.subjects import matches
from featurectl.registry.alert_state import Silence, new_silence_id
from featurectl.registry.applied import not_applied, served_views
from featurectl.registry.state import State
from featurectl.workspace.actor import caller
from featurectl.workspace.clocks import check_not_future
from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRequest:
    """Which alerts to silence, by name or pattern, of which subjects, for how long and why."""

    alert: str
    subject: str
    for_us: int
    reason: str


def begin_silence(workspace: Workspace, request: SilenceRequest) -> Silence:
    """Write a silence from now on.

    Raises:
        UsageError: no applied alert is of that name or pattern, or nothing that alerts are about is; or FC526, now is
            later than the registry's clock.
    """
    now = workspace.now
    try:
        until = now + timedelta(microseconds=request.for_us)
    except OverflowError:
        raise UsageError("--for ends after the last year that there is", hint="--for 2h") from None
    check_not_future(workspace, "a silence begins now; --for says how long it is")
    _check_known(workspace, request)
    written = Silence(
        id=new_silence_id(),
        alert=request.alert,
        subject=request.subject,
        until=until,
        who=caller(),
        created_at=now,
        reason=request.reason,
    )
    ledger_of(workspace).write_silence(written)
    return written


def list_silences(workspace: Workspace) -> list[Silence]:
    """Return the silences that are not over.

    Raises:
        CheckFailedError: nothing is applied.
        StoreError: the registry can't be read.
    """
    workspace.applied_state()
    return _open_silences(workspace)


def _open_silences(workspace: Workspace) -> list[Silence]:
    return [item for item in ledger_of(workspace).load_silences() if item.until > workspace.now]


def _check_known(workspace: Workspace, request: SilenceRequest) -> None:
    """Check that an applied alert is of that name or pattern, and that alerts are about such a subject."""
    state, wanted = workspace.applied_state(), request.subject
    if not any(matches(name, [request.alert]) for name in applied_alerts(state)):
        raise not_applied(state, "alert", request.alert)
    known, seen = _roots(workspace, state), [n for s in ledger_of(workspace).load_states() for n in s.names]
    below = root_of(wanted)
    if not any(matches(root, [below]) for root in known) and not any(matches(subject, [wanted]) for subject in seen):
        raise UsageError(f"nothing is {wanted!r}", hint=f"subjects are like {', '.join(known[:3])}")


def _roots(workspace: Workspace, state: State) -> list[str]:
    """Return what alerts of the environment may be about, or be caused by; features of models are below them."""
    served = served_views(state)
    views = [f"view:{item.name}@{item.version}" for item in served]
    sources = sorted({f"source:{s.name}" for item in served for s in transform_sources(load_view(item.definition))})
    models = sorted(f"model:{o.name}" for o in state.objects if o.kind == "model" and o.current)
    return [*views[:1], *models, f"store:{workspace.environment.name}", *views[1:], *sources]


def end_silence(workspace: Workspace, silence_id: str) -> Silence:
    """End a silence now, and return it.

    Raises:
        UsageError: there is none of this ID, or it is over.
    """
    silences = _open_silences(workspace)
    found = next((item for item in silences if item.id == silence_id), None)
    if found is None:
        hint = "silences: " + (", ".join(item.id for item in silences) or "none")
        raise UsageError(f"no silence {silence_id!r} that is not over", hint=hint)
    ended = replace(found, until=workspace.now)
    ledger_of(workspace).write_silence(ended)
    return ended
