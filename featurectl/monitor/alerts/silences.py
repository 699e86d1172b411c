"""Silences: what is not told for a while, and why."""

from __future__ import annotations

from dataclasses import replace

from featurectl.core.errors import UsageError
from featurectl.monitor.alerts.evaluation_run import applied_alerts, ledger_of
from featurectl.monitor.alerts.observation import matches, root_of
from featurectl.operations.apply import caller
from featurectl.registry.alert_state import Silence, new_silence_id
from featurectl.registry.applied import not_applied, served_views
from featurectl.registry.state import State
from featurectl.workspace.workspace import Workspace


def silence(workspace: Workspace, asked: Silence) -> Silence:
    """Write a silence from now on; its ID, its author and its beginning are set here.

    Raises:
        UsageError: no applied alert is of that name or pattern, or nothing that alerts are about is.
    """
    state = workspace.applied_state()
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
