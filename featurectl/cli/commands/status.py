"""`featurectl status`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.times import seconds_of
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import FeaturectlError, UsageError
from featurectl.core.units import format_iso

if TYPE_CHECKING:
    from featurectl.monitor.status_report import StatusReport
    from featurectl.workspace.workspace import Workspace

_EVERY_S: Final = 10.0
_CLEAR: Final = (
    "\x1b[H\x1b[2J"  # of a terminal: to the first place, and nothing on it; what was before can be scrolled to
)
StatusDrawing = tuple[Outcome, object]  # what is shown, and what of it is a change when it differs
Show = Callable[[Call, "Workspace"], StatusDrawing]


@verb(as_of=True)
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

    Exits 1 when one is past `error_after`, can't be seen, or was not kept up: its last materialize or push in two
    days has failed (ERROR, whatever its age); with --checks when one of severity error failed the
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


def _look(call: Call, show: Show) -> StatusDrawing:
    from featurectl.workspace.clocks import warn_of_clocks

    with open_applied(call) as workspace:
        shown = show(call, workspace)
        warn_of_clocks(workspace, call.progress)
        return shown


def _show_rows(call: Call, workspace: Workspace) -> StatusDrawing:
    from featurectl.monitor.status_report import StatusRequest, read_status

    call.progress.start("look at the stores")
    request = StatusRequest(details=call.verbose or call.output == "json", sizes=call.verbose)
    report = read_status(workspace, request)
    call.progress.done("")
    outcome = Outcome(text=_text(call, report), result=_json(call, report), exit_code=1 if report.is_broken else 0)
    return outcome, report.without_ages()


def _text(call: Call, report: StatusReport) -> str:
    from featurectl.render.runs import render_not_done
    from featurectl.render.status import render_ages, render_restored, render_sizes, render_status, render_unfinished

    if not report.rows:
        return "No source and no view is applied."
    parts = [render_status(report.rows, verbose=call.verbose)]
    if report.erasures:
        parts.append(render_unfinished(report.erasures))
    if report.restored:
        parts.append(render_restored(report.restored))
    if report.older_registry:
        parts.append(f"{report.older_registry}: erase each key once more that was erased since.")
    if call.verbose:
        parts.append(render_ages(report.rows, report.now))
        if report.unread or report.runs:
            parts.append(f"runs: {report.unread}" if report.unread else render_not_done(report.runs))
        if report.sizes:
            parts.append(render_sizes(report.sizes))
    return "\n\n".join(parts)


def _json(call: Call, report: StatusReport) -> dict[str, object]:
    from featurectl.render.runs import run_json
    from featurectl.render.status import status_json

    result: dict[str, object] = {
        "now": format_iso(report.now),
        "rows": [status_json(row, report.now) for row in report.rows],
    }
    if report.rows and call.verbose:
        result["sizes"] = [asdict(size) for size in report.sizes]
    result["erasures_not_done"] = report.erasures
    result["restored_places"] = list(report.restored)
    result["older_registry"] = report.older_registry
    result["runs_not_done"] = [{"view": run.view, "version": run.version} | run_json(run) for run in report.runs]
    return result


def _show_checks(call: Call, workspace: Workspace) -> StatusDrawing:
    from featurectl.monitor.status_report import read_checks
    from featurectl.render.checks import check_json, render_checks

    report = read_checks(workspace)
    text = render_checks(report.checks, whole=call.verbose)
    result = {"now": format_iso(report.now), "checks": [check_json(history) for history in report.checks]}
    return Outcome(text=text, result=result, exit_code=1 if report.has_failed else 0), text


def _watch(call: Call, every_s: float, show: Show) -> None:
    """Show it again and again; ends by an interrupt, or by an error of the first look or of the command line."""
    from featurectl.cli.render.shown_text import shown_text

    terminal, before = sys.stdout.isatty(), None
    while True:
        try:
            shown, seen = _look(call, show)
            text = shown_text(shown.text, call, sys.stdout)
        except FeaturectlError as error:
            if before is None or isinstance(error, UsageError):
                raise
            text = seen = shown_text(f"error: {error.message}", call, sys.stdout)
        if terminal:
            sys.stdout.write(f"{_CLEAR}{text}\n")
        elif seen != before:
            sys.stdout.write(f"{text}\n" if before is None else f"\n{text}\n")
        before = seen
        sys.stdout.flush()
        time.sleep(every_s)
