"""`featurectl push`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import AllowFuture, Select
from featurectl.cli.shared.workspaces import open_applied, open_with
from featurectl.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """Which views are pushed, or which rows are removed instead."""

    views: Annotated[
        list[str] | None, typer.Argument(help="VIEW, or VIEW@2 for one of its versions; all by default.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would be sent.")] = False
    remove: Annotated[
        list[str] | None,
        typer.Option(help="VIEW@2: remove the rows of a version that nothing is bound to; instead of a push."),
    ] = None
    full: Annotated[bool, typer.Option("--full", help="Send every entity, in place of whatever is there.")] = False
    allow_future: AllowFuture = False
    select: Select = None


@verb(as_of=True)
def push(call: Call, options: PushOptions) -> Outcome:
    """Bring the online store up to the offline tables.

    As of now, for the newest version of each view and for those that a model version is bound to. A view that
    fails does not keep the others from being pushed. Of a push that was ended the next one does the rest.

    --full sends every entity and removes those that the table does not have: it mends a store that has lost rows,
    or has values that were pushed as of the future. A now more than 60 s after the store's clock is refused.

    --dry-run reads keys and times only, and tells how many rows would be sent at most, and how many online keys
    there would be at most; it writes nothing.

    --remove takes the rows of view versions out of the store that are neither the newest of an applied view nor
    bound to a model version, nor served until the newest is pushed; with --dry-run it only counts them.
    """
    if not options.remove:
        return _push(call, options)
    if options.views or options.select or options.full:
        raise UsageError("--remove, and views to push", hint="one of them at a time")
    return _remove(call, options.remove, dry_run=options.dry_run)


def _push(call: Call, options: PushOptions) -> Outcome:
    from featurectl.operations.push.push_views import PushViewsRequest, plan_pushes, push_views
    from featurectl.render.push import push_json, render_pushes

    request = PushViewsRequest(
        views=tuple(options.views or ()),
        select=tuple(options.select or ()),
        full=options.full,
        allow_future=options.allow_future,
    )
    with open_with(call, "if there") if request.select else open_applied(call) as workspace:
        found = plan_pushes(workspace, request) if options.dry_run else push_views(workspace, request, call.progress)
    return Outcome(
        text=render_pushes(found, dry_run=options.dry_run),
        result={"views": [push_json(item) for item in found.pushes]},
        failures=found.failures,
    )


def _remove(call: Call, labels: list[str], *, dry_run: bool) -> Outcome:
    from featurectl.operations.push.remove import remove_rows
    from featurectl.render.push import removed_json, render_removed

    with open_applied(call) as workspace:
        removed = remove_rows(workspace, labels, call.progress, dry_run=dry_run)
    result = {"dry_run": dry_run, "removed": [removed_json(rows) for rows in removed]}
    return Outcome(text=render_removed(removed), result=result)
