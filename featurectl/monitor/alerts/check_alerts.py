"""Look at the alerts of a workspace once, by clocks that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from featurectl.core.errors import CheckFailedError
from featurectl.core.progress import Progress
from featurectl.monitor.alerts.evaluation_run import EvaluationRun, error_of, look_once
from featurectl.notifiers.base import describe_incident
from featurectl.operations.part_failure import Failure
from featurectl.workspace.clocks import ClockCheck, check_clocks

if TYPE_CHECKING:
    from featurectl.monitor.alerts.evaluate import AlertEvaluation
    from featurectl.workspace.workspace import Workspace

DRY_RUN: Final = "featurectl monitor check --dry-run looks as of any instant, and tells nobody"
_PIPELINE: Final = "pipeline:"
_AGAIN: Final = "once that is mended: featurectl monitor check --again"


def check_alerts(
    workspace: Workspace, progress: Progress, *, dry_run: bool = False, again: bool = False
) -> EvaluationRun:
    """Return what a look at the alerts has found and sent; a dry run writes and sends nothing.

    `again`: what was refused or given up is sent once more.

    Raises:
        UsageError: FC526, now is later than a store's clock.
        StoreError: the registry can't be read.
    """
    if not dry_run:
        check_alert_clocks(workspace, progress)
    progress.start("look at the alerts")
    found = look_once(workspace, dry=dry_run, again=again)
    progress.done("")
    return found


def check_alert_clocks(workspace: Workspace, progress: Progress) -> None:
    """Check the clocks of the registry and of the online store, by which states of alerts are kept.

    Raises:
        UsageError: FC526, `--as-of` is later than a clock. DataError: FC526, this machine's clock is ahead.
    """
    check_clocks(workspace, ClockCheck(registry=True, online=True, hint=DRY_RUN), progress)


def is_alarming(evaluation: AlertEvaluation) -> bool:
    """Return whether an alert of severity warning or critical fires, and is not silenced."""
    return evaluation.after.status == "firing" and evaluation.silence is None and evaluation.after.severity != "info"


def fails_check(evaluation: AlertEvaluation, *, in_run: bool) -> bool:
    """Return whether an alert makes a look fail; `in_run`: it is a stage of a run of a pipeline.

    There an alert on runs of pipelines does not: each run would fail because the one before it has.
    """
    return is_alarming(evaluation) and not (in_run and is_of_runs(evaluation))


def is_of_runs(evaluation: AlertEvaluation) -> bool:
    """Return whether an alert is on the runs of a pipeline."""
    return evaluation.after.root_cause.startswith(_PIPELINE)


def failures_of(found: EvaluationRun) -> tuple[Failure, ...]:
    """Return what could not be observed, and what could not be sent."""
    failures = [
        Failure(part=f"{item.after.alert} ({observation.subject})", error=error_of(observation))
        for item in found.evaluations
        for observation in item.seen.unknown
        if observation.error
    ]
    failures += [
        Failure(part=f"notifier {sent.delivery.notifier}", error=sent.unset)
        for sent in found.sent
        if sent.unset is not None
    ]
    failures += [
        Failure(
            part=f"{d.alert} ({describe_incident(d.root_cause, d.subjects)})",
            error=CheckFailedError(f"notifier {d.notifier} refused: {d.error}", hint=_AGAIN),
        )
        for d in found.unsent
        if d.state == "failed"
    ]
    return tuple(failures)
