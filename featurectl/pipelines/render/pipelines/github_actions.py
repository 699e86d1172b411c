"""A workflow of GitHub Actions: a job for each stage, in the order of their needs."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

from featurectl.core.errors import UsageError
from featurectl.core.units import counted
from featurectl.core.version import __version__
from featurectl.language.commands.read import read_command
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.language.pipeline_words import memory_text
from featurectl.pipelines.render.base import PipelineRequest, RenderedFile, Site, Verbatim, shell_line, stage_words
from featurectl.pipelines.render.comments import beware, comment, untold_text
from featurectl.pipelines.render.deadlines import seconds_of
from featurectl.pipelines.render.due import due_fields
from featurectl.pipelines.render.other_crons import portable_schedule
from featurectl.pipelines.render.outputs import passing_outputs
from featurectl.pipelines.render.yaml_text import flow, flow_list, said, yaml_text
from featurectl.pipelines.stage_commands import clock_words, memory_words, run_environ, thread_environ

_OFTEN_MINUTES: Final = 5  # GitHub starts nothing more often
_START: Final = "start"
_RUN_ID: Final = "${{ github.run_id }}"  # jobs that are run again have the same
_CLOCK: Final = Verbatim('"$CLOCK"')  # of the environment
_MOST_JOBS: Final = 256  # of a matrix
_FIRST_WAIT_S: Final = 30  # twice as long each time
_KILLED_AFTER_S: Final = 10  # of what does not end by SIGTERM
_MARGIN_MINUTES: Final = 10  # to get a machine ready, and to install
_MOST_MINUTES: Final = 360  # of a job on a machine of GitHub's own
_PYTHON: Final = "3.12"


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the workflow.

    Raises:
        UsageError: it would be due more often than GitHub starts anything, or a stage has too many parts.
    """
    site, pipeline = request.site, request.pipeline
    _check_often(pipeline)
    _check_parts(pipeline)
    warnings = (*passing_outputs(site, pipeline), *_too_long(pipeline))
    head = comment(
        f"It has to lie in .github/workflows, by --out .github/workflows/{pipeline.name}.yaml at the top of the "
        "checkout. GitHub is often minutes late with schedules, and leaves some out.",
        *_secrets_text(site),
        *_on_disk_text(site),
        *beware(warnings),
        *untold_text(pipeline, "GitHub"),
    )
    text = head + "\n" + yaml_text(_workflow(request))
    return [RenderedFile(name=f"{pipeline.name}.yaml", text=text, warnings=warnings)]


def _workflow(request: PipelineRequest) -> dict[str, Any]:
    site, pipeline = request.site, request.pipeline
    events: dict[str, Any] = {"workflow_dispatch": None}
    if pipeline.schedule:
        schedule = portable_schedule(pipeline.schedule, "github-actions")
        events = {"schedule": [{"cron": schedule}], **events}
    working: dict[str, Any] = {"working-directory": site.in_checkout} if site.in_checkout else {}
    start = _start_name(pipeline)
    return {
        "name": f"{site.project}: {pipeline.name} in {site.environment}",
        "on": events,
        "permissions": {"contents": "read"},
        **said("One run at a time; the next one waits."),
        "concurrency": {
            "group": f"featurectl-{site.project}-{pipeline.name}-{site.environment}",
            "cancel-in-progress": False,
        },
        **({"defaults": {"run": working}} if working else {}),
        "jobs": {
            start: _start_job(site),
            **{stage.name: _job(site, stage, start) for stage in pipeline.stages},
        },
    }


def _check_often(pipeline: Pipeline) -> None:
    if not pipeline.schedule:
        return
    minutes = due_fields(pipeline.schedule).minutes
    around = [*minutes, minutes[0] + 60]
    if min(later - earlier for earlier, later in pairwise(around)) < _OFTEN_MINUTES:
        message = f"{pipeline.name} is due more often than each {_OFTEN_MINUTES} minutes, and GitHub starts nothing so"
        raise UsageError(message, hint="another target, or a schedule like */5 * * * *")


def _check_parts(pipeline: Pipeline) -> None:
    for stage in pipeline.stages:
        if stage.resources.replicas > _MOST_JOBS:
            message = f"the stage {stage.name} has {stage.resources.replicas} replicas, and a matrix of GitHub"
            raise UsageError(f"{message} has at most {_MOST_JOBS} jobs", hint="another target, or fewer replicas")


def _start_name(pipeline: Pipeline) -> str:
    """Return the name of the job that notes the start: no stage has it."""
    names = {stage.name for stage in pipeline.stages}
    return next(name for name in (_START, *(f"{_START}_{i}" for i in range(len(names)))) if name not in names)


def _secrets_text(site: Site) -> list[str]:
    if not site.variables:
        return []
    return ["Its variables are secrets of the GitHub repository, or of an organization or environment there."]


def _on_disk_text(site: Site) -> list[str]:
    if not site.on_disk:
        return []
    return [f"Beware: {', '.join(site.on_disk)} lies on the disk of a job, which ends with it, and is no other's."]


