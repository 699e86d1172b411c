"""`featurectl plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.allowances import Allow, with_allowances, write_allowances
from featurectl.cli.call import Call, Outcome
from featurectl.cli.planner import AllowBreaking, AllowOlder, AllowRemove, Planner
from featurectl.cli.saved_plan import write_plan
from featurectl.cli.selection import Select
from featurectl.cli.verb import verb

if TYPE_CHECKING:
    from featurectl.language.repo import Repo
    from featurectl.plan.model import Plan

CHANGES, PROBLEMS = 2, 1


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "plan", outputs=("text", "json", "markdown"))
    def plan(
        call: Call,
        out: Annotated[
            Path | None, typer.Option(help="Save the plan, for apply to run exactly that.", metavar="FILE")
        ] = None,
        detailed_exitcode: Annotated[
            bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
        ] = False,
        explain: Annotated[bool, typer.Option("--explain", help="List the stages that apply would run.")] = False,
        select: Select = None,
        allow_remove: AllowRemove = None,
        allow_breaking: AllowBreaking = None,
        allow_older: AllowOlder = False,
        allow: Allow = None,
        write_allow: Annotated[
            Path | None, typer.Option(help="Add to a file what the plan waits for, to be reviewed.", metavar="FILE")
        ] = None,
    ) -> Outcome:
        """Show what apply would change, why, what breaks, and how much work it makes.

        With -v also the time rule of each view.
        """
        from featurectl.cli.checkout import checkout_of
        from featurectl.workspace.workspace import open_workspace

        with open_workspace(call.root(), call.env, None) as workspace:
            planner = Planner(call, workspace, select, allow_remove, allow_breaking, allow_older)
            outside = planner.look()
            made = planner.measure(planner.make(checkout_of(call, workspace.root), outside), outside)
            made = with_allowances(made, allow, workspace.root)
            if write_allow is not None:
                write_allowances(made, write_allow, workspace.root)
            if out is not None:
                write_plan(made, out)
            changed = CHANGES if detailed_exitcode and not made.empty else 0
            refused = workspace.repo.unsupported
            return Outcome(
                text=_text(call, made, workspace.repo, explain=explain),
                result=dict(made.to_json()),
                exit_code=PROBLEMS if made.blocked or made.older or refused else changed,
                problems=refused,
                drawings={"markdown": _markdown(made)},
            )


def _text(call: Call, plan: Plan, repo: Repo, *, explain: bool) -> str:
    from featurectl.cli.render.plan import render_plan, render_stages
    from featurectl.cli.render.time_rule import render_time_rules

    document = plan.to_json()
    parts = [render_plan(document)]
    if explain:
        parts.append(render_stages(document))
    if call.verbose:
        parts.append(render_time_rules(repo.views.values()))
    return "\n\n".join(parts)


def _markdown(plan: Plan) -> str:
    from featurectl.cli.render.plan import render_needed, render_plan_markdown
    from featurectl.plan.allowance import allowance_line, needed_allowances

    document = plan.to_json()
    return render_plan_markdown(document) + render_needed([allowance_line(item) for item in needed_allowances(plan)])
