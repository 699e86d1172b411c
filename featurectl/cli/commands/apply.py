"""`featurectl apply`."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import PlanOptions
from featurectl.cli.shared.times import seconds_of
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.operations.apply_files import Applied, ApplyRequest
    from featurectl.plan.plan import Plan

DECLINED = 1


@verb()
def apply(
    call: Call,
    plan: Annotated[
        Path | None, typer.Argument(help="A plan that plan --out has saved: exactly that is applied.")
    ] = None,
    *,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Ask nothing.")] = False,
    options: PlanOptions,
    lock_timeout: Annotated[
        str, typer.Option(help="How long to wait for another command's lock: 60s.", metavar="DURATION")
    ] = "0s",
) -> Outcome:
    """Make the registry match the files.

    What is missing outside of it, like a table of the online store, is created. A saved plan is applied as it was
    reviewed, without a question, and refused once anything has moved since.
    """
    from featurectl.operations.apply_files import ApplyRequest

    timeout_s = seconds_of("--lock-timeout", lock_timeout, least_s=0)
    approve = None if auto_approve else partial(_approve, call)
    request = ApplyRequest(choices=options.choices(), lock_timeout_s=timeout_s, approve=approve)
    return _drawn(call, _apply(call, plan, request))


def _apply(call: Call, path: Path | None, request: ApplyRequest) -> Applied:
    from featurectl.operations.apply_files import apply_files, apply_saved
    from featurectl.operations.saved_plan import read_plan
    from featurectl.workspace.open import open_workspace

    if path is None:
        with open_workspace(call.root(), call.env, None) as workspace:
            return apply_files(workspace, request, call.progress)
    saved = read_plan(path)
    with open_workspace(call.root(), call.env or saved.environment, None, "unread") as workspace:
        return apply_saved(workspace, saved, path, request, call.progress)


def _drawn(call: Call, applied: Applied) -> Outcome:
    """Return what was done; the plan is drawn unless it stood beside the question, or the command is to be quiet."""
    from featurectl.render.applied import render_applied

    plan, serial = applied.plan, applied.serial
    if applied.approved is False:
        result = {"plan": plan.to_json(), "applied": False}
        return Outcome(text="Nothing was applied.", exit_code=DECLINED, result=result)
    parts = [*([] if applied.approved or call.quiet else [_plan_text(plan)]), render_applied(plan, serial)]
    result = {"plan": plan.to_json(), "serial": serial, "applied": not plan.empty}
    return Outcome(text="\n\n".join(filter(None, parts)), result=result, text_is="plan")


def _plan_text(plan: Plan) -> str:
    from featurectl.render.plan import render_plan

    return render_plan(plan.to_json())


def _approve(call: Call, plan: Plan) -> bool:
    """Show the plan beside the question, on stderr: stdout is the result."""
    from featurectl.cli.render.shown_text import shown_text

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("apply asks before it changes anything, and there is no terminal", hint="add --auto-approve")
    text = shown_text(_plan_text(plan), replace(call, output="text"), sys.stderr, "plan")
    sys.stderr.write(f"{text}\n\nApply these changes? [y/N]: ")
    sys.stderr.flush()
    signal.siginterrupt(signal.SIGINT, True)  # Polars lets a read go on after Ctrl-C
    return sys.stdin.readline().strip().lower() in ("y", "yes")
