"""`featurectl push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.recorded import Became, Recording
from featurectl.cli.selection import Select, select_views
from featurectl.cli.verb import verb
from featurectl.errors import FeaturectlError, NoAnswerError, StoreError, UsageError
from featurectl.units import format_count, format_instant, format_iso

if TYPE_CHECKING:
    from featurectl.open import Workspace
    from featurectl.progress import Progress
    from featurectl.push import PushPlan, PushRequest, PushResult
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.training.join import BoundView

_HEAD = ("view", "version", "rows sent", "new", "online keys", "computed")
_PLAN_HEAD = ("view", "version", "rows at most", "online keys", "at most then", "computed")


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "push", as_of=True)
    def push(
        call: Call,
        views: Annotated[list[str] | None, typer.Argument(help="Views to push; all of them by default.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would be sent.")] = False,
        remove: Annotated[
            list[str] | None,
            typer.Option(help="VIEW@2: remove the rows of a version that nothing is bound to; instead of a push."),
        ] = None,
        select: Select = None,
    ) -> Outcome:
        """Bring the online store up to the offline tables.

        As of now, for the newest version of each view and for those that a model version is bound to. A view that
        fails does not keep the others from being pushed. Of a push that was ended the next one does the rest.

        --dry-run reads keys and times only, and tells how many rows would be sent at most, and how many online keys
        there would be at most; it writes nothing.

        --remove takes the rows of view versions out of the store that are neither the newest of an applied view nor
        bound to a model version; with --dry-run it only counts them.
        """
        if remove:
            from featurectl.cli.removed import remove_rows

            if views or select:
                raise UsageError("--remove, and views to push", hint="one of them at a time")
            return remove_rows(call, remove, dry_run=dry_run)
        from featurectl.cli.render.table import render_table
        from featurectl.open import open_workspace

        with open_workspace(call.root(), call.env, call.instant(), "if there") as workspace:
            state = workspace.applied_state()
            chosen = _chosen(state, select_views(workspace, state, views, select), named=bool(views))
            if chosen:  # an address that is none is told before anything is read
                workspace.offline()
                workspace.online()
            rows: list[list[str]] = []
            told: list[dict[str, object]] = []
            failures: list[Failure] = []
            for item in chosen:
                try:
                    made = _plan(workspace, item) if dry_run else _push(call, workspace, item)
                except FeaturectlError as error:
                    failures.append(Failure(part=f"{item.name}@{item.version}", error=error))
                    if fails_for_all(error):
                        break
                else:
                    rows.append([item.name, str(item.version), *_cells(made)])
                    told.append({"view": item.name, "version": item.version, **_json(made)})
        text = "\n".join(render_table(_PLAN_HEAD if dry_run else _HEAD, rows)) if rows else ""
        if not chosen:
            text = "No applied view is online."
        return Outcome(text=text, result={"views": told}, failures=tuple(failures))


def _chosen(state: State, names: list[str], *, named: bool) -> list[ObjectVersion]:
    """Return the online ones among the versions that are materialized; a view that was named must be online."""
    from featurectl.materialize.view import choose_views
    from featurectl.spec.definition_json import load_untyped_view

    chosen = choose_views(state, names)
    online = [item for item in chosen if load_untyped_view(item.definition).online]
    if offline := [item.name for item in chosen if named and item not in online]:
        raise UsageError(f"view {offline[0]} is offline only", hint="its `online:` is false")
    return online


def _push(call: Call, workspace: Workspace, item: ObjectVersion) -> PushResult:
    """Return what was pushed of a view version; what became of it is on record, also when it fails."""
    from featurectl.training.bind import bind_view

    with Recording(call, workspace, item) as recording:
        try:
            made = push_applied(workspace, bind_view(workspace.offline(), item), call.progress)
        except FeaturectlError as error:
            recording.end(Became(action="", rows=0, error=error))
            raise
        recording.end(Became(action="push", rows=made.rows_sent, error=None))
    return made


def _plan(workspace: Workspace, item: ObjectVersion) -> PushPlan:
    from featurectl.training.bind import bind_view

    return plan_applied(workspace, bind_view(workspace.offline(), item))


def push_applied(workspace: Workspace, bound: BoundView, progress: Progress | None = None) -> PushResult:
    """Return what was done to bring the environment's online store up to the table of a view version as of now.

    Raises:
        StoreError: a store fails; what was sent stays, and the next push makes up for the rest.
    """
    from featurectl.push import push_view

    return push_view(_request(workspace, bound), progress)


def plan_applied(workspace: Workspace, bound: BoundView) -> PushPlan:
    """Return what that would do at most.

    Raises:
        StoreError: a store can't be read.
    """
    from featurectl.push import plan_push

    return plan_push(_request(workspace, bound))


def _request(workspace: Workspace, bound: BoundView) -> PushRequest:
    from featurectl.engines.polars.engine import PolarsEngine
    from featurectl.push import PushRequest

    return PushRequest(
        view=bound.view,
        version=bound.version,
        table=bound.table,
        store=workspace.online(),
        project=workspace.project,
        env=workspace.environment.name,
        now=workspace.now,
        engine=PolarsEngine(),
        clock=workspace.clock,
        columns=bound.columns,
    )


def fails_for_all(error: FeaturectlError | None) -> bool:
    """Return whether it is the online store that failed, or a store that does not answer: the same for every view.

    An object store of a source is that of some views alone.
    """
    gone = isinstance(error, StoreError) and error.code == "FC602"
    return gone or (isinstance(error, NoAnswerError) and error.code == "FC603")


def _cells(made: PushResult | PushPlan) -> list[str]:
    from featurectl.push import PushPlan

    if isinstance(made, PushPlan):
        counts = (made.rows, made.entities, made.entities_after)
        computed = format_instant(made.computed_at) if made.computed_at else "never"
        return [*(format_count(n) for n in counts), computed]
    counts = (made.rows_sent, made.new_entities, made.entities)
    return [*(format_count(n) for n in counts), format_instant(made.computed_at)]


def _json(made: PushResult | PushPlan) -> dict[str, object]:
    from featurectl.push import PushPlan

    if isinstance(made, PushPlan):
        return {
            "rows_at_most": made.rows,
            "entities": made.entities,
            "entities_at_most": made.entities_after,
            "computed_at": format_iso(made.computed_at) if made.computed_at else None,
        }
    return {
        "rows_sent": made.rows_sent,
        "new_entities": made.new_entities,
        "entities": made.entities,
        "computed_at": format_iso(made.computed_at),
    }
