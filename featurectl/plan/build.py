"""The plan of a repository against a registry's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.language.repo import Repo
from featurectl.language.syntax.place import Place
from featurectl.plan.categorise import categorise
from featurectl.plan.desired import desired_objects
from featurectl.plan.external_state import ExternalState
from featurectl.plan.plan import AppliedCommit, Change, ChangeReason, Plan
from featurectl.plan.registered_names import with_registered_names
from featurectl.plan.retype import with_registered_types
from featurectl.plan.selection import select_changes
from featurectl.plan.stages import plan_stages
from featurectl.registry.base import SeenColumns
from featurectl.registry.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a plan says of itself, what it may do, and what it is about.

    `repo` is the repository as the caller names it, `commit` what it is at ("" without git). `select` are the terms
    of `--select` (none: everything). `external` is what was found outside of the registry, None when nobody looked;
    `applied` the commit that was applied before, None where that is not known. `seen` are the columns that the
    tables of view versions were made of, where no definition says their types.
    """

    environment: str
    repo: str = "."
    commit: str = ""
    allow_remove: tuple[str, ...] = ()
    allow_breaking: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    external: ExternalState | None = None
    applied: AppliedCommit | None = None
    allow_older: bool = False
    seen: SeenColumns = field(default_factory=dict)


def plan_repo(repo: Repo, state: State, request: PlanRequest) -> Plan:
    """Return what applying a repository would change in the state, and the stages that do it. Pure.

    Raises:
        UsageError: a name of `allow_remove` is not that of one object that the files leave out, one of
            `allow_breaking` not that of a view with a breaking change; or `select` chooses nothing.
    """
    repo = with_registered_types(with_registered_names(repo, state), state)
    desired = desired_objects(repo)
    changes = categorise(
        desired, state, allow_remove=request.allow_remove, allow_breaking=request.allow_breaking, seen=request.seen
    )
    _check_breaking(request.allow_breaking, [c.name for c in changes if c.kind == "breaking"])
    selected = select_changes(request.select, changes, repo, state)
    return Plan(
        project=repo.project,
        environment=request.environment,
        repo=request.repo,
        commit=request.commit,
        registry_id=state.registry_id,
        serial=state.serial,
        digest=state.digest(),
        changes=tuple(_placed(change, repo) for change in selected.changes),
        stages=plan_stages(selected.changes, desired, state, request.external),
        selected=request.select,
        left=selected.left,
        unsupported=tuple(f"{problem.place}: {problem.message}" for problem in repo.unsupported),
        applied=request.applied,
        allow_older=request.allow_older,
    )


def _check_breaking(allowed: Sequence[str], known: Sequence[str]) -> None:
    what = "has a breaking change"
    for name in allowed:
        if name not in known:
            hint = did_you_mean(name, known) or f"{what}: " + (", ".join(known) or "nothing")
            raise UsageError(f"--allow-breaking {name}: nothing of that name {what}", hint=hint)


def _placed(change: Change, repo: Repo) -> Change:
    view = repo.views.get(change.name) if change.object == "feature_view" else None
    source = view.source.name if view else ""
    reasons = tuple(_place_reason(reason, change, source, repo.places) for reason in change.reasons)
    return replace(change, reasons=reasons)


def _place_reason(
    reason: ChangeReason, change: Change, source: str, places: Mapping[tuple[str, ...], Place]
) -> ChangeReason:
    """Return the reason with the nearest place that the files have for its field: a list, for what it leaves out."""
    if reason.field.startswith("source.") and source:
        key = ["source", source, *reason.field.split(".")[1:]]
    else:
        key = [change.object, change.name, *reason.field.split(".")]
    while len(key) >= 2:
        if (place := places.get(tuple(key))) is not None:
            return replace(reason, place=place)
        key.pop()
    return reason
