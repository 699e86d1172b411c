"""Whether a server can answer, and whether what it answers is fresh: two things, as who asks does different things.

A balancer takes a server out that is not ready: only what this server can't answer without may decide that. What is
true of every server at once, and what people have to mend, are warnings here, or a matter of freshness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurectl.core.errors import StoreError
from featurectl.online.features import ReadView
from featurectl.online.pushes import pushed_ahead
from featurectl.registry.state import CHAMPION
from featurectl.serving.served_project import ServedProject

if TYPE_CHECKING:
    from featurectl.serving.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`problems` keep a server from answering what it is asked; `warnings` do not."""

    problems: Sequence[str] = ()
    warnings: Sequence[str] = field(default=())


async def check_ready(server: Server) -> Readiness:
    """Return whether a server can answer: what is served is loaded and proven, and the online store is reached."""
    follower = server.follower
    served = follower.served
    if served is None:
        return Readiness(problems=[follower.starting])
    problems = await _store_problems(server, served)
    champions = [f"{m}@{number}" for (m, alias), number in served.catalog.state.aliases.items() if alias == CHAMPION]
    failures = sorted(served.failures.items())
    problems += [f"model {label}: {reason}" for label, reason in failures if label in champions]
    if not follower.lost:
        problems += _never_pushed(server, served, champions)
    warnings = [f"registry: {follower.behind}"] if follower.behind else []
    warnings += [f"model {label}: {reason}" for label, reason in failures if label not in champions]
    ahead = pushed_ahead(server.features.pushes, served_views(served), _clock(server))
    read = {
        view.field
        for model in served.models.values()
        if model.label in champions
        for view in model.reader.features.views
    }
    ahead |= _broken_records(server, served)
    problems += [told for field, told in ahead.items() if field in read]
    warnings += [told for field, told in ahead.items() if field not in read]
    warnings += served.catalog.waiting()
    warnings += [
        f"view {field} was pushed by an older version of featurectl: featurectl push {field.partition('@')[0]}"
        for field in served.catalog.outdated()
    ]
    return Readiness(problems=problems, warnings=warnings)


async def check_fresh(server: Server) -> list[str]:
    """Return which views that are served are older than their `error_after`, or have one and were never pushed.

    Views are those that are read by their names, and those that the loaded models are bound to.
    """
    served = server.served
    if problems := await _store_problems(server, served):
        return problems
    now, late = server.features.now(), []
    for view in served_views(served):
        if server.is_late(view, now) and server.features.pushes.broken(view) is None:
            known = server.features.pushes.record(view)
            late.append(f"view {view.field} " + ("is older than its error_after" if known else "was never pushed"))
    ahead = pushed_ahead(server.features.pushes, served_views(served), _clock(server))
    return [*late, *ahead.values(), *_broken_records(server, served).values()]


def _clock(server: Server) -> datetime:
    """Return the real time, or the server's own now where that is later."""
    return max(server.features.now(), datetime.now(UTC))


def served_views(served: ServedProject) -> list[ReadView]:
    """Return the views that are read by their names, and those that the loaded models are bound to, each once."""
    views = {view.field: view for view in served.catalog.views()}
    for model in served.models.values():
        views |= {view.field: view for view in model.reader.features.views}
    return [views[field] for field in sorted(views)]


async def _store_problems(server: Server, served: ServedProject) -> list[str]:
    try:
        await server.follower.look_at_pushes(served.catalog.state)
    except StoreError as error:
        return [f"online store: {error.message}"]
    return []


def _never_pushed(server: Server, served: ServedProject, champions: Sequence[str]) -> list[str]:
    """Return the views that a champion reads and of which the store has nothing: it would score nulls."""
    return sorted(
        f"view {view.field}, which model {model.label} reads, was never pushed"
        for model in served.models.values()
        if model.label in champions
        for view in model.reader.features.views
        if server.features.pushes.record(view) is None and server.features.pushes.broken(view) is None
    )


def _broken_records(server: Server, served: ServedProject) -> dict[str, str]:
    """Return which views have a broken record of their last push, by `view@version`, in words."""
    every = ((view.field, server.features.pushes.broken(view)) for view in served_views(served))
    return {field: f"{error.message}: {error.hint}" for field, error in every if error is not None}
