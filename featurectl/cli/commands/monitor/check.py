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
    applied. A state that has changed since `--as-of` stays as it is. In a run of a pipeline an alert on runs of
    pipelines fails no stage, though it is told: else a run would fail because the one before it has.
    """
    from featurectl.monitor.alerts.check_alerts import check_alerts, fails_check, failures_of
    from featurectl.render.alerts import evaluation_run_json, render_evaluation_run
    from featurectl.workspace.run_id import run_id_of

    if again and dry_run:
        raise UsageError("--again sends, and --dry-run sends nothing", hint="leave one of them out")
    with open_applied(call) as workspace:
        found, now = check_alerts(workspace, call.progress, dry_run=dry_run, again=again), workspace.now
        in_run = bool(run_id_of(workspace.environ))
    show_faults(call, found)
    if in_run:
        _say_left_out(call, found)
    return Outcome(
        text=render_evaluation_run(found, dry=dry_run, verbose=call.verbose),
        result={"now": format_iso(now), "dry_run": dry_run, **evaluation_run_json(found)},
        exit_code=1 if any(fails_check(item, in_run=in_run) for item in found.evaluations) else 0,
        failures=failures_of(found),
    )


def _say_left_out(call: Call, found: EvaluationRun) -> None:
    """Say which alerts fire and fail no stage of a pipeline."""
    from featurectl.monitor.alerts.check_alerts import is_alarming, is_of_runs

    for item in found.evaluations:
        if is_alarming(item) and is_of_runs(item):
            about = f"{item.after.alert} ({item.after.root_cause})"
            call.progress.done(f"{about} fires, and fails no stage: else a run would fail for one before it")


def show_faults(call: Call, found: EvaluationRun) -> None:
    """Show with `--debug` where measuring has failed by a fault of ours: messages and the registry name its type."""
    if not call.debug:
        return
    for fault in found.faults:
        traceback.print_exception(fault)
