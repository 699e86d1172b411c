"""What a run of a pipeline will do, before anything of it begins: its stages, its clock, and what is done already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.core.units import format_iso, parse_instant
from featurectl.language.commands.read import WrongCommandError, read_command
from featurectl.language.definitions.json_form import dump_definition
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.offline.pipeline_records import PipelineRecord, StageRecord, new_id
from featurectl.offline.process import this_process
from featurectl.pipelines.order import chosen_stages
from featurectl.pipelines.stage_run import RunFolder
from featurectl.workspace.actor import caller

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is to run: `since` that stage and what needs it, `only` these; `resume` what did not succeed last time.

    `as_of` is for data that has ended; `most` is how many stages run at a time, None: as many as the machine takes.
    """

    name: str
    since: str | None = None
    only: tuple[str, ...] = ()
    resume: bool = False
    as_of: datetime | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The record of a run that begins, its stages in order, and those of them that are done."""

    record: PipelineRecord
    stages: Sequence[PipelineStage]
    done: Mapping[str, StageRecord]


def plan_run(workspace: Workspace, request: RunRequest, pipeline: Pipeline, last: PipelineRecord | None) -> RunPlan:
    """Return what a run will do after the last one.

    Raises:
        UsageError: no such stage, a command that this version does not read, no run to go on with, or one of another
            definition of the pipeline.
    """
    began, digest = datetime.now(UTC), _digest(pipeline)
    stages = chosen_stages(pipeline, request.since, request.only)
    _check_commands(pipeline, stages)
    clock, as_of, first, done = workspace.now, request.as_of, "", dict[str, StageRecord]()
    if request.resume:
        last = _resumed(pipeline, last, digest)
        stages = [stage for stage in stages if last.stage(stage.name) is not None]
        clock, as_of = parse_instant(last.clock) or began, parse_instant(last.as_of) if last.as_of else None
        first, done = last.first or last.id, _done(last, stages)
    record = PipelineRecord(
        id=new_id(began, last.id if last else ""),
        pipeline=pipeline.name,
        environment=workspace.environment.name,
        clock=format_iso(clock),
        as_of=format_iso(as_of) if as_of else "",
        began=format_iso(began),
        who=caller(),
        process=this_process(),
        definition=digest,
        first=first,
        stages=tuple(done.get(stage.name, StageRecord(name=stage.name)) for stage in stages),
    )
    return RunPlan(record=record, stages=stages, done=done)


def _digest(pipeline: Pipeline) -> str:
    text = json.dumps(dump_definition(pipeline), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_commands(pipeline: Pipeline, stages: Sequence[PipelineStage]) -> None:
    """Refuse a command that an older or a newer version has applied: better now than between two stages."""
    for stage in stages:
        try:
            read_command(stage.run)
        except WrongCommandError as wrong:
            message = f"pipeline {pipeline.name}, stage {stage.name}: {wrong.message}"
            raise UsageError(message, hint="change it, and apply it with this version") from wrong


def _resumed(pipeline: Pipeline, last: PipelineRecord | None, digest: str) -> PipelineRecord:
    if last is None or last.shown_state == "succeeded":
        why = "it never ran" if last is None else f"the last, of {last.began}, succeeded"
        raise UsageError(f"there is no run of pipeline {pipeline.name} to go on with: {why}")
    if last.definition and last.definition != digest:
        message = f"pipeline {pipeline.name} was changed since its last run, of {last.began}"
        raise UsageError(
            message, hint=f"featurectl pipeline run {pipeline.name} begins a new one; --from goes on below"
        )
    return last


def _done(last: PipelineRecord, stages: Sequence[PipelineStage]) -> dict[str, StageRecord]:
    """Return the stages that have succeeded in a run, also those whose end its record does not have."""
    folder, done = RunFolder(path=Path(last.folder)), {}
    for stage in stages:
        before = last.stage(stage.name)
        if before is None or before.state == "failed":
            continue
        if before.state == "succeeded" or folder.has_succeeded(stage.name, stage.resources.replicas):
            done[stage.name] = replace(before, state="succeeded")
    return done
