"""`featurectl apply`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.plan import shown_root
from featurectl.cli.verb import verb
from featurectl.errors import UsageError

if TYPE_CHECKING:
    from featurectl.apply import Author
    from featurectl.open import Workspace
    from featurectl.plan.model import Plan

DECLINED = 1


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "apply")
    def apply(
        call: Call,
        auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Ask nothing.")] = False,
        allow_remove: Annotated[
            list[str] | None, typer.Option(help="An object that may be removed; once for each.", metavar="NAME")
        ] = None,
    ) -> Outcome:
        """Make the registry match the files."""
        from datetime import UTC, datetime

        from featurectl.apply import Author, caller, git_commit, refuse_unsupported
        from featurectl.open import open_workspace
        from featurectl.plan.build import PlanRequest, plan_repo

        with open_workspace(call.root(), call.env, None) as workspace:
            refuse_unsupported(workspace.repo)
            author = Author(who=caller(), commit=git_commit(workspace.root), at=datetime.now(UTC))
            request = PlanRequest(
                environment=workspace.environment.name,
                repo=shown_root(call),
                commit=author.commit,
                allow_remove=tuple(allow_remove or ()),
            )
            plan = plan_repo(workspace.repo, workspace.state(), request)
            return _apply(workspace, plan, author, approved=auto_approve)


def _apply(workspace: Workspace, plan: Plan, author: Author, *, approved: bool) -> Outcome:
    from featurectl.apply import apply_plan, describe, refuse_blocked
    from featurectl.cli.render.plan import render_plan

    document = plan.to_json()
    drawn = render_plan(document)
    if plan.empty:
        return Outcome(text=drawn, result={"plan": document, "serial": plan.serial, "applied": False})
    refuse_blocked(plan)
    if not approved and not _approve(drawn):
        return Outcome(text="Nothing was applied.", exit_code=DECLINED, result={"plan": document, "applied": False})
    state = apply_plan(workspace.registry(), plan, author)
    done = f"Applied to {plan.environment}, serial {state.serial}: {describe(plan)}."
    text = f"{drawn}\n\n{done}" if approved else done
    return Outcome(text=text, result={"plan": document, "serial": state.serial, "applied": True})


def _approve(drawn: str) -> bool:
    """Show the plan beside the question, on stderr: stdout is the result."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("apply asks before it changes anything, and there is no terminal", hint="add --auto-approve")
    sys.stderr.write(f"{drawn}\n\nApply these changes? [y/N]: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
