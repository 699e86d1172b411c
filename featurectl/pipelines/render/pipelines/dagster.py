"""A job of Dagster with a schedule: an op for each stage, which runs its command without a shell.

All ops of a run are given one instant as the clock: when its schedule was due, else when the run was asked for. A run
that does a failed one again, from its first op or from the one that failed, has the instant of that one, and its ID.
"""

from __future__ import annotations

from typing import Final

from featurectl.core.units import counted
from featurectl.pipelines.render.base import PipelineRequest, RenderedFile
from featurectl.pipelines.render.python_stages import (
    PythonStage,
    documentation,
    job_name,
    python_stages,
    union_schedule,
)
from featurectl.pipelines.render.python_text import (
    call,
    docstring,
    identifier,
    listed,
    mapping,
    one_or_list,
    quoted,
)

_TAKEN: Final = ("dg", "os", "run", "signal", "stage", "subprocess")  # names of the file that a stage could have, too
_CLOCK: Final = "when the run was due or, of a manual run, when it was asked for"
_INDENT: Final = "    "
_LONGEST: Final = 80  # of a call, before the name that it is given and behind that what comes first
_MICROSECONDS: Final = 1_000_000

_HEAD: Final = """\
import os
import shlex
import signal
import subprocess

import dagster as dg

REPOSITORY = {repository}
FEATURECTL = f"{{REPOSITORY}}/.venv/bin/featurectl"
ENVIRONMENT = {environment}
CAN_PASS = (69, 75)  # a store that is away, a lock that is held


def stage(name, command, arguments=(), *, timeout=None, retries=0, variables=None, looks_now=False):
    \"\"\"Return an op that runs a command of featurectl; only a failure that can pass by itself is tried again.\"\"\"
    retry_policy = dg.RetryPolicy(
        max_retries=retries,
        delay=10,
        backoff=dg.Backoff.EXPONENTIAL,
        jitter=dg.Jitter.PLUS_MINUS,
    )

    @dg.op(name=f"{name}__{{name}}", ins={{"after": dg.In(dg.Nothing)}}, retry_policy=retry_policy)
    def op(context: dg.OpExecutionContext) -> None:
        options = ["--env", ENVIRONMENT, *([] if looks_now else ["--clock", clock(context)])]
        words = [FEATURECTL, *command.split(), *options, *arguments]
        context.log.info(shlex.join(words))
        first = {{"FEATURECTL_RUN_ID": context.run.root_run_id or context.run_id}}
        code = run(words, timeout, (variables or {{}}) | os.environ | first)
        if code:
            raise dg.Failure(f"featurectl exited with {{code}}", allow_retries=code in CAN_PASS or code < 0)

    return op.alias(name)


def clock(context):
    \"\"\"Return when a run was due or asked for; of one that does another again, when that one was.\"\"\"
    first = context.instance.get_run_record_by_id(context.run.root_run_id or context.run_id)
    return first.dagster_run.tags.get(".dagster/scheduled_execution_time") or first.create_timestamp.isoformat()


def run(words, timeout, environ):
    \"\"\"Return the exit code of a command, which is ended when it takes too long or the run is ended.\"\"\"
    with subprocess.Popen(words, cwd=REPOSITORY, env=environ, start_new_session=True) as process:
        try:
            return process.wait(timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            raise


"""


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the file of a pipeline.

    Raises:
        UsageError: Dagster can't have its schedule.
    """
    site, stages, name = request.site, python_stages(request), job_name(request)
    needed = {need for stage in stages for need in stage.stage.needs}
    variables = {stage.name: identifier(stage.name, (*_TAKEN, name)) for stage in stages}
    parted = {stage.name for stage in stages if stage.stage.resources.replicas > 1}
    lines = []
    for stage in stages:
        needs = stage.stage.needs
        after = [f"*{variables[need]}" if need in parted and len(needs) > 1 else variables[need] for need in needs]
        made = _made(stage, f"after={one_or_list(after)}" if after else "")
        lines.append(f"{_INDENT}{variables[stage.name]} = {made}\n" if stage.name in needed else f"{_INDENT}{made}\n")
    head = _HEAD.format(name=name, repository=quoted(site.folder), environment=quoted(site.environment))
    said = documentation(request, _CLOCK, ["Dagster 1.10 or later", *_room(stages)], "hooks or sensors of Dagster")
    text = f"""\
{docstring(said)}
{head}{_job(request, name)}
def {name}() -> None:
{"".join(lines)}

{_definitions(request, name)}
"""
    return [RenderedFile(name=f"{name}.py", text=text)]


def _room(stages: list[PythonStage]) -> list[str]:
    """Return how Dagster keeps to one run at a time and to the processors: both are settings of whoever runs it."""
    one_run = (
        "for one run at a time, in `dagster.yaml` under `concurrency: runs: tag_concurrency_limits:` the item "
        "`{key: featurectl/pipeline, value: {applyLimitPerUniqueValue: true}, limit: 1}`"
    )
    needs = [one_run]
    slots = [stage.slots * stage.stage.resources.replicas for stage in stages if stage.slots]
    if slots:
        most = counted(max(slots), "processor")
        needs.append(f"room for what runs side by side: a stage takes up to {most}, and Dagster counts ops alone")
    return needs


def _job(request: PipelineRequest, name: str) -> str:
    site, about = request.site, request.pipeline.about
    tags = {"featurectl/pipeline": name, "featurectl/environment": site.environment}
    tags |= {f"featurectl/{tag}": "" for tag in about.tags}
    return call("@dg.job", ["description=__doc__", f"tags={mapping({key: quoted(tags[key]) for key in tags})}"])


def _made(stage: PythonStage, after: str) -> str:
    count = stage.stage.resources.replicas
    if count == 1:
        arguments = _arguments(stage, quoted(stage.name), ())
        line = f"stage({', '.join(arguments)})"
        return f"{line if len(line) <= _LONGEST else call('stage', arguments, _INDENT)}({after})"
    inner = _INDENT * 2
    op = call("stage", _arguments(stage, f'f"{stage.name}_{{part}}"', ('"--part"', f'f"{{part}}/{count}"')), inner)
    return f"[\n{inner}{op}({after})\n{inner}for part in range(1, {count + 1})\n{_INDENT}]"


def _arguments(stage: PythonStage, name: str, part: tuple[str, ...]) -> list[str]:
    limits, words = stage.stage, [*part, *map(quoted, stage.arguments)]
    arguments = [name, quoted(stage.command), *([listed(words)] if words else [])]
    if limits.timeout_us is not None:
        arguments.append(f"timeout={limits.timeout_us / _MICROSECONDS:g}")
    if limits.retries:
        arguments.append(f"retries={limits.retries}")
    if stage.slots:
        arguments.append(f'variables={{"POLARS_MAX_THREADS": "{stage.slots}"}}')
    if stage.looks_now:
        arguments.append("looks_now=True")
    return arguments


def _definitions(request: PipelineRequest, name: str) -> str:
    if not request.pipeline.schedule:
        return f"defs = dg.Definitions(jobs=[{name}])"
    schedule = quoted(union_schedule(request, "Dagster"))
    arguments = (f"job={name}", f"cron_schedule={schedule}", 'execution_timezone="UTC"')
    made = call("dg.ScheduleDefinition", arguments)
    return f"schedule = {made}\ndefs = dg.Definitions(jobs=[{name}], schedules=[schedule])"
