"""`featurectl plan`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.selection import Select
from featurectl.cli.verb import verb
from featurectl.errors import DataError, StoreError, UsageError

if TYPE_CHECKING:
    from featurectl.open import Workspace
    from featurectl.plan.model import Plan
    from featurectl.plan.outside import Outside
    from featurectl.spec.repo import Repo

CHANGES, PROBLEMS = 2, 1

AllowRemove = Annotated[
    list[str] | None,
    typer.Option(help="An object that may be removed, by name or KIND:NAME; once for each.", metavar="NAME"),
]
AllowBreaking = Annotated[
    list[str] | None,
    typer.Option(help="A view that may change although a champion reads it; once for each.", metavar="NAME"),
]


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
    ) -> Outcome:
        """Show what apply would change, why, what breaks, and how much work it makes.

        With -v also the time rule of each view.
        """
        from featurectl.apply import git_commit
        from featurectl.open import open_workspace
        from featurectl.plan.build import PlanRequest, plan_repo

        with open_workspace(call.root(), call.env, None) as workspace:
            found = Surroundings(call, workspace)
            request = PlanRequest(
                environment=workspace.environment.name,
                repo=shown_root(call),
                commit=git_commit(workspace.root),
                allow_remove=tuple(allow_remove or ()),
                allow_breaking=tuple(allow_breaking or ()),
                select=tuple(select or ()),
                outside=found.outside(),
            )
            made = found.measure(plan_repo(workspace.repo, workspace.state(), request))
            if out is not None:
                _save(made, out)
            changed = CHANGES if detailed_exitcode and not made.empty else 0
            refused = workspace.repo.not_in_this_version
            return Outcome(
                text=_text(call, made, workspace.repo, explain=explain),
                result=dict(made.to_json()),
                exit_code=PROBLEMS if made.blocked or refused else changed,
                problems=refused,
                drawings={"markdown": _markdown(made)},
            )


def shown_root(call: Call) -> str:
    """Return the repository's folder as the caller would type it."""
    return os.path.relpath(call.root())


class Surroundings:
    """What a plan looks at beside files and registry; what can't be reached is said once, and then goes unlooked."""

    def __init__(self, call: Call, workspace: Workspace) -> None:
        self._call = call
        self._workspace = workspace
        self._reachable = True

    def outside(self) -> Outside:
        """Return what is there outside of the registry, as far as its stores can be reached."""
        from featurectl.plan.outside import Outside

        try:
            return self._workspace.outside()
        except StoreError as error:
            self._reachable = False
            self._say(f"what is missing there and how much work it has is not known: {error.message}")
            return Outside(online=None, offline=self._workspace.has_offline())

    def measure(self, plan: Plan) -> Plan:
        """Return the plan with its effort; without, when the offline tables can't be read."""
        if plan.unchanged:
            return plan
        from featurectl.effort import Measured, measure_plan
        from featurectl.sources.size import SourceSize, source_size
        from featurectl.spec.definition import Source

        workspace = self._workspace
        sizes: dict[str, SourceSize] = {}  # of each source once, however many views read it

        def size_of(source: Source) -> SourceSize:
            if source.name not in sizes:
                try:
                    sizes[source.name] = source_size(workspace.source(source), source, workspace.root)
                except (DataError, UsageError):  # a variable that is not set here, say
                    sizes[source.name] = SourceSize()
            return sizes[source.name]

        online = workspace.online() if self._reachable else None
        measured = Measured(offline=workspace.offline, online=online, size_of=size_of)
        try:
            return measure_plan(plan, workspace.repo.views, measured)
        except StoreError as error:
            self._say(f"how much work the plan makes is not known: {error.message}")
            return plan

    def _say(self, text: str) -> None:
        if not self._call.quiet:
            sys.stderr.write(f"warning: {text}\n")


def _save(plan: Plan, path: Path) -> None:
    """Write a plan's file whole: whatever interrupts it, the file is the old one or the new one."""
    from featurectl.plan.saved import dump_plan

    text = dump_plan(plan)
    try:
        if path.exists() and not path.is_file():  # a pipe, say
            path.write_text(text, encoding="utf-8")
            return
        there = path.resolve()  # a link stays one
        beside = there.with_name(f".featurectl-plan-{os.getpid()}.tmp")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(there)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"the plan can't be written to {path}: {error.strerror}") from error


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
    from featurectl.cli.render.plan import render_plan_markdown

    return render_plan_markdown(plan.to_json())
