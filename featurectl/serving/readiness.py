"""Whether a server can answer, and whether what it answers is fresh: two things, as who asks does different things.

A balancer takes a server out that is not ready: only what this server can't answer without may decide that. What is
true of every server at once, and what people have to mend, are warnings here, or a matter of freshness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from featurectl.core.errors import StoreError
from featurectl.online.client.push_cache import pushed_ahead, pushed_later
from featurectl.online.client.read_view import ReadView
from featurectl.online.client.stream_asof import absence
from featurectl.registry.state import CHAMPION
from featurectl.serving.context import ServerContext
from featurectl.serving.freshness import ahead_of, late_parts
from featurectl.serving.last_pushes import read_pushes
from featurectl.serving.project.served_project import ServedProject


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`problems` keep a server from answering what it is asked; `warnings` do not."""

    problems: Sequence[str] = ()
    warnings: Sequence[str] = field(default=())


async def check_ready(context: ServerContext) -> Readiness:
    """Return whether a server can answer: what is served is loaded and proven, and the online store is reached."""
    status = context.status
    served = status.project
    if served is None:
        return Readiness(problems=[status.starting])
    problems = await _store_problems(context, served)
    champions = [f"{m}@{number}" for (m, alias), number in served.catalog.state.aliases.items() if alias == CHAMPION]
    failures = sorted(served.failures.items())
    problems += [f"model {label}: {reason}" for label, reason in failures if label in champions]
    if not status.store_error:
        problems += _never_pushed(context, served, champions)
    warnings = [f"registry: {status.registry_error}"] if status.registry_error else []
    warnings += [f"model {label}: {reason}" for label, reason in failures if label not in champions]
    ahead = pushed_ahead(context.features.pushes, served.read_views(), _clock(context))
    read = {
        view.field
        for model in served.models.values()
        if model.label in champions
        for view in model.reader.features.views
    }
    later = pushed_later(context.features.pushes, served.read_views(), context.features.now())
    ahead = later | ahead | _broken_records(context, served)
    problems += [message for field, message in ahead.items() if field in read]
    warnings += [message for field, message in ahead.items() if field not in read]
    warnings += served.catalog.waiting(begun=status.begun)
    return Readiness(problems=problems, warnings=warnings)


async def late_views(context: ServerContext) -> list[str]:
    """Return which views that are served are older than their `error_after`, or have one and were never pushed.

    So are features with SLAs of their own, and views of streams that lie ahead of the clock. Views are those that are
    read by their names, and those that the loaded models are bound to.
    """
    served = context.project
    if problems := await _store_problems(context, served):
        return problems
    now, late = context.features.now(), []
    for view in served.read_views():
        if context.features.pushes.broken(view) is None:
            known = context.features.pushes.record(view)
            why = "is older than its error_after" if known else _absence(context, view)
            ahead_by = ahead_of(context.features.pushes, view, now)
            parts = [] if ahead_by else late_parts(context.features.pushes, view, now)
            late += [f"view {view.field} is {ahead_by}"] if ahead_by else [f"{name} {why}" for name in parts]
    ahead = pushed_ahead(context.features.pushes, served.read_views(), _clock(context))
    ahead = pushed_later(context.features.pushes, served.read_views(), now) | ahead
    return [*late, *ahead.values(), *_broken_records(context, served).values()]


def _clock(context: ServerContext) -> datetime:
    """Return the real time, or the server's own now where that is later."""
    return max(context.features.now(), datetime.now(UTC))


async def _store_problems(context: ServerContext, served: ServedProject) -> list[str]:
    try:
        await read_pushes(context, served.catalog.state)
    except StoreError as error:
        return [f"online store: {error.message}"]
    return []


def _never_pushed(context: ServerContext, served: ServedProject, champions: Sequence[str]) -> list[str]:
    """Return the views that a champion reads and of which the store has nothing: it would score nulls."""
    return sorted(
        f"view {view.field}, which model {model.label} reads, {_absence(context, view)}"
        for model in served.models.values()
        if model.label in champions
        for view in model.reader.features.views
        if context.features.pushes.record(view) is None and context.features.pushes.broken(view) is None
    )


def _absence(context: ServerContext, view: ReadView) -> str:
    """Return in words that the store has nothing of a view that can be read."""
    return absence(view.field, context.status.begun) if view.view.source.is_stream else "was never pushed"


def _broken_records(context: ServerContext, served: ServedProject) -> dict[str, str]:
    """Return which views have a broken record of their last push, by `view@version`, in words."""
    every = ((view.field, context.features.pushes.broken(view)) for view in served.read_views())
    return {field: f"{error.message}: {error.hint}" for field, error in every if error is not None}
