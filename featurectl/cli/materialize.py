"""`featurectl materialize`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.call import Call, Failure, Outcome
from featurectl.cli.future import AllowFuture, hold_to_clocks
from featurectl.cli.push import fails_for_all, push_applied, push_notes
from featurectl.cli.run_recording import Recording, RunOutcome
from featurectl.cli.selection import Select, select_views
from featurectl.cli.verb import verb
from featurectl.core.errors import DataError, FeaturectlError, UsageError

if TYPE_CHECKING:
    from featurectl.cli.clocks import NaiveClocks
    from featurectl.cli.render.materialize import ViewRun
    from featurectl.offline.base import Coverage
    from featurectl.operations.materialize.dry_run import Planned
    from featurectl.operations.materialize.range import Range
    from featurectl.operations.materialize.run import MaterializeRun
    from featurectl.operations.materialize.view import Materialized
    from featurectl.operations.push import PushResult
    from featurectl.registry.base import Pin
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace

_VACUUM_EVERY: Final = 8  # versions


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "materialize", as_of=True, memory=True)
    def materialize(
        call: Call,
        views: Annotated[list[str] | None, typer.Argument(help="Feature views; all by default.")] = None,
        full: Annotated[bool, typer.Option("--full", help="Read every source whole and rebuild the tables.")] = False,
        since: Annotated[
            str | None, typer.Option(help="Compute events from this instant on again.", metavar="TIME")
        ] = None,
        until: Annotated[str | None, typer.Option(help="Compute events before it again.", metavar="TIME")] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only say what would be done, and why; no query is run.")
        ] = False,
        no_online: Annotated[bool, typer.Option("--no-online", help="Leave the online store alone.")] = False,
        allow_future: AllowFuture = False,
        select: Select = None,
    ) -> Outcome:
        """Read new rows into the offline tables, then push online.

        The newest version of each view is computed, and each older one that a model version is bound to. Run it
        again at any time: without new rows of files or Delta tables nothing is read and no table version is written. A
        query is run each time: with `:since` for what came since the last run, without it, and of a static source,
        whole, and the table is rebuilt. A view that fails does not keep the others from being computed.

        --since and --until name a range of event times: after new rows were taken, what a table has of it is computed
        again from the rows that were read. A table that is not there yet begins at --since.

        A now more than 60 s after the clock of the registry, or of the online store, is refused. Where a table was
        computed as of the future all the same, --full makes it anew, and its push replaces what was pushed then.
        """
        from featurectl.cli.clocks import NaiveClocks
        from featurectl.cli.render.materialize import planned_json, render_planned, render_runs, run_json
        from featurectl.cli.unapplied_warning import warn_unapplied
        from featurectl.operations.materialize.view import choose_views
        from featurectl.workspace.workspace import open_workspace

        with open_workspace(call.root(), call.env, call.instant(), "if there") as workspace:
            state = workspace.applied_state()
            warn_unapplied(call, workspace, state)
            chosen = choose_views(state, select_views(workspace, state, views, select))
            asked = _range(chosen, since, until, full=full)
            work = _Work(call, workspace, state, NaiveClocks(call, workspace), asked, full, not no_online)
            if chosen and not dry_run:
                hold_to_clocks(call, workspace, allow_future=allow_future, registry=True, online=not no_online)
            if dry_run:
                planned = [_plan(work, item) for item in chosen]
                return Outcome(text=render_planned(planned), result={"views": [planned_json(p) for p in planned]})
            runs = _run(work, chosen)
        failures = tuple(Failure(part=run.label, error=run.error) for run in runs if run.error)
        result = {"views": [run_json(run) for run in runs]}
        return Outcome(text=render_runs(runs), result=result, failures=failures)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done for each view, and where."""

    call: Call
    workspace: Workspace
    state: State
    clocks: NaiveClocks
    asked: Range | None
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

    made, pushed, error = None, None, None
    with Recording(work.call, work.workspace, item) as recording:
        try:
            made = _materialize(work, item)
            if work.online:
                pushed = _push(work.workspace, item)
        except FeaturectlError as caught:
            error = caught
        seconds = recording.seconds
        action, rows, checks = (made.action, made.rows_written, made.checks) if made else ("", 0, ())
        recording.end(RunOutcome(action=action, rows=rows, checks=checks, error=error))
    notes = push_notes(pushed, work.workspace.now)
    return ViewRun(
        view=item.name, version=item.version, made=made, pushed=pushed, error=error, seconds=seconds, notes=notes
    )


