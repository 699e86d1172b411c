"""Rows of view versions that nothing needs online any more: `featurectl push --remove VIEW@2`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.core.errors import UsageError
from featurectl.core.units import format_count

if TYPE_CHECKING:
    from featurectl.registry.state import ObjectVersion, State

_HEAD = ("view", "version", "online keys")


def remove_rows(call: Call, labels: Sequence[str], *, dry_run: bool) -> Outcome:
    """Remove the online rows of some view versions, each in bounded steps; what is not there is no error.

    Raises:
        UsageError: one is no version of a view, or is kept up to date; nothing was removed then.
        StoreError: the store fails; run again, the command goes on.
    """
    from featurectl.cli.render.table import render_table
    from featurectl.language.definitions.json_form import load_untyped_view
    from featurectl.online.pushed import needed_versions
    from featurectl.online.view_rows import count_if_whole, online_view

    with open_applied(call) as workspace:
        state = workspace.applied_state()
        store, env = workspace.online(), workspace.environment.name
        chosen = [_chosen(state, label) for label in labels]
        needed = needed_versions(store, state, env)
        for item in chosen:
            if item in needed:
                why = f"--remove {item.name}@{item.version}: it is served until the newest version is pushed"
                raise UsageError(why, hint=f"featurectl materialize {item.name}")
        there = store.prepared(workspace.project, env)
        counts: list[int | None] = []
        for item in chosen:
            view = online_view(load_untyped_view(item.definition), item.version, workspace.project, env)
            known = (item.name, item.version) in there
            counts.append(count_if_whole(store, view) if known else 0)
            if known and not dry_run:
                call.progress.start(f"remove {item.name}@{item.version}")
                store.remove(view)
                call.progress.done(f"removed {item.name}@{item.version}: {_shown(counts[-1])} online keys")
    rows = [[item.name, str(item.version), _shown(n)] for item, n in zip(chosen, counts, strict=True)]
    told = [{"view": item.name, "version": item.version, "entities": n} for item, n in zip(chosen, counts, strict=True)]
    return Outcome(text="\n".join(render_table(_HEAD, rows)), result={"dry_run": dry_run, "removed": told})


def _shown(count: int | None) -> str:
    return "unknown" if count is None else format_count(count)


def _chosen(state: State, label: str) -> ObjectVersion:
    """Return a version whose rows nothing needs."""
    from featurectl.registry.applied import applied_versions, registered_view, served_views

    name, _, number = label.partition("@")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"--remove {label}: which version?", hint=f"--remove {name}@1")
    item = registered_view(state, name, int(number[:9]))
    if item in served_views(state):
        models = [
            f"{m.model} v{m.version}" for m in applied_versions(state) if m.view_versions.get(name) == item.version
        ]
        why = f"models are bound to it: {', '.join(models)}" if models else "it is the newest, and applied"
        raise UsageError(f"--remove {label}: {why}", hint="it is kept up to date as long as that is so")
    return item
