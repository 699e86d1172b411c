"""Runs a pipeline that is applied, or goes on with its last run, under its lease, with a record of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import FeaturectlError, TryAgainError
from featurectl.core.stop_request import StopRequest
from featurectl.core.units import parse_instant
from featurectl.language.definitions.json_form import load_notifier
from featurectl.language.definitions.pipelines import Pipeline
from featurectl.notifiers.all_notifiers import open_notifier
from featurectl.notifiers.base import NotifierChannel
from featurectl.offline.pipeline_records import PipelineRecord, PipelineRecords, PipelineState, StageRecord
from featurectl.pipelines.applied import find_pipeline, records_of
from featurectl.pipelines.ends import end_of
from featurectl.pipelines.lease import PipelineLease, RunClaim, lease_key, machine_lock
from featurectl.pipelines.ledger import SharedLedger, machine_ledger
from featurectl.pipelines.machine import this_machine
from featurectl.pipelines.notify import StageMessages, StageNotifications
from featurectl.pipelines.record_writer import RecordWriter
from featurectl.pipelines.reports import RunReport
from featurectl.pipelines.room import MachineRoom
from featurectl.pipelines.run_plan import RunPlan, RunRequest, plan_run
from featurectl.pipelines.runner import PipelineRunner, RunPlace
from featurectl.pipelines.stage_commands import RunArguments, StageCommands, stage_commands
from featurectl.pipelines.stage_run import RunFolder, Tether
from featurectl.registry.applied import not_applied
from featurectl.registry.base import lock_holder
from featurectl.workspace.actor import caller
from featurectl.workspace.run_id import RUN_ID

if TYPE_CHECKING:
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace

_FOLDER: Final = ".featurectl/pipelines"
_WAITING: Final = "waiting for the stages of a run that was killed"
_KEPT: Final = 20  # folders of runs of a pipeline


def run_pipeline(
    workspace: Workspace,
    request: RunRequest,
    report: RunReport,
    stop: StopRequest,
    commands: StageCommands = stage_commands,
) -> PipelineRecord:
    """Run a pipeline to its end, and return what became of it; `stop` ends its stages.

    `commands` makes the command lines of a stage.

    Raises:
        UsageError: no such pipeline or stage; there is no run to go on with.
        CheckFailedError: nothing is applied.
        RunningError: another run of it goes on.
        TryAgainError: the lease was lost.
        StoreError: the registry or the offline store can't be reached; the disk is full.
    """
    state = workspace.applied_state()
    pipeline, records = find_pipeline(state, request.name), records_of(workspace)
    plan_run(workspace, request, pipeline, _last(records, pipeline))  # what is wrong is said before anything is made
    folder = workspace.root / _FOLDER / workspace.environment.name / pipeline.name
    _made(folder)
    holder = lock_holder(caller(), f"featurectl pipeline run {pipeline.name}")
    claim = RunClaim(pipeline=pipeline.name, environment=workspace.environment.name, holder=holder)
    with ExitStack() as held:
        lock = held.enter_context(machine_lock(folder / "lock", claim, lambda: report.note(_WAITING)))
        lease = held.enter_context(_leased(workspace, claim, folder / "lease"))
        plan = plan_run(workspace, request, pipeline, _last(records, pipeline))  # another run may just have ended
        plan = replace(plan, record=replace(plan.record, folder=str(folder / plan.record.id)))
        _made(Path(plan.record.folder))
        records.write(plan.record)
        ran = _run(_Run(workspace, state, plan, request, commands), _Held(lock, lease), report, stop)
    _forget(records, pipeline.name, folder, ran, report)
    return ran


def _last(records: PipelineRecords, pipeline: Pipeline) -> PipelineRecord | None:
    return next(iter(records.last(pipeline.name)), None)


def _made(folder: Path) -> None:
    """Make a folder.

    Raises:
        UsageError: it can't be made.
        StoreError: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failure(f"{folder}, where stages write their output, can't be made", error) from error


