"""`featurectl materialize`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import AllowFuture, Select
from featurectl.cli.shared.times import instant
from featurectl.cli.shared.workspaces import open_with

if TYPE_CHECKING:
    from featurectl.operations.materialize.materialize_views import MaterializeRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializeOptions:
    """Which views are computed, from which rows on, and whether they are."""

    views: Annotated[
        list[str] | None, typer.Argument(help="VIEW, or VIEW@2 for one of its versions; all by default.")
    ] = None
    full: Annotated[bool, typer.Option("--full", help="Read every source whole and rebuild the tables.")] = False
    since: Annotated[str | None, typer.Option(help="Compute events from this instant on again.", metavar="TIME")] = None
    until: Annotated[str | None, typer.Option(help="Compute events before it again.", metavar="TIME")] = None
    keep_changed: Annotated[
        bool, typer.Option("--keep-changed", help="Say no more of rows that changed in their files or went.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and why; no query is run.")
    ] = False
    no_online: Annotated[bool, typer.Option("--no-online", help="Leave the online store alone.")] = False
    allow_future: AllowFuture = False
    select: Select = None


@verb(as_of=True, memory=True)
def materialize(call: Call, options: MaterializeOptions) -> Outcome:
    """Read new rows into the offline tables, then push online.

    The newest version of each view is computed, and each older one that a model version is bound to. Run it
    again at any time: without new rows of files or Delta tables nothing is read and no table version is written. A
    query is run each time: with `:since` for what came since the last run, without it, and of a static source,
    whole, and the table is rebuilt. A view that fails does not keep the others from being computed.

    Views are those that are applied. Files that differ, or have errors, are named on stderr and not used; only
    --select reads them, and featurectl.yaml must be valid.

    --since and --until name a range of event times: after new rows were taken, what a table has of it is computed
    again from the rows that were read. A table that is not there yet begins at --since. Of a Python transform --since
    computes again what became known from then on, and there is no --until.

    A now more than 60 s after the clock of the registry, or of the online store, is refused. Where a table was
    computed as of the future all the same, --full makes it anew, and its push replaces what was pushed then.
    """
    from featurectl.operations.materialize.materialize_views import materialize_views, plan_views
    from featurectl.operations.part_failure import Failure
    from featurectl.render.materialize import planned_json, render_planned, render_runs, run_json

    request = _request(call, options)
    with open_with(call, "if there" if request.select else "compared") as workspace:
        if options.dry_run:
            planned = plan_views(workspace, request, call.progress)
            return Outcome(text=render_planned(planned), result={"views": [planned_json(p) for p in planned]})
        runs = materialize_views(workspace, request, call.progress)
    failures = tuple(Failure(part=run.label, error=run.error) for run in runs if run.error)
    return Outcome(
        text=render_runs(runs, quiet=call.quiet), result={"views": [run_json(run) for run in runs]}, failures=failures
    )


def _request(call: Call, options: MaterializeOptions) -> MaterializeRequest:
    from featurectl.operations.materialize.materialize_views import MaterializeRequest

    return MaterializeRequest(
        views=tuple(options.views or ()),
        select=tuple(options.select or ()),
        full=options.full,
        since=instant(options.since),
        until=instant(options.until),
        keep_changed=options.keep_changed,
        online=not options.no_online,
        allow_future=options.allow_future,
        memory_bytes=call.memory_bytes(),
    )
