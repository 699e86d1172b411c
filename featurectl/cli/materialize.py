"""`featurectl materialize`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.selection import Select, select_views
from featurectl.cli.verb import verb

if TYPE_CHECKING:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.cli.render.materialize import ViewRun
    from featurectl.open import Workspace
    from featurectl.registry.state import ObjectVersion


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "materialize", as_of=True)
    def materialize(
        call: Call,
        views: Annotated[list[str] | None, typer.Argument(help="Feature views; all by default.")] = None,
        full: Annotated[bool, typer.Option("--full", help="Read every source whole and rebuild the tables.")] = False,
        no_online: Annotated[bool, typer.Option("--no-online", help="Leave the online store alone.")] = False,
        select: Select = None,
    ) -> Outcome:
        """Read new rows into the offline tables, then push online.

        The newest version of each view is computed, and each older one that a model version is bound to. Run it
        again at any time: without new rows nothing is read and no table version is written.
        """
        from featurectl.cli.clocks import NaiveClocks
        from featurectl.cli.render.materialize import render_runs, run_json
        from featurectl.cli.unapplied import warn_unapplied
        from featurectl.materialize import choose_views
        from featurectl.open import open_workspace

        with open_workspace(call.root(), call.env, call.instant()) as workspace:
            state = workspace.state()
            warn_unapplied(call, workspace, state)
            chosen = choose_views(state, select_views(workspace, state, views, select))
            clocks = NaiveClocks(call, workspace)
            runs = [_one(call, workspace, item, clocks, full=full, online=not no_online) for item in chosen]
        return Outcome(text=render_runs(runs), result={"views": [run_json(run) for run in runs]})


def _one(
    call: Call, workspace: Workspace, item: ObjectVersion, clocks: NaiveClocks, *, full: bool, online: bool
) -> ViewRun:
    from featurectl.cli.render.materialize import ViewRun, describe_run
    from featurectl.engines.polars.engine import PolarsEngine
    from featurectl.materialize import Run, materialize_view
    from featurectl.push import PushRequest, push_view
    from featurectl.spec.definition_json import load_view
    from featurectl.training.bind import typed_view, view_table

    begin = time.perf_counter()
    view = load_view(item.definition)
    table = view_table(workspace.offline(), view, item.version)
    call.progress.start(f"materialize {view.name}@{item.version}")
    run = Run(view=view, version=item.version, reader=clocks.open(view.source), table=table)
    made = materialize_view(PolarsEngine(), run, workspace.now, full=full)
    pushed = None
    if online and view.online:
        coverage = table.coverage()
        assert coverage is not None
        request = PushRequest(
            view=typed_view(view, coverage.columns),
            version=item.version,
            table=table,
            store=workspace.online(),
            project=workspace.project,
            env=workspace.environment.name,
            now=workspace.now,
        )
        pushed = push_view(request)
    result = ViewRun(made=made, pushed=pushed, seconds=time.perf_counter() - begin)
    call.progress.done(describe_run(result))
    clocks.tell()
    return result
