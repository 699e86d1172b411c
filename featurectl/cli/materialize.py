"""`featurectl materialize`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.push import fails_for_all, push_applied
from featurectl.cli.selection import Select, select_views
from featurectl.cli.verb import verb
from featurectl.errors import FeaturectlError

if TYPE_CHECKING:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.cli.render.materialize import ViewRun
    from featurectl.materialize import Materialized
    from featurectl.open import Workspace
    from featurectl.push import PushResult
    from featurectl.registry.state import ObjectVersion


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "materialize", as_of=True, memory=True)
    def materialize(
        call: Call,
        views: Annotated[list[str] | None, typer.Argument(help="Feature views; all by default.")] = None,
        full: Annotated[bool, typer.Option("--full", help="Read every source whole and rebuild the tables.")] = False,
        no_online: Annotated[bool, typer.Option("--no-online", help="Leave the online store alone.")] = False,
        select: Select = None,
    ) -> Outcome:
        """Read new rows into the offline tables, then push online.

        The newest version of each view is computed, and each older one that a model version is bound to. Run it
        again at any time: without new rows nothing is read and no table version is written. A view that fails does
        not keep the others from being computed.
        """
        from featurectl.cli.clocks import NaiveClocks
        from featurectl.cli.render.materialize import render_runs, run_json
        from featurectl.cli.unapplied import warn_unapplied
        from featurectl.materialize import choose_views
        from featurectl.open import open_workspace

        with open_workspace(call.root(), call.env, call.instant(), "if there") as workspace:
            state = workspace.state()
            warn_unapplied(call, workspace, state)
            chosen = choose_views(state, select_views(workspace, state, views, select))
            runs = _run(_Work(call, workspace, NaiveClocks(call, workspace), full, not no_online), chosen)
        failures = tuple(Failure(part=run.label, error=run.error) for run in runs if run.error)
        result = {"views": [run_json(run) for run in runs]}
        return Outcome(text=render_runs(runs), result=result, failures=failures)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done for each view, and where."""

    call: Call
    workspace: Workspace
    clocks: NaiveClocks
    full: bool
    online: bool


def _run(work: _Work, chosen: Sequence[ObjectVersion]) -> list[ViewRun]:
    """Return what was done for each view; one that fails does not end the others, unless they can't but fail too."""
    from featurectl.cli.render.materialize import ViewRun, describe_run

    if chosen:
        work.workspace.offline()
    if chosen and work.online:
        work.workspace.online()  # an address that is none is told before anything is read
    runs: list[ViewRun] = []
    for item in chosen:
        if runs and (runs[-1].skipped or fails_for_all(runs[-1].error)):
            runs.append(ViewRun(view=item.name, version=item.version, skipped=True))
            continue
        work.call.progress.start(f"materialize {item.name}@{item.version}")
        runs.append(_one(work, item))
        work.call.progress.done(describe_run(runs[-1]))
        work.clocks.tell()
    return runs


def _one(work: _Work, item: ObjectVersion) -> ViewRun:
    from featurectl.cli.render.materialize import ViewRun

    begin, made, pushed, error = time.perf_counter(), None, None, None
    try:
        made = _materialize(work, item)
        if work.online:
            pushed = _push(work.workspace, item)
    except FeaturectlError as caught:
        error = caught
    seconds = time.perf_counter() - begin
    return ViewRun(view=item.name, version=item.version, made=made, pushed=pushed, error=error, seconds=seconds)


def _materialize(work: _Work, item: ObjectVersion) -> Materialized:
    from featurectl.engines.polars.engine import PolarsEngine
    from featurectl.materialize import Run, materialize_view
    from featurectl.spec.definition_json import load_view
    from featurectl.training.bind import view_table

    view = load_view(item.definition)
    table = view_table(work.workspace.offline(), view, item.version)
    run = Run(
        view=view,
        version=item.version,
        reader=work.clocks.open(view.source),
        table=table,
        spill=work.workspace.spill_folder(),
    )
    return materialize_view(PolarsEngine(work.call.memory_bytes()), run, work.workspace.now, full=work.full)


def _push(workspace: Workspace, item: ObjectVersion) -> PushResult | None:
    """Return what was pushed; None for a view that is offline only."""
    from featurectl.training.bind import bind_view

    bound = bind_view(workspace.offline(), item)
    return push_applied(workspace, bound) if bound.view.online else None
