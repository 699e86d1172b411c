"""Materialize the applied views of an environment, and push them online."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.progress import Progress
from featurectl.core.units import counted, format_count
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.operations.materialize.dry_run import Planned, plan_view
from featurectl.operations.materialize.one_view import ViewWork, materialize_version, view_run
from featurectl.operations.materialize.range import Range
from featurectl.operations.materialize.table_increment import Materialized
from featurectl.operations.part_failure import fails_for_all
from featurectl.operations.push.push_views import push_applied, push_notes
from featurectl.operations.push.run import PushResult
from featurectl.operations.run_recording import Recording, RunOutcome
from featurectl.operations.select_views import select_views
from featurectl.operations.unapplied import warn_unapplied
from featurectl.operations.views import bind_view, choose_views
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.clocks import ClockCheck, check_clocks
from featurectl.workspace.older_registry import check_erasures_known
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from featurectl.offline.base import OfflineTable
    from featurectl.registry.state import ObjectVersion
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializeRequest:
    """Which views to compute, all without names and terms, and how.

    `full`: every source is read whole and the tables are made anew. Events from `since` to before `until` are computed
    again. `keep_changed`: of rows that changed in their files no more is said. Without `online` nothing is pushed. Rows
    may take `memory_bytes`, None: half of what is free.
    """

    views: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    full: bool = False
    since: datetime | None = None
    until: datetime | None = None
    keep_changed: bool = False
    online: bool = True
    allow_future: bool = False
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRun:
    """What was done for one view version, and in how many seconds.

    `made` is None when its table was not brought up to its source, `pushed` when nothing went to the online store;
    `error` says why that failed. `skipped`: it was not tried, because it could only have failed.
    """

    view: str
    version: int
    made: Materialized | None = None
    pushed: PushResult | None = None
    error: FeaturectlError | None = None
    skipped: bool = False
    seconds: float = 0.0
    notes: Sequence[str] = ()  # what else there is to know of the push

    @property
    def label(self) -> str:
        """The view version as people write it."""
        return f"{self.view}@{self.version}"

    @property
    def done(self) -> bool:
        """True when all that was to be done was done."""
        return self.error is None and not self.skipped


def materialize_views(workspace: Workspace, request: MaterializeRequest, progress: Progress) -> list[ViewRun]:
    """Return what was done for each view; one that fails does not end the others, unless they can't but fail too.

    Raises:
        UsageError: a view is not applied, the range is none, or FC526, now is later than a store's clock.
        StoreError: the registry can't be read, or an address is none.
    """
    work, chosen = _prepare(workspace, request, progress)
    if not chosen:
        return []
    check = ClockCheck(registry=True, online=request.online, allow_future=request.allow_future)
    check_clocks(workspace, check, progress)
    workspace.offline()
    if request.online:
        workspace.online()  # an address that is none is an error before anything is read
    runs: list[ViewRun] = []
    for item in chosen:
        if runs and (runs[-1].skipped or fails_for_all(runs[-1].error)):
            runs.append(ViewRun(view=item.name, version=item.version, skipped=True))
            continue
        progress.start(f"materialize {item.name}@{item.version}")
        runs.append(_run(work, item, online=request.online))
        progress.done(describe_run(runs[-1]))
        work.applied.sources.report(forget=True)
        made = runs[-1].made
        if made is not None and made.action == "first":
            work.applied.sources.note_dates(load_untyped_view(item.definition).source)
    return runs


def plan_views(workspace: Workspace, request: MaterializeRequest, progress: Progress) -> list[Planned]:
    """Return what `materialize_views` would do, and why; no query is run.

    Raises:
        UsageError: a view is not applied, or the range is none.
        DataError: a source is not there.
    """
    work, chosen = _prepare(workspace, request, progress)
    return [plan_view(view_run(work, item), workspace.now, full=work.full, asked=work.range) for item in chosen]


def describe_run(run: ViewRun) -> str:
    """Return one line of progress."""
    parts = []
    if run.made is not None:
        read = counted(run.made.rows_read, "row")
        parts.append("no new rows" if run.made.action == "nothing" else f"{read} read")
    if run.pushed is not None:
        parts.append(f"{format_count(run.pushed.rows_sent)} pushed")
    if run.error is not None:
        parts.append("failed" if run.made is None else "push failed")
    return f"{run.label}: {', '.join(parts)} ({run.seconds:.1f} s)"


def _prepare(
    workspace: Workspace, request: MaterializeRequest, progress: Progress
) -> tuple[ViewWork, list[ObjectVersion]]:
    """Return what is done for each view, and the views."""
    applied = read_applied(workspace, progress)
    warn_unapplied(workspace, applied.state, progress)
    names = select_views(workspace, applied.state, request.views, request.select)
    chosen = choose_views(applied.state, names)
    work = ViewWork(
        applied=applied,
        known_columns=list_view_columns(workspace),
        range=_range(chosen, request),
        full=request.full,
        keep_changed=request.keep_changed,
        memory_bytes=request.memory_bytes,
        progress=progress,
    )
    return work, chosen


def _range(chosen: Sequence[ObjectVersion], request: MaterializeRequest) -> Range | None:
    """Return the range to compute again; None: there is none."""
    since, until = request.since, request.until
    if since is None and until is None:
        return None
    if since is not None and until is not None and since >= until:
        raise UsageError("--since is not before --until: the range is empty")
    if request.full and until is not None:
        hint = "leave one of them out: a table that is rebuilt has no end; --since says where it begins"
        raise UsageError("--full and --until", hint=hint)
    for item in chosen:
        view = load_untyped_view(item.definition)
        if view.kind == "transform" and until is not None:
            message = f"--until: {view.name} is of a transform, of which all that became known later is computed again"
            raise UsageError(message, hint="leave it out, or name the views")
        if view.source.static and view.kind != "transform":
            message = f"--since and --until: {view.name} is of a static source, which has no range"
            raise UsageError(message, hint="name the views")
    return Range(since=since, until=until)


def _run(work: ViewWork, item: ObjectVersion, *, online: bool) -> ViewRun:
    """Return what was done for a view version; what became of it is on record, also when it fails."""
    made, pushed, error = None, None, None
    workspace = work.applied.workspace
    with Recording(workspace, item, "materialize", work.progress) as recording:
        try:
            run = view_run(work, item)
            made = materialize_version(work, item, run)
            pushed = _push(workspace, item, run.table) if online else None
        except FeaturectlError as caught:
            error = caught
        seconds = recording.seconds
        action, rows, checks = (made.action, made.rows_written, made.checks) if made else ("", 0, ())
        gaps = made.gaps if made else ()
        recording.end(RunOutcome(action=action, rows=rows, checks=checks, error=error, gaps=gaps))
    return ViewRun(
        view=item.name,
        version=item.version,
        made=made,
        pushed=pushed,
        error=error,
        seconds=seconds,
        notes=push_notes(pushed, workspace.now),
    )


def _push(workspace: Workspace, item: ObjectVersion, table: OfflineTable) -> PushResult | None:
    """Return what was pushed; None for a view that is offline only, or of a stream, whose workers keep it online."""
    bound = bind_view(workspace.offline(), item, table)
    if not bound.view.is_pushed:
        return None
    check_erasures_known(workspace, workspace.online())
    return push_applied(workspace, bound)
