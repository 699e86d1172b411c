"""A workflow of GitHub Actions: a job for each stage, in the order of their needs."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

from featurectl.core.errors import UsageError
from featurectl.core.units import counted
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.language.pipeline_words import memory_text
from featurectl.pipelines.render.base import PipelineRequest, RenderedFile, Site, shell_line, stage_words
from featurectl.pipelines.render.comments import comment, untold_text
from featurectl.pipelines.render.deadlines import seconds_of
from featurectl.pipelines.render.due import due_fields
from featurectl.pipelines.render.other_crons import portable_schedule
from featurectl.pipelines.render.yaml_text import flow, flow_list, said, yaml_text

_OFTEN_MINUTES: Final = 5  # GitHub starts nothing more often
_START: Final = "start"
_CLOCK: Final = "$CLOCK"  # of the environment
_PYTHON: Final = "3.12"


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the workflow.

    Raises:
        UsageError: it would be due more often than GitHub starts anything.
    """
    site, pipeline = request.site, request.pipeline
    _check_often(pipeline)
    start = _start_name(pipeline)
    head = comment(
        f"It has to lie in .github/workflows, by --out .github/workflows/{pipeline.name}.yaml at the top of the "
        "checkout. GitHub is often minutes late with schedules, and leaves some out.",
        *_secrets_text(site),
        *_on_disk_text(site),
        *untold_text(pipeline, "GitHub"),
    )
    events: dict[str, Any] = {"workflow_dispatch": None}
    if pipeline.schedule:
        schedule = portable_schedule(pipeline.schedule, "github-actions")
        events = {"schedule": [{"cron": schedule}], **events}
    working: dict[str, Any] = {"working-directory": site.in_checkout} if site.in_checkout else {}
    workflow = {
        "name": f"{site.project}: {pipeline.name} in {site.environment}",
        "on": events,
        "permissions": {"contents": "read"},
        **said("One run at a time; the next one waits."),
        "concurrency": {
            "group": f"featurectl-{site.project}-{pipeline.name}-{site.environment}",
            "cancel-in-progress": False,
        },
        **({"defaults": {"run": working}} if working else {}),
        **_variables(site),
        "jobs": {
            start: _start_job(site),
            **{stage.name: _job(site, stage, start) for stage in pipeline.stages},
        },
    }
    return [RenderedFile(name=f"{pipeline.name}.yaml", text=head + "\n" + yaml_text(workflow))]


def _check_often(pipeline: Pipeline) -> None:
    if not pipeline.schedule:
        return
    minutes = due_fields(pipeline.schedule).minutes
    around = [*minutes, minutes[0] + 60]
    if min(later - earlier for earlier, later in pairwise(around)) < _OFTEN_MINUTES:
        message = f"{pipeline.name} is due more often than each {_OFTEN_MINUTES} minutes, and GitHub starts nothing so"
        raise UsageError(message, hint="another target, or a schedule like */5 * * * *")


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
    found = {**(notes if others else {}), **needed}
    return {"env": found} if needed else {}


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
    timeout = {}
    if stage.timeout_us is not None:
        timeout = {"timeout-minutes": math.ceil(seconds_of(stage.timeout_us) / 60) * (1 + stage.retries)}
    notes = _notes(stage)
    return {
        **(said(notes) if notes else {}),
        "needs": flow_list(start, *stage.needs),
        "runs-on": "ubuntu-latest",
        **timeout,
        "steps": [
            {"uses": "actions/checkout@v7", "with": flow(**{"persist-credentials": False})},
            {"uses": "actions/setup-python@v6", "with": flow(**{"python-version": _PYTHON})},
            {"run": f"pip install '{site.package}'"},
            {"env": {"CLOCK": f"${{{{ needs.{start}.outputs.clock }}}}"}, "run": _script(site, stage)},
        ],
    }


def _notes(stage: PipelineStage) -> str:
    """Return what a stage asks of its machine, which is chosen by `runs-on`."""
    needed = stage.resources
    asked = [f"{needed.cpu:g} processors"] if needed.cpu else []
    asked += [f"{memory_text(needed.memory_bytes)} of memory"] if needed.memory_bytes else []
    asked += [counted(needed.gpu, "graphics processor")] if needed.gpu else []
    return f"It needs {', '.join(asked)}: runs-on chooses the machine." if asked else ""


def _script(site: Site, stage: PipelineStage) -> str:
    """Return what a shell runs: the command, and again after a failure that can pass."""
    words = shell_line(stage_words(stage, site.environment, "--clock", _CLOCK))
    line = words.replace(shell_line([_CLOCK]), f'"{_CLOCK}"')
    if not stage.retries:
        return line
    waits = " ".join(str(30 * 2**number) for number in range(stage.retries))
    return f"""\
for wait in {waits}; do
  code=0
  {line} || code=$?
  case $code in
    69 | 75 | 137 | 143) sleep $wait ;; # a store is away, something is locked, it was ended: that can pass
    *) exit $code ;;
  esac
done
{line}
"""
