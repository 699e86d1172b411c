"""Rows of view versions that nothing needs online any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.core.progress import Progress
from featurectl.core.units import format_count
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.online.client.pushed_versions import needed_versions
from featurectl.online.row_places import count_if_whole, online_view
from featurectl.operations.models.retire import why_needed
from featurectl.registry.applied import applied_versions, registered_view, served_views
from featurectl.registry.state import PREVIOUS

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion, ObjectVersion, State
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRows:
    """A view version of which the rows are gone, and of how many entities there were some (None: not known)."""

    view: str
    version: int
    entities: int | None

    @property
    def shown(self) -> str:
        """The number of entities for people."""
        return "unknown" if self.entities is None else format_count(self.entities)


def remove_rows(
    workspace: Workspace, labels: Sequence[str], progress: Progress, *, dry_run: bool = False
) -> list[RemovedRows]:
    """Remove the online rows of view versions ("spend@2"), each in bounded steps; what is not there is no error.

    Raises:
        UsageError: one is no version of a view, or is kept up to date; nothing was removed then.
        StoreError: the store fails; run again, the command goes on.
    """
    state = workspace.applied_state()
    store, env = workspace.online(), workspace.environment.name
    chosen = [_chosen(state, label) for label in labels]
    _check_not_needed(chosen, needed_versions(store, workspace.stream_reader, state, env))
    there, removed = store.prepared(workspace.project, env), []
    for item in chosen:
        view = online_view(load_untyped_view(item.definition), item.version, workspace.project, env)
        known = (item.name, item.version) in there
        entities = count_if_whole(store, view) if known else 0
        rows = RemovedRows(view=item.name, version=item.version, entities=entities)
        if known and not dry_run:
            progress.start(f"remove {item.name}@{item.version}")
            store.remove(view)
            progress.done(f"removed {item.name}@{item.version}: {rows.shown} online keys")
        removed.append(rows)
    return removed


def _check_not_needed(chosen: Sequence[ObjectVersion], needed: Sequence[ObjectVersion]) -> None:
    for item in chosen:
        if item in needed:
            why = f"--remove {item.name}@{item.version}: it is served until the newest version is pushed"
            raise UsageError(why, hint=f"featurectl materialize {item.name}")


def _chosen(state: State, label: str) -> ObjectVersion:
    """Return a version whose rows nothing needs."""
    name, _, number = label.partition("@")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"--remove {label}: which version?", hint=f"--remove {name}@1")
    item = registered_view(state, name, int(number[:9]))
    if item in served_views(state):
        raise _kept_up(state, item, label)
    return item


def _kept_up(state: State, item: ObjectVersion, label: str) -> UsageError:
    """Return the error for a version that is kept up to date, with what would end that."""
    bound = [m for m in applied_versions(state) if m.view_versions.get(item.name) == item.version]
    if not bound or item == state.current("feature_view", item.name):
        why = "it is the newest, and applied"
        return UsageError(f"--remove {label}: {why}", hint="it is kept up to date as long as that is so")
    models = ", ".join(f"{m.model} v{m.version}" for m in bound)
    return UsageError(f"--remove {label}: models are bound to it: {models}", hint=_unbound_by(state, bound))


def _unbound_by(state: State, bound: Sequence[ModelVersion]) -> str:
    """Return what ends that models are bound to a view version: retiring them, and what has to come before that."""
    needed = [(m, found) for m in bound if (found := why_needed(state, m, {PREVIOUS}))]
    if needed:
        return "; ".join(f"{m.model}@{m.version} {why}: {hint}" for m, (why, hint) in needed)
    names = " ".join(f"{m.model}@{m.version}" for m in bound)
    has_previous = any(state.aliases.get((m.model, PREVIOUS)) == m.version for m in bound)
    return f"featurectl models retire {names}{' --with-previous' if has_previous else ''}"