def _variables(site: Site) -> dict[str, Any]:
    needed = {v.name: f"${{{{ secrets.{v.name} }}}}" for v in site.variables if v.is_needed}
    others = [v.name for v in site.variables if not v.is_needed]
    notes = said(f"Not here, as they have defaults, and a secret that is not set is empty: {', '.join(others)}.", 2)
    return {**(notes if others else {}), **needed}


def _start_job(site: Site) -> dict[str, Any]:
    step: dict[str, Any] = {"id": "clock", "run": 'echo "clock=$(date -u +%Y-%m-%dT%H:%M:%SZ)" >> "$GITHUB_OUTPUT"'}
    if site.in_checkout:  # which is not there
        step["working-directory"] = "/"
    return {
        **said("The instant that all stages share as their clock, those that are run again, too."),
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 5,
        "outputs": {"clock": "${{ steps.clock.outputs.clock }}"},
        "steps": [step],
    }


def _job(site: Site, stage: PipelineStage, start: str) -> dict[str, Any]:
    notes, count = _notes(stage), stage.resources.replicas
    matrix = {"fail-fast": False, "matrix": {"part": flow_list(*range(1, count + 1))}}
    environ = {
        "CLOCK": f"${{{{ needs.{start}.outputs.clock }}}}",
        **({"PART": "${{ matrix.part }}"} if count > 1 else {}),
        **run_environ(stage, _RUN_ID),
        **thread_environ(stage),
        **_variables(site),
    }
    minutes = _most_minutes(stage)
    return {
        **(said(notes) if notes else {}),
        "needs": flow_list(start, *stage.needs),
        "runs-on": "ubuntu-latest",
        **({"strategy": matrix} if count > 1 else {}),
        **({} if minutes is None else {"timeout-minutes": minutes}),
        "steps": [
            {"uses": "actions/checkout@v7", "with": flow(**{"persist-credentials": False})},
            {"uses": "actions/setup-python@v6", "with": flow(**{"python-version": _PYTHON})},
            {"run": _install(site)},
            {"env": environ, "run": _script(site, stage)},
        ],
    }


def _install(site: Site) -> str:
    """Return what installs the requirements of the repository; featurectl, where they do not, in this release."""
    needed = site.requirements
    words = ["--requirement", needed.file] if needed.file else []
    words += [f"{needed.package}=={__version__}"] if needed.package else []
    return shell_line(["pip", "install", *words])


def _most_minutes(stage: PipelineStage) -> int | None:
    """Return the end of a job whose attempts all take their timeouts; the script ends each of them by itself."""
    if stage.timeout_us is None:
        return None
    attempts = (seconds_of(stage.timeout_us) + _KILLED_AFTER_S) * (1 + stage.retries)
    return math.ceil((attempts + sum(_waits_s(stage))) / 60) + _MARGIN_MINUTES


def _too_long(pipeline: Pipeline) -> tuple[str, ...]:
    """Return which stages may take longer than GitHub lets a job of its own machines; nothing where none may."""
    found = [stage.name for stage in pipeline.stages if (_most_minutes(stage) or 0) > _MOST_MINUTES]
    if not found:
        return ()
    end = f"GitHub ends a job on a machine of its own after {_MOST_MINUTES // 60} hours"
    which = f"with their timeouts and retries these may take longer: {', '.join(found)}"
    return (f"{end}, and {which}; runs-on names a machine of yours",)


def _waits_s(stage: PipelineStage) -> list[int]:
    return [_FIRST_WAIT_S * 2**number for number in range(stage.retries)]


def _notes(stage: PipelineStage) -> str:
    """Return what a stage asks of its machine, which is chosen by `runs-on`."""
    needed = stage.resources
    asked = [f"{needed.cpu:g} processors"] if needed.cpu else []
    asked += [f"{memory_text(needed.memory_bytes)} of memory"] if needed.memory_bytes else []
    asked += [counted(needed.gpu, "graphics processor")] if needed.gpu else []
    return f"It needs {', '.join(asked)}: runs-on chooses the machine." if asked else ""


def _script(site: Site, stage: PipelineStage) -> str:
    """Return what a shell runs: the command, and again after a failure that can pass."""
    count, read = stage.resources.replicas, read_command(stage.run)
    part = ["--part", Verbatim(f'"$PART/{count}"')] if count > 1 else []
    more = [*clock_words(read, _CLOCK), *part, *memory_words(read, stage)]
    line = shell_line(stage_words(stage, site.environment, *more))
    line = line.replace("${{", "$''{{")  # in quotes, where these two end and begin them: GitHub sees no expression
    if stage.timeout_us is not None:
        line = f"timeout -k {_KILLED_AFTER_S} {seconds_of(stage.timeout_us)} {line}"
    if not stage.retries:
        return line
    waits = " ".join(map(str, _waits_s(stage)))
    return f"""\
for wait in {waits}; do
  code=0
  {line} || code=$?
  case $code in
    69 | 75 | 124 | 137 | 143) sleep $wait ;; # a store is away, a lock is held, it took too long, it was ended
    *) exit $code ;;
  esac
done
{line}
"""
