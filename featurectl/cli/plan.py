"""`featurectl plan`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb

if TYPE_CHECKING:
    from featurectl.plan.model import Plan
    from featurectl.spec.problems import Problem

CHANGES, PROBLEMS = 2, 1


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "plan", outputs=("text", "json", "markdown"))
    def plan(
        call: Call,
        detailed_exitcode: Annotated[
            bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
        ] = False,
    ) -> Outcome:
        """Show what apply would change, why, and what breaks. With -v also the time rule of each view."""
        from featurectl.apply import git_commit
        from featurectl.cli.render.time_rule import render_time_rules
        from featurectl.open import open_workspace
        from featurectl.plan.build import PlanRequest, plan_repo

        with open_workspace(call.root(), call.env, None) as workspace:
            request = PlanRequest(
                environment=workspace.environment.name,
                repo=shown_root(call),
                commit=git_commit(workspace.root),
            )
            made = plan_repo(workspace.repo, workspace.state(), request)
            outcome = _outcome(made, workspace.repo.not_in_this_version, detailed=detailed_exitcode)
            if not call.verbose:
                return outcome
            rules = render_time_rules(workspace.repo.views.values())
            return replace(outcome, text=f"{outcome.text}\n\n{rules}")


def shown_root(call: Call) -> str:
    """Return the repository's folder as the caller would type it."""
    import os

    return os.path.relpath(call.root())


def _outcome(plan: Plan, refused: tuple[Problem, ...], *, detailed: bool) -> Outcome:
    from featurectl.cli.render.plan import render_plan, render_plan_markdown

    document = plan.to_json()
    code = CHANGES if detailed and not plan.empty else 0
    return Outcome(
        text=render_plan(document),
        result=dict(document),
        exit_code=PROBLEMS if plan.blocked or refused else code,
        problems=refused,
        drawings={"markdown": render_plan_markdown(document)},
    )
