"""Push the applied views of an environment: the newest of each, and those that a model version is bound to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.progress import Progress
from featurectl.core.units import counted, format_instant, plural
from featurectl.engines.all_engines import open_engine
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.operations.part_failure import Failure, fails_for_all
from featurectl.operations.push.run import PushPlan, PushRequest, PushResult, plan_push, push_view
from featurectl.operations.run_recording import Recording, RunOutcome
from featurectl.operations.select_views import select_views
from featurectl.operations.views import bind_view, choose_views
from featurectl.workspace.clocks import ClockCheck, check_clocks, latest_push
from featurectl.workspace.older_registry import check_erasures_known

if TYPE_CHECKING:
    from featurectl.language.definitions.view import FeatureView
    from featurectl.operations.views import BoundView
    from featurectl.registry.state import ObjectVersion
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PushViewsRequest:
    """Which views to push, all online ones without names and terms; `full`: every entity, whatever is there."""

    views: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    full: bool = False
    allow_future: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPush:
    """What was done for one view version, or would be; `notes`: what else there is to know of it."""

    view: str
    version: int
    made: PushResult | PushPlan
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPushes:
    """What became of the `chosen` views; one that has failed did not keep the others from being pushed."""

    chosen: int
    pushes: tuple[ViewPush, ...]
    failures: tuple[Failure, ...]


def push_views(workspace: Workspace, request: PushViewsRequest, progress: Progress) -> ViewPushes:
    """Bring the online store up to the offline tables as of now; what became of each view is on record.

    Raises:
        UsageError: a view is not applied or is offline only, or FC526, now is later than the store's clock.
        StoreError: the registry can't be read, or is older than an erasure (FC619), or an address is none.
    """
    chosen = _opened(workspace, request)
    if chosen:
        check_clocks(workspace, ClockCheck(online=True, allow_future=request.allow_future), progress)
        check_erasures_known(workspace, workspace.online())

    def push(item: ObjectVersion) -> ViewPush:
        made = _push_recorded(workspace, item, progress, full=request.full)
        notes = tuple(push_notes(made, workspace.now))
        return ViewPush(view=item.name, version=item.version, made=made, notes=notes)

    return _each(chosen, push)


def plan_pushes(workspace: Workspace, request: PushViewsRequest) -> ViewPushes:
    """Return what `push_views` would do at most; nothing is written.

    Raises:
        UsageError: a view is not applied or is offline only.
    """

    def plan(item: ObjectVersion) -> ViewPush:
        bound = bind_view(workspace.offline(), item)
        made = plan_push(push_request(workspace, bound, full=request.full))
        return ViewPush(view=item.name, version=item.version, made=made)

    return _each(_opened(workspace, request), plan)


def push_applied(
    workspace: Workspace, bound: BoundView, progress: Progress | None = None, *, full: bool = False
) -> PushResult:
    """Return what was done to bring the environment's online store up to the table of a view version as of now.

    `full`: every entity was sent, in place of whatever was there.

    Raises:
        StoreError: a store fails; what was sent stays, and the next push makes up for the rest.
    """
    return push_view(push_request(workspace, bound, full=full), progress)


def push_request(workspace: Workspace, bound: BoundView, *, full: bool = False) -> PushRequest:
    """Return what a push of a view version into the environment's online store is."""
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
        applied_at=bound.applied_at,
        latest=latest_push(workspace),
        full=full,
        erasures=workspace.erasures_by_now,
    )


def push_notes(made: PushResult | None, now: datetime) -> list[str]:
    """Return what there is to know of a push beside its counts."""
    if made is None:
        return []
    if made.computed_at > now and not made.rows_sent:
        return [f"pushed as of {format_instant(made.computed_at)} already, later than this now: nothing was sent"]
    if not made.lost:
        return []
    lost = f"{counted(made.lost, 'row')} {plural(made.lost, 'was', 'were')}"
    return [f"{lost} gone from the online store: all were sent"]


def _opened(workspace: Workspace, request: PushViewsRequest) -> list[ObjectVersion]:
    """Return the chosen view versions; an address of a store that is none is an error before anything is read."""
    state = workspace.applied_state()
    names = select_views(workspace, state, request.views, request.select)
    chosen = choose_views(state, names)
    views = [load_untyped_view(item.definition) for item in chosen]
    online = [item for item, view in zip(chosen, views, strict=True) if view.is_pushed]
    if offline := [view for view in views if request.views and not view.is_pushed]:
        raise not_pushed(offline[0])
    if online:
        workspace.offline()
        workspace.online()
    return online


def not_pushed(view: FeatureView) -> UsageError:
    """Return the error that a view, by its name, is none whose values a push brings into the online store."""
    if view.online:
        message = f"view {view.name} is of a stream: workers keep it online, nothing is pushed"
        offline = f"for its offline table: featurectl materialize {view.name}"
        return UsageError(message, hint=f"featurectl stream run {view.source.name}; {offline}")
    return UsageError(f"view {view.name} is offline only", hint="its `online:` is false")


def _each(chosen: Sequence[ObjectVersion], work: Callable[[ObjectVersion], ViewPush]) -> ViewPushes:
    """Work on each view, until one fails of what fails for all."""
    pushes: list[ViewPush] = []
    failures: list[Failure] = []
    for item in chosen:
        try:
            pushes.append(work(item))
        except FeaturectlError as error:
            failures.append(Failure(part=f"{item.name}@{item.version}", error=error))
            if fails_for_all(error):
                break
    return ViewPushes(chosen=len(chosen), pushes=tuple(pushes), failures=tuple(failures))


def _push_recorded(workspace: Workspace, item: ObjectVersion, progress: Progress, *, full: bool) -> PushResult:
    with Recording(workspace, item, "push", progress) as recording:
        try:
            made = push_applied(workspace, bind_view(workspace.offline(), item), progress, full=full)
        except FeaturectlError as error:
            recording.end(RunOutcome(action="", rows=0, error=error))
            raise
        recording.end(RunOutcome(action="push", rows=made.rows_sent, error=None))
    return made
