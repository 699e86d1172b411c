"""Apply the files, or a plan of them that was saved and reviewed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.core.progress import Progress
from featurectl.operations.allow_file import with_allowances
from featurectl.operations.apply import (
    ApplyTarget,
    apply_newest,
    apply_plan,
    check_allowances_used,
    check_created,
    check_nothing_blocked,
    check_supported,
)
from featurectl.operations.plan_files import PlanChoices, Planner, read_external_state
from featurectl.operations.saved_plan import check_project, decided_again
from featurectl.plan.plan import ALLOW_OLDER, Plan
from featurectl.workspace.actor import actor_at, find_checkout
from featurectl.workspace.offline_folder import create_offline

if TYPE_CHECKING:
    from featurectl.plan.external_state import ExternalState
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """What to apply, how long to wait for another command's lock, and who is asked before anything changes.

    `approve` None: nobody is; the plan is made while nobody else can change the registry.
    """

    choices: PlanChoices
    lock_timeout_s: float = 0.0
    approve: Callable[[Plan], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The plan, and the serial of the registry after it; `approved` None: nobody was asked."""

    plan: Plan
    serial: int
    approved: bool | None = None


def apply_files(workspace: Workspace, request: ApplyRequest, progress: Progress) -> Applied:
    """Make the registry match the files, and create what is missing outside of it.

    Raises:
        ProblemsError: a part of the files is not in this version.
        PlanError: a change is blocked; nothing was written.
        TryAgainError: the registry has changed since the plan was approved, or another command holds the lock.
        StoreError: a store can't be reached; the registry is as it was.
    """
    target = _target(workspace, request, progress)
    check_supported(workspace.repo)
    planner = Planner(workspace=workspace, choices=request.choices, progress=progress)
    checkout = find_checkout(workspace.root, progress)
    external, actor = read_external_state(workspace), actor_at(str(checkout.commit or ""))

    def make(seen: ExternalState) -> Plan:
        return with_allowances(planner.make(checkout, seen), request.choices.allow, workspace.root)

    plan = planner.measure(make(external), external)
    if plan.empty:
        return Applied(plan=plan, serial=plan.serial)
    check_nothing_blocked(plan)
    if request.approve is None:
        plan, state = apply_newest(target, lambda: make(read_external_state(workspace)), plan, actor)
        return Applied(plan=plan, serial=state.serial)
    if not request.approve(plan):
        return Applied(plan=plan, serial=plan.serial, approved=False)
    return Applied(plan=plan, serial=apply_plan(target, plan, actor).serial, approved=True)


def apply_saved(workspace: Workspace, plan: Plan, path: Path, request: ApplyRequest, progress: Progress) -> Applied:
    """Apply exactly what a saved plan says, which the file at `path` holds; nobody is asked.

    Raises:
        UsageError: it is a plan of something else, or a choice allows nothing of it.
        As `apply_files`.
    """
    choices, target = request.choices, _target(workspace, request, progress)
    if choices.select:
        raise UsageError("--select belongs to the plan", hint="featurectl plan --select TERM --out FILE")
    check_project(plan, path, workspace)
    plan = with_allowances(decided_again(plan, path, target, workspace), choices.allow, workspace.root)
    plan = plan.allowing([ALLOW_OLDER] if choices.allow_older else [])
    options = [f"--allow-remove {name}" for name in choices.allow_remove]
    options += [f"--allow-breaking {name}" for name in choices.allow_breaking]
    check_allowances_used(plan, options)
    actor, plan = actor_at(plan.commit), plan.allowing(options)
    check_nothing_blocked(plan)
    if plan.unchanged and plan.stages:
        check_created(plan, read_external_state(workspace))
    state = apply_plan(target, plan, actor)
    return Applied(plan=plan, serial=state.serial)


def _target(workspace: Workspace, request: ApplyRequest, progress: Progress) -> ApplyTarget:
    return ApplyTarget(
        registry=workspace.registry(),
        online=workspace.online(),
        environment=workspace.environment.name,
        create_offline=partial(create_offline, workspace),
        lock_timeout_s=request.lock_timeout_s,
        waiting=lambda holder: progress.done(f"waiting for {holder}"),
    )
