"""`featurectl apply`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.allowances import Allow, with_allowances
from featurectl.cli.call import Call, Outcome
from featurectl.cli.planner import AllowBreaking, AllowOlder, AllowRemove, Planner
from featurectl.cli.render.visible import in_one_line
from featurectl.cli.saved_plan import check_project, decided_again, read_plan
from featurectl.cli.selection import Select
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.operations.apply import ApplyTarget, Author
    from featurectl.plan.external_state import ExternalState
    from featurectl.plan.model import Plan
    from featurectl.workspace.workspace import Data, Workspace

DECLINED = 1


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "apply")
    def apply(
        call: Call,
        plan: Annotated[
            Path | None, typer.Argument(help="A plan that plan --out has saved: exactly that is applied.")
        ] = None,
        auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Ask nothing.")] = False,
        select: Select = None,
        allow_remove: AllowRemove = None,
        allow_breaking: AllowBreaking = None,
        allow_older: AllowOlder = False,
        allow: Allow = None,
        lock_timeout: Annotated[
            str, typer.Option(help="How long to wait for another command's lock: 60s.", metavar="DURATION")
        ] = "0s",
    ) -> Outcome:
        """Make the registry match the files, and create what is missing outside of it.

        A saved plan is applied as it was reviewed, without a question, and refused once anything has moved since.
        """
        from featurectl.plan.model import ALLOW_OLDER
        from featurectl.workspace.workspace import open_workspace

        options = tuple(f"--allow-remove {name}" for name in allow_remove or ())
        options += tuple(f"--allow-breaking {name}" for name in allow_breaking or ())
        saved = None if plan is None else read_plan(plan)
        env = saved.environment if saved and not call.env else call.env
        data: Data = "needed" if saved is None else "unread"
        with open_workspace(call.root(), env, None, data) as workspace:
            target = _target(call, workspace, lock_timeout)
            if plan is not None and saved is not None:
                if select:
                    raise UsageError("--select belongs to the plan", hint="featurectl plan --select TERM --out FILE")
                check_project(saved, plan, workspace)
                saved = with_allowances(decided_again(saved, plan, target, workspace), allow, workspace.root)
                return _apply_saved(target, saved.allowing([ALLOW_OLDER] if allow_older else []), workspace, options)
            planner = Planner(call, workspace, select, allow_remove, allow_breaking, allow_older)
            return _apply_files(target, planner, allow, approved=auto_approve)


def _target(call: Call, workspace: Workspace, lock_timeout: str) -> ApplyTarget:
    from featurectl.cli.durations import seconds_of
    from featurectl.operations.apply import ApplyTarget

    return ApplyTarget(
        registry=workspace.registry(),
        online=workspace.online(),
        environment=workspace.environment.name,
        create_offline=workspace.create_offline,
        lock_timeout_s=seconds_of("--lock-timeout", lock_timeout, least_s=0),
        waiting=None if call.quiet else _say_waiting,
    )


def _say_waiting(holder: str) -> None:
    sys.stderr.write(f"waiting for {in_one_line(holder)}\n")


def _author(commit: str) -> Author:
    from datetime import UTC, datetime

    from featurectl.operations.apply import Author, caller

    return Author(who=caller(), commit=commit, at=datetime.now(UTC))


def _apply_files(target: ApplyTarget, planner: Planner, allow: Path | None, *, approved: bool) -> Outcome:
    """Apply what the files say. Approved beforehand, it is planned while nobody else can change the registry."""
    from featurectl.cli.checkout import checkout_of
    from featurectl.operations.apply import apply_newest, apply_plan, check_nothing_blocked, check_supported

    workspace = planner.workspace
    check_supported(workspace.repo)
    checkout, outside = checkout_of(planner.call, workspace.root), workspace.outside()
    author = _author(str(checkout.commit or ""))

    def make(seen: ExternalState) -> Plan:
        return with_allowances(planner.make(checkout, seen), allow, workspace.root)

    plan = planner.measure(make(outside), outside)
    if not plan.empty:
        check_nothing_blocked(plan)
    if plan.empty:
        return _outcome(plan, plan.serial, asked=False)
    if approved:
        plan, state = apply_newest(target, lambda: make(workspace.outside()), plan, author)
        return _outcome(plan, state.serial, asked=False)
    if not _approve(_drawn(plan)):
        return Outcome(
            text="Nothing was applied.", exit_code=DECLINED, result={"plan": plan.to_json(), "applied": False}
        )
    return _outcome(plan, apply_plan(target, plan, author).serial, asked=True)


def _apply_saved(target: ApplyTarget, plan: Plan, workspace: Workspace, options: tuple[str, ...]) -> Outcome:
    from featurectl.operations.apply import apply_plan, check_allowances_used, check_created, check_nothing_blocked

    check_allowances_used(plan, options)
    author, plan = _author(plan.commit), plan.allowing(options)
    check_nothing_blocked(plan)
    if plan.unchanged and plan.stages:
        check_created(plan, workspace.outside())
    return _outcome(plan, apply_plan(target, plan, author).serial, asked=False)


def _drawn(plan: Plan) -> str:
    from featurectl.cli.render.plan import render_plan

    return render_plan(plan.to_json())


def _outcome(plan: Plan, serial: int, *, asked: bool) -> Outcome:
    """Return what was done; the plan is drawn unless it stood beside the question."""
    from featurectl.operations.apply import describe

    document, applied = plan.to_json(), not plan.empty
    done = f"Applied to {plan.environment}, serial {serial}: {describe(plan)}."
    if plan.unchanged:
        done = "Created what was missing outside of the registry."
    parts = [*([] if asked else [_drawn(plan)]), *([done] if applied else [])]
    return Outcome(text="\n\n".join(parts), result={"plan": document, "serial": serial, "applied": applied})


def _approve(drawn: str) -> bool:
    """Show the plan beside the question, on stderr: stdout is the result."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("apply asks before it changes anything, and there is no terminal", hint="add --auto-approve")
    sys.stderr.write(f"{drawn}\n\nApply these changes? [y/N]: ")
    sys.stderr.flush()
    signal.siginterrupt(signal.SIGINT, True)  # Polars lets a read go on after Ctrl-C
    return sys.stdin.readline().strip().lower() in ("y", "yes")