@contextmanager
def _leased(workspace: Workspace, claim: RunClaim, kept: Path) -> Iterator[PipelineLease]:
    """Hold the lease of a pipeline; that of a run of this machine whose process is gone is taken over at once."""
    registry = workspace.registry()
    key = lease_key(workspace.project, claim.environment, claim.pipeline)
    lease = PipelineLease(registry.leases(), key, claim.holder, kept)
    lease.take()
    try:
        yield lease
    finally:
        lease.give_back()


@dataclass(frozen=True, slots=True)
class _Run:
    workspace: Workspace
    state: State
    plan: RunPlan
    request: RunRequest
    commands: StageCommands


@dataclass(frozen=True, slots=True)
class _Held:
    lock: int
    lease: PipelineLease


def _run(run: _Run, held: _Held, report: RunReport, stop: StopRequest) -> PipelineRecord:
    workspace, plan, record = run.workspace, run.plan, run.plan.record
    began, (life, keep) = time.monotonic(), os.pipe()
    try:
        place = _place(run, Tether(life=life, lock=held.lock))
        room = MachineRoom(this_machine(), run.request.most, SharedLedger(machine_ledger()))
        runner = PipelineRunner(plan.stages, plan.done, place, room, report)
        notifications = StageNotifications(
            StageMessages(project=workspace.project, run=record),
            {stage.name: stage for stage in plan.stages},
            lambda name: _channel(workspace, run.state, name),
        )
        runner.ended = notifications.ended
        with RecordWriter(records_of(workspace), record, report) as writer:
            runner.kept = writer.keep
            runner.run(_EitherStop(stop, held.lease))
            ran = replace(
                record,
                state=_state(runner.records),
                ended=end_of(record.began, time.monotonic() - began),
                stages=tuple(runner.records.values()),
            )
            writer.close(ran)
            if ran.state != "stopped":
                notifications.wait()
            for failure in notifications.failures:
                report.note(f"warning: {failure}")
    finally:
        os.close(keep)
        os.close(life)
    if held.lease.lost and ran.state == "stopped":
        raise TryAgainError(f"pipeline {record.pipeline} was stopped, its lease is lost: {held.lease.lost}")
    return ran


def _place(run: _Run, tether: Tether) -> RunPlace:
    record, root = run.plan.record, run.workspace.root
    clock, as_of = parse_instant(record.clock), parse_instant(record.as_of) if record.as_of else None
    assert clock is not None
    return RunPlace(
        arguments=RunArguments(root=root, environment=record.environment, clock=clock, as_of=as_of),
        folder=RunFolder(path=Path(record.folder)),
        tether=tether,
        environ={**run.workspace.environ, RUN_ID: record.run_id},
        commands=run.commands,
    )


class _EitherStop(StopRequest):
    """Set when a command is to stop, or when its lease is another's."""

    def __init__(self, stop: StopRequest, lease: PipelineLease) -> None:
        super().__init__()
        self._stop, self._lease = stop, lease

    def is_set(self) -> bool:
        """Return whether either is so."""
        return self._stop.is_set() or bool(self._lease.lost)


def _channel(workspace: Workspace, state: State, name: str) -> NotifierChannel:
    found = state.current("notifier", name)
    if found is None:
        raise not_applied(state, "notifier", name)
    return open_notifier(load_notifier(found.definition), workspace.environ, workspace.root)


def _state(records: Mapping[str, StageRecord]) -> PipelineState:
    states = {record.state for record in records.values()}
    if states == {"succeeded"}:
        return "succeeded"
    return "stopped" if "stopped" in states else "failed"


def _forget(records: PipelineRecords, pipeline: str, folder: Path, ran: PipelineRecord, report: RunReport) -> None:
    """Remove records and files of old runs; where they can't be, they stay."""
    try:
        records.forget_old(pipeline)
    except FeaturectlError as error:
        report.note(f"warning: records of old runs can't be removed: {error.message}")
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != ran.id)
    for path in runs[: -(_KEPT - 1)]:
        shutil.rmtree(path, ignore_errors=True)
