"""`featurectl monitor check`."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError
from featurectl.core.units import format_iso

if TYPE_CHECKING:
    from featurectl.monitor.alerts.evaluation_run import EvaluationRun

DryRun = Annotated[bool, typer.Option("--dry-run", help="Look alone: write nothing, tell nobody.")]
Again = Annotated[
    bool,
    typer.Option(
        "--again", help="Send once more what was refused or given up, of what still fires, or that it is over."
    ),
]


@verb(as_of=True)
def check(call: Call, dry_run: DryRun = False, again: Again = False) -> Outcome:
    """Look at the alerts once, and send the messages that are due.

    Alerts and notifiers are those that are applied. What has one cause is one message: a source that stopped, a model
    that drifts. What is well is counted, and listed with -v. Exits 1 when an alert of severity warning or critical
    fires and is not silenced, when something could not be observed, when a message was refused, or where nothing is
    applied. A state that has changed since `--as-of` stays as it is.
    """
    from featurectl.monitor.alerts.check_alerts import check_alerts, failures_of, is_alarming
    from featurectl.render.alerts import evaluation_run_json, render_evaluation_run

    if again and dry_run:
        raise UsageError("--again sends, and --dry-run sends nothing", hint="leave one of them out")
    with open_applied(call) as workspace:
        found, now = check_alerts(workspace, call.progress, dry_run=dry_run, again=again), workspace.now
    show_faults(call, found)
    return Outcome(
        text=render_evaluation_run(found, dry=dry_run, verbose=call.verbose),
        result={"now": format_iso(now), "dry_run": dry_run, **evaluation_run_json(found)},
        exit_code=1 if any(is_alarming(item) for item in found.evaluations) else 0,
        failures=failures_of(found),
    )


def show_faults(call: Call, found: EvaluationRun) -> None:
    """Show with `--debug` where measuring has failed by a fault of ours: messages and the registry name its type."""
    if not call.debug:
        return
    for fault in found.faults:
        traceback.print_exception(fault)
