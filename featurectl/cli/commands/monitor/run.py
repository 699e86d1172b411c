"""`featurectl monitor run`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.commands.monitor.check import show_faults
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.times import microseconds_of
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import FeaturectlError

if TYPE_CHECKING:
    from featurectl.core.stop_request import StopRequest
    from featurectl.monitor.alerts.evaluation_run import EvaluationRun


@verb(as_of=True)
def run(
    call: Call,
    every: Annotated[str, typer.Option(help="How long to wait between two looks.", metavar="DURATION")] = "30s",
) -> Outcome:
    """Look at the alerts again and again, until SIGTERM or Ctrl-C.

    Any number of them, and of `monitor check`, may run at once: the registry lets each message be sent by one. What
    could not be looked at or sent is reported on stderr, and tried again.
    """
    from featurectl.monitor.alerts.check_alerts import DRY_RUN, check_alert_clocks
    from featurectl.monitor.alerts.watch import Watch
    from featurectl.workspace.clocks import check_not_future
    from featurectl.workspace.open import open_workspace

    every_us = microseconds_of("--every", every)
    stop = _stopped_by_sigterm()
    call.progress.done(f"looking every {every}")
    with open_applied(call) as workspace:  # files with errors are reported once
        check_not_future(workspace, DRY_RUN)
    Watch(
        open_workspace=partial(open_workspace, call.root(), call.env, call.instant(), "project file"),
        check_clock=partial(check_alert_clocks, progress=call.progress),
        every_s=every_us / 1e6,
        report=partial(_report, call),
        report_error=partial(_report_error, call),
        stop=stop,
    ).run()
    return Outcome()


def _stopped_by_sigterm() -> StopRequest:
    import signal

    from featurectl.core.stop_request import StopRequest

    stop = StopRequest()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


def _report(call: Call, found: EvaluationRun) -> None:
    from featurectl.render.alerts import evaluation_run_lines

    for line in evaluation_run_lines(found):
        call.progress.done(line)
    show_faults(call, found)


def _report_error(call: Call, error: FeaturectlError) -> None:
    call.progress.done(f"error: {error.message}")
