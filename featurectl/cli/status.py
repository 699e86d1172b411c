"""`featurectl status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.durations import seconds_of
from featurectl.cli.future import warn_of_clocks
from featurectl.cli.verb import verb
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.units import format_iso

if TYPE_CHECKING:
    from featurectl.monitor.freshness import FreshnessRow
    from featurectl.workspace.workspace import Workspace

_EVERY_S: Final = 10.0
_CLEAR: Final = (
    "\x1b[H\x1b[2J"  # of a terminal: to the first place, and nothing on it; what was before can be scrolled to
)
_BACK: Final = timedelta(days=30)
_RUNS_BACK: Final = timedelta(days=2)


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "status", as_of=True)
    def status(
        call: Call,
        every: Annotated[
            str | None, typer.Argument(help="With --watch: how long between two looks; 10s by default.")
        ] = None,
        watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
        checks: Annotated[
            bool, typer.Option("--checks", help="Show the checks of the data and what they came to in 30 days.")
        ] = False,
    ) -> Outcome:
        """Show how old sources and views are against their SLAs.

        The age of a source is from its newest available_at to now, that of a view from the newest row behind the
        values that it serves. -v adds the ages of the newest event and of the last computation, and how many entities
        of a state view have values older than its ttl, or known for longer than error_after; how much room tables,
        models and the prediction log take (clean makes some), and runs that have failed.

        Exits 1 when one is past `error_after`, or can't be seen; with --checks when one of severity error failed the
        last time. --watch draws a terminal anew, and writes elsewhere when something else than an age has changed.
        """
        every_s = _checked(call, every, watch=watch)
        show = _show_checks if checks else _show_rows
        if watch:
            _watch(call, every_s, show)
        return _look(call, show)[0]


def _checked(call: Call, every: str | None, *, watch: bool) -> float:
    if every is not None and not watch:
        raise UsageError(f"{every!r}, and no --watch", hint="featurectl status --watch 5s")
    if watch and call.output != "text":
        raise UsageError(f"--watch has no output {call.output!r}: it does not end", hint="leave --watch out")
    return _EVERY_S if every is None else seconds_of("--watch", every)


Shown = tuple[Outcome, object]  # what is shown, and what of it is a change when it differs
Show = Callable[[Call, "Workspace"], Shown]


def _look(call: Call, show: Show) -> Shown:
    with open_applied(call, call.instant()) as workspace:
        shown = show(call, workspace)
        warn_of_clocks(call, workspace)
        return shown


def _show_rows(call: Call, workspace: Workspace) -> Shown:
    from featurectl.cli.render.runs import not_done, render_not_done, run_json
    from featurectl.cli.render.status import render_ages, render_sizes, render_status, status_json
    from featurectl.monitor.health import look, runs_seen
    from featurectl.monitor.sizes import stored_sizes

    call.progress.start("look at the stores")
    told = call.verbose or call.output == "json"
    rows, now = look(workspace, workspace.applied_state(), entities=told), workspace.now
    runs, unread = runs_seen(workspace, _RUNS_BACK) if told else ([], "")
    runs = not_done(runs)
    call.progress.done("")
    broken = any(row.verdict in ("STALE", "ERROR") for row in rows)
    text = render_status(rows, now) if rows else "No source and no view is applied."
    if rows and call.verbose:
        text += f"\n\n{render_ages(rows, now)}"
        text += f"\n\nruns: {unread}" if unread else f"\n\n{render_not_done(runs)}" if runs else ""
    result: dict[str, object] = {"now": format_iso(now), "rows": [status_json(row, now) for row in rows]}
    if rows and call.verbose:
        sizes = stored_sizes(workspace, workspace.state())
        text += f"\n\n{render_sizes(sizes)}" if sizes else ""
        result["sizes"] = [asdict(size) for size in sizes]
    result["runs_not_done"] = [{"view": run.view, "version": run.version} | run_json(run) for run in runs]
    return Outcome(text=text, result=result, exit_code=1 if broken else 0), ([_without_ages(r) for r in rows], runs)


def _without_ages(row: FreshnessRow) -> object:
    """Return what of a row is not the time that goes by."""
    counts = (row.rows, row.online_keys, row.entities, row.stale_entities)
    clocks = (row.last_event, row.last_available, row.computed_at)
    return row.kind, row.label, row.verdict, counts, clocks, row.error, row.note


def _show_checks(call: Call, workspace: Workspace) -> Shown:
    from featurectl.cli.render.checks import check_json, render_checks
    from featurectl.monitor.health import check_results, recorded_runs

    found = check_results(workspace, workspace.applied_state(), recorded_runs(workspace, _BACK))
    failed = any(history.failing and history.severity == "error" for history in found)
    text = render_checks(found, call)
    result = {"now": format_iso(workspace.now), "checks": [check_json(history) for history in found]}
    return Outcome(text=text, result=result, exit_code=1 if failed else 0), text


def _watch(call: Call, every_s: float, show: Show) -> None:
    """Show it again and again; ends by an interrupt, or by an error of the first look or of the command line."""
    terminal, before = sys.stdout.isatty(), None
    while True:
        try:
            shown, seen = _look(call, show)
            text = shown.text
        except FeaturectlError as error:
            if before is None or isinstance(error, UsageError):
                raise
            text = seen = f"error: {error.message}"
        if terminal:
            sys.stdout.write(f"{_CLEAR}{text}\n")
        elif seen != before:
            sys.stdout.write(f"{text}\n" if before is None else f"\n{text}\n")
        before = seen
        sys.stdout.flush()
        time.sleep(every_s)
