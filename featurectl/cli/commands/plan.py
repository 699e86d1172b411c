"""`featurectl plan`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import PlanOptions
from featurectl.cli.shared.workspaces import open_with

if TYPE_CHECKING:
    from featurectl.language.repo import Repo
    from featurectl.operations.check_sources import CheckedSources
    from featurectl.plan.plan import Plan

CHANGES, PROBLEMS = 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """Where the plan goes, what is shown of it, and whether the exit code says that there are changes."""

    out: Annotated[Path | None, typer.Option(help="Save the plan, for apply to run exactly that.", metavar="FILE")] = (
        None
    )
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 when there are changes.")
    ] = False
    explain: Annotated[bool, typer.Option("--explain", help="List the stages that apply would run.")] = False
    check_sources: Annotated[
        bool, typer.Option("--check-sources", help="Ask each source whether it has its columns, reading no rows.")
    ] = False


@verb(outputs=("text", "json", "markdown"))
def plan(
    call: Call,
    shown: ShownPlan,
    options: PlanOptions,
    write_allow: Annotated[
        Path | None, typer.Option(help="Add to a file what the plan waits for, to be reviewed.", metavar="FILE")
    ] = None,
) -> Outcome:
    """Show what apply would change, why, and what breaks.

    And how much work it makes. With -v also the time rule of each view.

    --check-sources asks files, tables and databases what columns they have now: a column that is missing, or whose
    type can't become the declared one, or is none for what a view makes of it, is named before materialize meets it.
    Values are not looked at: a decimal that is declared with fewer digits than there are is named, and no error.
    """
    from featurectl.operations.check_sources import check_sources
    from featurectl.operations.plan_files import PlanOutputs, plan_files

    outputs = PlanOutputs(plan=shown.out, allowances=write_allow)
    with open_with(call, "needed") as workspace:
        made = plan_files(workspace, options.choices(), outputs, call.progress)
        checked = check_sources(workspace, call.progress) if shown.check_sources else None
        repo = workspace.repo
    changed = CHANGES if shown.detailed_exitcode and not made.empty else 0
    return Outcome(
        text=_text(call, made, repo, explain=shown.explain),
        result=dict(made.to_json()) | _checked(checked),
        exit_code=PROBLEMS if made.blocked or made.older or repo.unsupported else changed,
        problems=repo.unsupported,
        failures=() if checked is None else tuple(checked.failures),
        drawings={"markdown": _markdown(made)},
        text_is="plan",
    )


def _checked(checked: CheckedSources | None) -> dict[str, object]:
    if checked is None:
        return {}
    billed = {"billed_bytes": dict(checked.billed_bytes)} if checked.billed_bytes else {}
    narrower = {
        source: {column: {"is": has, "declared": declared} for column, (has, declared) in columns.items()}
        for source, columns in checked.narrower.items()
    }
    return {"checked_sources": list(checked.names), **billed, **({"narrower_columns": narrower} if narrower else {})}


def _text(call: Call, plan: Plan, repo: Repo, *, explain: bool) -> str:
    from featurectl.render.plan import render_plan, render_stages
    from featurectl.render.time_rule import render_time_rules

    document = plan.to_json()
    parts = [render_plan(document)]
    if explain:
        parts.append(render_stages(document))
    if call.verbose:
        parts.append(render_time_rules(repo.views.values()))
    return "\n\n".join(parts)


def _markdown(plan: Plan) -> str:
    from featurectl.plan.reviewed_changes import allowance_line, needed_allowances
    from featurectl.render.plan import render_needed, render_plan_markdown

    document = plan.to_json()
    return render_plan_markdown(document) + render_needed([allowance_line(item) for item in needed_allowances(plan)])
