"""`featurectl push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.future import AllowFuture, hold_to_clocks
from featurectl.cli.run_recording import Recording, RunOutcome
from featurectl.cli.selection import Select, select_views
from featurectl.cli.verb import verb
from featurectl.core.errors import FeaturectlError, NoAnswerError, StoreError, UsageError
from featurectl.core.units import counted, format_count, format_instant, format_iso, plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from featurectl.core.progress import Progress
    from featurectl.operations.push import PushPlan, PushRequest, PushResult
    from featurectl.operations.training.join import BoundView
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace

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
        full: Annotated[bool, typer.Option("--full", help="Send every entity, in place of whatever is there.")] = False,
        allow_future: AllowFuture = False,
        select: Select = None,
    ) -> Outcome:
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
        if remove:
            from featurectl.cli.push_remove import remove_rows

            if views or select or full:
                raise UsageError("--remove, and views to push", hint="one of them at a time")
            return remove_rows(call, remove, dry_run=dry_run)
        from featurectl.workspace.workspace import open_workspace

        with open_workspace(call.root(), call.env, call.instant(), "if there") as workspace:
            state = workspace.applied_state()
            chosen = _chosen(state, select_views(workspace, state, views, select), named=bool(views))
            if chosen:  # an address that is none is told before anything is read
                workspace.offline()
                workspace.online()
                if not dry_run:
                    hold_to_clocks(call, workspace, allow_future=allow_future, online=True)
            return _outcome(call, workspace, chosen, dry_run=dry_run, full=full)


def _outcome(
    call: Call, workspace: Workspace, chosen: Sequence[ObjectVersion], *, dry_run: bool, full: bool
) -> Outcome:
    """Push view versions, or say what that would send; one that fails does not keep the others from it."""
    from featurectl.cli.render.table import render_table
    from featurectl.cli.render.visible import in_one_line

    rows: list[list[str]] = []
    told: list[dict[str, object]] = []
    notes: list[str] = []
    failures: list[Failure] = []
    for item in chosen:
        try:
            made = _plan(workspace, item, full=full) if dry_run else _push(call, workspace, item, full=full)
        except FeaturectlError as error:
            failures.append(Failure(part=f"{item.name}@{item.version}", error=error))
            if fails_for_all(error):
                break
        else:
            rows.append([item.name, str(item.version), *_cells(made)])
            told.append({"view": item.name, "version": item.version, **_json(made)})
            notes += [f"{item.name}@{item.version}: {in_one_line(note)}" for note in push_notes(made, workspace.now)]
    text = "\n".join(render_table(_PLAN_HEAD if dry_run else _HEAD, rows)) if rows else ""
    text += "".join(f"\n{note}" for note in notes)
    if not chosen:
        text = "No applied view is online."
    return Outcome(text=text, result={"views": told}, failures=tuple(failures))


def _chosen(state: State, names: list[str], *, named: bool) -> list[ObjectVersion]:
    """Return the online ones among the versions that are materialized; a view that was named must be online."""
    from featurectl.language.definitions.json_form import load_untyped_view
    from featurectl.operations.materialize.view import choose_views

    chosen = choose_views(state, names)
    online = [item for item in chosen if load_untyped_view(item.definition).online]
    if offline := [item.name for item in chosen if named and item not in online]:
        raise UsageError(f"view {offline[0]} is offline only", hint="its `online:` is false")
    return online


def _push(call: Call, workspace: Workspace, item: ObjectVersion, *, full: bool) -> PushResult:
    """Return what was pushed of a view version; what became of it is on record, also when it fails."""
    from featurectl.operations.training.bind import bind_view

    with Recording(call, workspace, item) as recording:
        try:
            made = push_applied(workspace, bind_view(workspace.offline(), item), call.progress, full=full)
        except FeaturectlError as error:
            recording.end(RunOutcome(action="", rows=0, error=error))
            raise
        recording.end(RunOutcome(action="push", rows=made.rows_sent, error=None))
    return made


def _plan(workspace: Workspace, item: ObjectVersion, *, full: bool) -> PushPlan:
    from featurectl.operations.training.bind import bind_view

    return plan_applied(workspace, bind_view(workspace.offline(), item), full=full)


def push_applied(
    workspace: Workspace, bound: BoundView, progress: Progress | None = None, *, full: bool = False
) -> PushResult:
    """Return what was done to bring the environment's online store up to the table of a view version as of now.

    `full`: every entity was sent, in place of whatever was there.

    Raises:
        StoreError: a store fails; what was sent stays, and the next push makes up for the rest.
    """
    from featurectl.operations.push import push_view

    return push_view(_request(workspace, bound, full=full), progress)


def plan_applied(workspace: Workspace, bound: BoundView, *, full: bool = False) -> PushPlan:
    """Return what that would do at most.

    Raises:
        StoreError: a store can't be read.
    """
    from featurectl.operations.push import plan_push

    return plan_push(_request(workspace, bound, full=full))


def _request(workspace: Workspace, bound: BoundView, *, full: bool) -> PushRequest:
    from featurectl.engines.open import open_engine
    from featurectl.operations.push import PushRequest

    return PushRequest(
        view=bound.view,
        version=bound.version,
        table=bound.table,
        store=workspace.online(),
        project=workspace.project,
        env=workspace.environment.name,
        now=workspace.now,
        engine=open_engine(workspace.environment),
        clock=workspace.clock,
        columns=bound.columns,
        latest=workspace.latest_push(),
        full=full,
    )


def push_notes(made: PushResult | PushPlan | None, now: datetime) -> list[str]:
    """Return what there is to be told of a push beside its counts."""
    from featurectl.operations.push import PushResult

    if not isinstance(made, PushResult):
        return []
    lost = f"{counted(made.lost, 'row')} {plural(made.lost, 'was', 'were')} gone from the online store: all were sent"
    later = f"pushed as of {format_instant(made.computed_at)} already, later than this now: nothing was sent"
    is_later = made.computed_at > now and not made.rows_sent
    return [lost] * (made.lost > 0 and not is_later) + [later] * is_later


def fails_for_all(error: FeaturectlError | None) -> bool:
    """Return whether it is the online store that failed, or a store that does not answer: the same for every view.

    An object store of a source is that of some views alone.
    """
    gone = isinstance(error, StoreError) and error.code == "FC602"
    return gone or (isinstance(error, NoAnswerError) and error.code == "FC603")


def _cells(made: PushResult | PushPlan) -> list[str]:
    from featurectl.operations.push import PushPlan

    if isinstance(made, PushPlan):
        counts = (made.rows, made.entities, made.entities_after)
        computed = format_instant(made.computed_at) if made.computed_at else "never"
        return [*(format_count(n) for n in counts), computed]
    counts = (made.rows_sent, made.new_entities, made.entities)
    return [*(format_count(n) for n in counts), format_instant(made.computed_at)]


def _json(made: PushResult | PushPlan) -> dict[str, object]:
    from featurectl.operations.push import PushPlan

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
        "rows_lost": made.lost,
        "computed_at": format_iso(made.computed_at),
    }
