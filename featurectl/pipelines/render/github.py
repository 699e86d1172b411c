"""What GitHub Actions asks of a pipeline: how often it is due, how many jobs it has, how long they may take."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.language.definitions.pipelines import Pipeline
from featurectl.pipelines.render.context import PipelineContext, StageContext
from featurectl.pipelines.render.schedules import due_fields

_OFTEN_MINUTES: Final = 5  # GitHub starts nothing more often
_MOST_JOBS: Final = 256  # of a matrix
_FIRST_WAIT_S: Final = 30  # twice as long each time
_KILLED_AFTER_S: Final = 10  # of what does not end by SIGTERM
_MARGIN_MINUTES: Final = 10  # to get a machine ready, and to install
_MOST_MINUTES: Final = 360  # of a job on a machine of GitHub's own


def checked_warnings(context: PipelineContext) -> tuple[str, ...]:
    """Return what to beware of: what is lost with a job, and which jobs may take too long.

    Raises:
        UsageError: it would be due more often than GitHub starts anything, or a stage has too many parts.
    """
    _check_often(context.pipeline)
    for stage in context.stages:
        if stage.parts > _MOST_JOBS:
            message = f"the stage {stage.name} has {stage.parts} replicas, and a matrix of GitHub"
            raise UsageError(f"{message} has at most {_MOST_JOBS} jobs", hint="another target, or fewer replicas")
    warnings = []
    if written := [output.shown for output in context.outputs]:
        kept = "keep it by a step of your own or, of scores, name a table of a database or a topic"
        warnings.append(f"what stages write on a disk ends with their jobs: {', '.join(written)}; {kept}")
    if long := [stage.name for stage in context.stages if (most_minutes(stage) or 0) > _MOST_MINUTES]:
        end = f"GitHub ends a job on a machine of its own after {_MOST_MINUTES // 60} hours"
        which = f"with their timeouts and retries these may take longer: {', '.join(long)}"
        warnings.append(f"{end}, and {which}; runs-on names a machine of yours")
    return tuple(warnings)


def _check_often(pipeline: Pipeline) -> None:
    if not pipeline.schedule:
        return
    minutes = due_fields(pipeline.schedule).minutes
    around = [*minutes, minutes[0] + 60]
    if min(later - earlier for earlier, later in pairwise(around)) < _OFTEN_MINUTES:
        message = f"{pipeline.name} is due more often than each {_OFTEN_MINUTES} minutes, and GitHub starts nothing so"
        raise UsageError(message, hint="another target, or a schedule like */5 * * * *")


def first_job(context: PipelineContext) -> str:
    """Return the name of the job that notes the start: no stage has it."""
    names = {stage.name for stage in context.stages}
    return next(name for name in ("start", *(f"start_{i}" for i in range(len(names)))) if name not in names)


def most_minutes(stage: StageContext) -> int | None:
    """Return the end of a job whose attempts all take their timeouts; the script ends each of them by itself."""
    if stage.seconds is None:
        return None
    attempts = (stage.seconds + _KILLED_AFTER_S) * (1 + stage.stage.retries)
    return ceil((attempts + sum(waits_s(stage))) / 60) + _MARGIN_MINUTES


def waits_s(stage: StageContext) -> list[int]:
    """Return the seconds between the attempts of a stage."""
    return [_FIRST_WAIT_S * 2**number for number in range(stage.stage.retries)]
