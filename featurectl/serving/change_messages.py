"""What is reported of a server's models and views: at its beginning, and when what it serves has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from featurectl.core.units import counted
from featurectl.serving.journal import Journal
from featurectl.serving.project.served_project import ALIASES, ServedProject


def report_begin(journal: Journal, served: ServedProject, begun: Collection[str]) -> None:
    """Report what a process serves from now on, what it refused, and what waits for a push.

    `begun` are the views of streams with lists that are read or being made.
    """
    state, views = served.catalog.state, len(served.catalog.views())
    loaded = ", ".join(_models(served)) or "no model"
    message = f"{loaded}; {counted(views, 'view')}; registry serial {state.serial}"
    journal.report("serving", message, models=_models(served), views=views, serial=state.serial)
    _report_refused(journal, {}, served)
    _report_waiting(journal, [], served.catalog.waiting(begun=begun))


def report_changes(journal: Journal, before: ServedProject, after: ServedProject, begun: Collection[str]) -> None:
    """Report what is served otherwise than before; `begun` are the views of streams of which there are lists."""
    old, new = before.catalog.state, after.catalog.state
    if old is not new:
        other = ", of another registry or a restored one" if old.serial == new.serial else ""
        message = f"registry serial {old.serial} -> {new.serial}{other}"
        journal.report("reloaded", message, before=old.serial, serial=new.serial)
    for model, alias in sorted({**old.aliases, **new.aliases}):
        was, now = old.aliases.get((model, alias)), new.aliases.get((model, alias))
        if alias in ALIASES and was != now:
            message = f"{model}: {alias} {was or 'none'} -> {now or 'none'}"
            journal.report("promoted", message, model=model, alias=alias, before=was, version=now)
    _report_canaries(journal, before, after)
    _report_views(journal, before, after)
    report_reached(journal, before.failures, after)
    _report_refused(journal, before.failures, after)
    _report_waiting(journal, before.catalog.waiting(begun=begun), after.catalog.waiting(begun=begun))


def report_reached(journal: Journal, failures: Mapping[str, str], served: ServedProject) -> None:
    """Report which models are loaded by now that could not be loaded before."""
    loaded = {model.label for model in served.models.values()}
    for label in sorted(loaded & failures.keys()):
        journal.report("model_loaded", f"{label} is served", model=label)


def _models(served: ServedProject) -> list[str]:
    """Return the models that are loaded, each with its aliases."""
    names: dict[tuple[str, int], list[str]] = {place: [] for place in sorted(served.models)}
    for (model, alias), number in sorted(served.catalog.state.aliases.items()):
        if alias in ALIASES and (model, number) in names:
            names[model, number].append(alias)
    return [f"{model}@{number} ({', '.join(named)})" for (model, number), named in names.items()]


def _report_canaries(journal: Journal, before: ServedProject, after: ServedProject) -> None:
    known = {(run.model, run.number): run for run in before.catalog.state.canaries}
    for run in after.catalog.state.canaries:
        was = known.get((run.model, run.number))
        state = was.state if was else ""
        if run.state == state:
            continue
        details: dict[str, Any] = {"model": run.model, "canary": run.number, "version": run.challenger}
        if run.state == "running":
            message = f"{run.model}: version {run.challenger} has {run.percent:g}% of the entities"
            journal.report("canary_began", message, **details, percent=run.percent)
        else:
            ended = run.state.replace("_", " ")
            message = f"{run.model}: version {run.challenger} is {ended}: {run.reason}"
            journal.report("canary_ended", message, **details, reason=run.reason)


def _report_views(journal: Journal, before: ServedProject, after: ServedProject) -> None:
    was = _pushed(before)
    for name, version in _pushed(after).items():
        if was.get(name) != version:
            instead = f" in place of @{was[name]}" if name in was else ""
            journal.report("view_served", f"{name}@{version} is served{instead}", view=name, version=version)


def _pushed(served: ServedProject) -> dict[str, int]:
    """Return which version of each view is read by its name, where that was pushed."""
    places = {view.online.view: view.online.version for view in served.catalog.views()}
    never = {place for place, record in served.catalog.pushed.items() if record is None}
    return {name: number for name, number in places.items() if (name, number) not in never}


def _report_refused(journal: Journal, before: Mapping[str, str], served: ServedProject) -> None:
    for label, reason in sorted(served.failures.items()):
        if before.get(label) != reason:
            journal.report("model_refused", f"{label} is not served: {reason}", "error", model=label, reason=reason)


def _report_waiting(journal: Journal, before: Sequence[str], after: Sequence[str]) -> None:
    for line in after:
        if line not in before:
            journal.report("view_waiting", line, "warning")
