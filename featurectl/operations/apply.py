"""Make a registry match a plan: create what is missing outside, lock, look again, write all in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from featurectl.core.errors import PlanError, ProblemsError, TryAgainError, UsageError
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.language.repo import Repo
from featurectl.online.base import OnlineStore
from featurectl.online.row_places import online_view
from featurectl.plan.allowed_removals import check_unambiguous
from featurectl.plan.external_state import ExternalState
from featurectl.plan.plan import ALLOW_OLDER, Plan
from featurectl.registry.base import HistoryEntry, Registry, RegistryChange, lock_holder
from featurectl.registry.state import State
from featurectl.workspace.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyTarget:
    """Where a plan is applied: the registry, the online store, and what makes the offline folder (None: it is there).

    `lock_timeout_s` is how long to wait for another command; `waiting` is called once with who that is.
    """

    registry: Registry
    online: OnlineStore
    environment: str
    create_offline: Callable[[], None] | None = None
    lock_timeout_s: float = 0.0
    waiting: Callable[[str], None] | None = None


def apply_plan(target: ApplyTarget, plan: Plan, actor: Actor) -> State:
    """Run a plan's stages under the project's lock, and return the new state.

    What is missing outside is created first; then everything is registered in one transaction.

    Raises:
        PlanError: a change is blocked, or a part is not in this version; nothing was written.
        TryAgainError: the registry has changed since the plan was made, or another command holds the lock.
        StoreError: a store can't be reached; the registry is as it was.
    """
    check_nothing_blocked(plan)
    state = target.registry.load_state(plan.project)
    check_plan_is_current(plan, state)
    create_missing(target, plan)
    if plan.unchanged:
        return state
    with _lock(target, plan, actor) as lock_id:
        return _register(target, plan, actor, target.registry.load_state(plan.project), lock_id)


def apply_newest(target: ApplyTarget, make: Callable[[], Plan], seen: Plan, actor: Actor) -> tuple[Plan, State]:
    """Plan and apply while nobody else can change the registry; return the plan that was applied and the new state.

    `seen` is the plan as it was made before the lock was there; it is the one applied when nothing has moved since.
    Raises as `apply_plan`, but never because the registry has changed.
    """
    check_nothing_blocked(seen)
    create_missing(target, seen)
    with _lock(target, seen, actor) as lock_id:
        plan, state = seen, target.registry.load_state(seen.project)
        if state.serial != seen.serial or state.digest() != seen.digest:
            plan = make()
            check_nothing_blocked(plan)
            create_missing(target, plan)
            state = target.registry.load_state(plan.project)  # what `make` has looked at may be newer than the above
        return plan, _register(target, plan, actor, state, lock_id)


def create_missing(target: ApplyTarget, plan: Plan) -> None:
    """Create what is missing outside of the registry; safe to repeat, and of no effect before it is registered."""
    created = [stage for stage in plan.stages if stage.action == "create"]
    if target.create_offline is not None and any(stage.item is None for stage in created):
        target.create_offline()
    views = [
        online_view(load_untyped_view(item.definition), item.version, plan.project, target.environment)
        for item in (stage.item for stage in created)
        if item is not None
    ]
    if views:
        target.online.prepare(*views)


def _lock(target: ApplyTarget, plan: Plan, actor: Actor) -> AbstractContextManager[str]:
    holder = lock_holder(actor.who, "featurectl apply")
    return target.registry.lock(plan.project, holder, target.lock_timeout_s, target.waiting)


def _register(target: ApplyTarget, plan: Plan, actor: Actor, state: State, lock_id: str) -> State:
    """Write everything in one transaction, on top of the state that was loaded while holding the lock."""
    check_plan_is_current(plan, state, registry_is_new=not plan.registry_id)
    if plan.unchanged:
        return state
    entry = HistoryEntry(
        serial=plan.serial + 1,
        at=actor.at,
        who=actor.who,
        commit=actor.commit,
        command="apply",
        summary=describe(plan),
        plan=json.dumps(plan.to_json(), ensure_ascii=False, separators=(",", ":")),
    )
    return target.registry.write_change(state, _registry_change(plan), entry, lock_id)


def check_plan_is_current(plan: Plan, state: State, *, registry_is_new: bool = False) -> None:
    """Check that a plan's registry is as the plan found it.

    `registry_is_new`: taking the lock has made the registry that the plan did not find.

    Raises:
        TryAgainError: another registry, or another serial or state of the project.
    """
    if state.serial != plan.serial:
        raise TryAgainError(
            f"the registry has changed since the plan was made: serial {plan.serial} then, {state.serial} now",
            hint="plan again",
        )
    if state.registry_id != plan.registry_id and not registry_is_new:
        was = "another one" if plan.registry_id else "not there yet"
        raise TryAgainError(f"the registry is not that of the plan, which was {was}", hint="plan again")
    if state.digest() != plan.digest:
        raise TryAgainError("the registry holds other objects than when the plan was made", hint="plan again")


def check_nothing_blocked(plan: Plan) -> None:
    """Check that a plan can be applied.

    Raises:
        PlanError: a change is blocked; the message names the first, the hint what would allow them all. Or FC402, the
            repository had parts that this version does not run; the message names the first. Or FC414, its commit does
            not contain the one that was applied.
    """
    if plan.unsupported:
        raise PlanError(
            f"{plan.unsupported[0]}{_more(plan.unsupported)}", code="FC402", hint="featurectl validate lists them"
        )
    if plan.older:
        raise PlanError(plan.older_note, code="FC414", hint=f"git pull or rebase, or {ALLOW_OLDER} if it is meant")
    if not plan.blocked:
        return
    first, options = plan.blocked[0], " ".join(change.allow for change in plan.blocked)
    kind = first.object.replace("_", " ")
    would = "would be removed" if first.kind == "removed" else "would get a breaking change"
    raise PlanError(
        f'{kind} "{first.name}" {would}: {first.blocked}{_more(plan.blocked)}', code=first.code, hint=options
    )


def _more(found: Sequence[object]) -> str:
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""


def check_created(plan: Plan, external: ExternalState) -> None:
    """Check that a plan does more than to create what is there by now: it was applied before, say.

    Raises:
        TryAgainError: nothing of it is missing any more.
    """
    if not plan.unchanged or not plan.stages:
        return
    online = external.online or frozenset()
    for stage in plan.stages:
        there = (stage.item.name, stage.item.version) in online if stage.item else external.offline
        if not there:
            return
    raise TryAgainError("what the plan creates is there already", hint="plan again")


def check_allowances_used(plan: Plan, options: Sequence[str]) -> None:
    """Check that each option (`--allow-remove NAME`) allows a change of the plan.

    Raises:
        UsageError: one of them allows nothing, or does not say which of several objects it is about.
    """
    removed = [(change.object, change.name) for change in plan.changes if change.kind == "removed"]
    useful = [change.allow for change in plan.changes if change.allow]
    for option in options:
        if not any(change.lifted_by([option]) for change in plan.changes):
            check_unambiguous(option, removed)
            raise UsageError(f"{option}: no change of the plan waits for that", hint=", ".join(useful))


def check_supported(repo: Repo) -> None:
    """Check that this version runs a repository whole.

    Raises:
        ProblemsError: it uses parts of the language that this version reads and does not run.
    """
    if repo.unsupported:
        raise ProblemsError("parts of the repository are not in this version", repo.unsupported, code="FC402")


def describe(plan: Plan) -> str:
    """Return what a plan did, for the history: "2 added, 1 changed (1 breaking)"."""
    summary = plan.to_json()["summary"]
    breaking = f" ({summary['breaking']} breaking)" if summary["breaking"] else ""
    parts = [
        f"{summary['add']} added" if summary["add"] else "",
        f"{summary['change']} changed{breaking}" if summary["change"] else "",
        f"{summary['remove']} removed" if summary["remove"] else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing"


def _registry_change(plan: Plan) -> RegistryChange:
    return RegistryChange(
        write=tuple(stage.item for stage in plan.stages if stage.item and stage.action == "write"),
        retire=tuple(stage.item for stage in plan.stages if stage.item and stage.action == "retire"),
    )