def _range(chosen: Sequence[ObjectVersion], since: str | None, until: str | None, *, full: bool) -> Range | None:
    """Return the range that is asked for; None: none is."""
    from featurectl.cli.training_set import instant
    from featurectl.language.definitions.json_form import load_untyped_view
    from featurectl.operations.materialize.range import Range

    if since is None and until is None:
        return None
    asked = Range(since=instant(since), until=instant(until))
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise UsageError("--since is not before --until: the range is empty")
    if full and until is not None:
        hint = "leave one of them out: a table that is rebuilt has no end; --since says where it begins"
        raise UsageError("--full and --until", hint=hint)
    for item in chosen:
        view = load_untyped_view(item.definition)
        if view.source.static or view.kind == "transform":
            what = "a static source" if view.source.static else "a transform"
            raise UsageError(
                f"--since and --until: {view.name} is of {what}, which has no range", hint="name the views"
            )
    return asked


def _plan(work: _Work, item: ObjectVersion) -> Planned:
    from featurectl.operations.materialize.dry_run import plan_view

    return plan_view(_job(work, item), work.workspace.now, full=work.full, asked=work.asked)


def _job(work: _Work, item: ObjectVersion) -> MaterializeRun:
    from featurectl.language.definitions.json_form import load_view
    from featurectl.language.resolve.transformed import transform_sources
    from featurectl.operations.materialize.run import MaterializeRun
    from featurectl.operations.training.bind import view_table

    view = load_view(item.definition)
    return MaterializeRun(
        view=view,
        version=item.version,
        reader=work.clocks.open(view.source),
        table=view_table(work.workspace.offline(), view, item.version),
        others=tuple(work.clocks.open(source) for source in transform_sources(view)[1:]),
        spill=work.workspace.spill_folder(),
        progress=work.call.progress,
    )


def _materialize(work: _Work, item: ObjectVersion) -> Materialized:
    from featurectl.engines.open import open_engine
    from featurectl.language.resolve.transformed import as_state
    from featurectl.operations.materialize.range import backfill_view, check_range, expire_rows
    from featurectl.operations.materialize.transform import materialize_transform
    from featurectl.operations.materialize.view import materialize_view

    run, asked = _job(work, item), work.asked
    engine = open_engine(work.workspace.environment, work.call.memory_bytes())
    if work.full and (aside := run.table.set_aside()):
        lost = "versions that manifests and models name can't be read again"
        work.call.progress.done(f"warning: a log that can't be read lies at {aside} now; {lost}")
    before = run.table.coverage()
    if before is not None and not work.full:
        _check_not_future(work, item, before)
    if asked is not None:
        check_range(run.view.name, before, asked)
    now, since = work.workspace.now, asked.since if asked else None
    if run.view.transform is not None:
        made, run = materialize_transform(engine, run, now, full=work.full), replace(run, view=as_state(run.view))
    else:
        made = materialize_view(engine, run, now, full=work.full, since=since)
    if asked is not None and before is not None and _is_lacking(before, made.action, full=work.full):
        made = backfill_view(engine, run, asked)
    expired = expire_rows(run, now)
    _vacuum(work, run, rewritten=expired is not None or made.action not in ("nothing", "append"))
    return made if expired is None else replace(made, table_version=expired)


def _check_not_future(work: _Work, item: ObjectVersion, coverage: Coverage) -> None:
    """Do nothing when a table was computed as of no later than now, or as of a time that has been.

    Raises:
        DataError: FC528, it was computed as of an instant that has not come.
    """
    from featurectl.online.future import how_far_ahead

    if coverage.now is None or coverage.now <= work.workspace.now:
        return
    far = how_far_ahead(coverage.now, work.workspace.latest_run(), "the registry's clock")
    if far:
        raise DataError(
            f"the table of {item.name}@{item.version} was computed as of {far}: no new rows are taken before",
            code="FC528",
            hint=f"featurectl materialize --full {item.name} makes it anew, as of now",
        )


def _is_lacking(before: Coverage, action: str, *, full: bool) -> bool:
    """Return whether a range is still to be computed after a run: a rebuild begins where the table began."""
    return action != "rebuild" or (before.since is not None and not full)


def _vacuum(work: _Work, run: MaterializeRun, *, rewritten: bool) -> None:
    """Remove files that nothing needs any more: after a rewrite, else now and then, for compactions leave some too."""
    if not rewritten and (run.table.version() or 0) % _VACUUM_EVERY:
        return
    label = f"{run.view.name}@{run.version}"
    trained = {m.table_versions[label] for m in work.state.model_versions if label in m.table_versions}
    pinned = {p.table_version for p in work.workspace.pins() if _label(p) == label}
    run.table.vacuum(trained | pinned)


def _label(pin: Pin) -> str:
    return f"{pin.view}@{pin.version}"


def _push(workspace: Workspace, item: ObjectVersion) -> PushResult | None:
    """Return what was pushed; None for a view that is offline only."""
    from featurectl.operations.training.bind import bind_view

    bound = bind_view(workspace.offline(), item)
    return push_applied(workspace, bound) if bound.view.online else None
