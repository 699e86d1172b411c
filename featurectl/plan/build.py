"""The plan of a repository against a registry's state."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from featurectl.errors import UsageError
from featurectl.plan.categorise import categorise
from featurectl.plan.model import Change, Plan, Reason
from featurectl.plan.stages import plan_stages
from featurectl.plan.wanted import wanted_objects
from featurectl.registry.state import State
from featurectl.spec.place import Place
from featurectl.spec.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a plan says of itself, and the objects that may be removed.

    `repo` is the repository as the caller names it, `commit` what it is at ("" without git).
    """

    environment: str
    repo: str = "."
    commit: str = ""
    allow_remove: tuple[str, ...] = ()


def plan_repo(repo: Repo, state: State, request: PlanRequest) -> Plan:
    """Return what applying a repository would change in the state, and the stages that do it. Pure.

    Raises:
        UsageError: a name of `allow_remove` is not that of an object that the files leave out.
    """
    wanted = wanted_objects(repo)
    changes = categorise(wanted, state, request.allow_remove)
    _check_names(request.allow_remove, changes)
    return Plan(
        project=repo.project,
        environment=request.environment,
        repo=request.repo,
        commit=request.commit,
        registry_id=state.registry_id,
        serial=state.serial,
        changes=tuple(_placed(change, repo) for change in changes),
        stages=plan_stages(changes, wanted, state),
    )


def _check_names(allowed: Sequence[str], changes: Sequence[Change]) -> None:
    removed = [change.name for change in changes if change.kind == "removed"]
    for name in allowed:
        if name not in removed:
            near = difflib.get_close_matches(name, removed, 1)
            hint = f'did you mean "{near[0]}"?' if near else "removed: " + (", ".join(removed) or "nothing")
            raise UsageError(f"--allow-remove {name}: nothing of that name is being removed", hint=hint)


def _placed(change: Change, repo: Repo) -> Change:
    view = repo.views.get(change.name) if change.object == "feature_view" else None
    source = view.source.name if view else ""
    reasons = tuple(_place_reason(reason, change, source, repo.places) for reason in change.reasons)
    return replace(change, reasons=reasons)


def _place_reason(reason: Reason, change: Change, source: str, places: Mapping[tuple[str, ...], Place]) -> Reason:
    """Return the reason with the nearest place that the files have for its field."""
    if reason.sign == "-":
        return reason  # what is not in the files has no place in them
    if reason.field.startswith("source.") and source:
        key = ["source", source, *reason.field.split(".")[1:]]
    else:
        key = [change.object, change.name, *reason.field.split(".")]
    while len(key) >= 2:
        if (place := places.get(tuple(key))) is not None:
            return replace(reason, place=place)
        key.pop()
    return reason
