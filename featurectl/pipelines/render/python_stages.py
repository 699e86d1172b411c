"""The stages of a pipeline as schedulers that are Python take them, and what their files say of themselves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from math import ceil
from typing import Final

from featurectl.core.dataclass import dataclass
from featurectl.core.errors import UsageError
from featurectl.language.commands.read import read_command
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.pipelines.render.base import PipelineRequest, Site
from featurectl.pipelines.render.due import cron_field, due_fields
from featurectl.pipelines.render.python_text import identifier
from featurectl.pipelines.stage_commands import looks_now, memory_words

_WIDTH: Final = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStage:
    """A stage: the command by its name and its arguments, behind which nothing is put.

    The options that all stages share stand between the two, as an argument may be `--`. `slots` are the processors that
    it names, whole ones; None: it names none. `looks_now`: it is given no clock.
    """

    stage: PipelineStage
    command: str
    arguments: tuple[str, ...]
    slots: int | None
    looks_now: bool

    @property
    def name(self) -> str:
        """The name of the stage."""
        return self.stage.name


def python_stages(request: PipelineRequest) -> list[PythonStage]:
    """Return the stages of a pipeline, each behind those that it needs."""
    return [_python_stage(stage) for stage in _in_order(request.pipeline.stages)]


def _in_order(stages: tuple[PipelineStage, ...]) -> list[PipelineStage]:
    from graphlib import TopologicalSorter

    by_name = {stage.name: stage for stage in stages}
    return [by_name[name] for name in TopologicalSorter({stage.name: stage.needs for stage in stages}).static_order()]


def _python_stage(stage: PipelineStage) -> PythonStage:
    read = read_command(stage.run)
    cpu = stage.resources.cpu
    return PythonStage(
        stage=stage,
        command=read.name,
        arguments=(*memory_words(read, stage), *read.words[len(read.name.split()) :]),
        slots=None if cpu is None else ceil(cpu),
        looks_now=looks_now(read),
    )


def job_name(request: PipelineRequest) -> str:
    """Return the name of a pipeline where those of other projects and environments are, too."""
    site = request.site
    return identifier(f"{site.project}_{site.environment}_{request.pipeline.name}")


def union_schedule(request: PipelineRequest, target: str) -> str:
    """Return a schedule for schedulers to which two days always are either of them.

    Raises:
        UsageError: its days are both of them, which such a scheduler can't be given.
    """
    schedule = request.pipeline.schedule
    due = due_fields(schedule)
    days, weekdays = cron_field(due.days, 1, 31), cron_field(due.weekdays, 0, 7)
    if due.any_day:
        days = weekdays = "*"
    elif not due.is_either and "*" not in (days, weekdays):
        raise UsageError(
            f"{target} can't have the schedule {schedule!r}: to it the two days are either of them, here they are both",
            hint="name the days of the month, or those of the week",
        )
    return " ".join(
        (cron_field(due.minutes, 0, 60), cron_field(due.hours, 0, 24), days, cron_field(due.months, 1, 12), weekdays)
    )


def documentation(request: PipelineRequest, clock: str, needs: list[str], notified_by: str) -> str:
    """Return what a file says of itself, in Markdown.

    `clock` is what all its commands are given, `needs` what whoever runs it has to have, `notified_by` the means of the
    scheduler to notify somebody.
    """
    site, pipeline = request.site, request.pipeline
    means = "\n".join(filled(f"- {item}", hang="  ") for item in (*_places(site), *needs))
    what = (
        f"The pipeline `{pipeline.name}` of the feature repository `{site.project}` in the environment "
        f"`{site.environment}`. Each stage is a command of featurectl; all of them are given one instant as the clock: "
        f"{clock}{_now(pipeline)}."
    )
    about = pipeline.about.description or f"The pipeline {pipeline.name} of {site.project}."
    paragraphs = (about, what, _notified(pipeline, notified_by))
    return "\n\n".join([*(filled(text) for text in paragraphs if text), f"What runs it needs\n\n{means}"])


def _now(pipeline: Pipeline) -> str:
    """Return which stages are given no clock, behind the sentence of it."""
    names = [f"`{stage.name}`" for stage in pipeline.stages if looks_now(read_command(stage.run))]
    return f". Not so {', '.join(names)}: what watches looks at what is there when it runs" if names else ""


def _places(site: Site) -> Iterator[str]:
    yield f"the repository in `{site.folder}`, and featurectl in `{site.folder}/.venv`"
    if site.variables:
        needed = [f"`{variable.name}`" for variable in site.variables if variable.is_needed]
        others = [f"`{variable.name}` (it has a default)" for variable in site.variables if not variable.is_needed]
        yield f"these environment variables: {', '.join([*needed, *others])}"
    if site.on_disk:
        parts = ", ".join(f"`{part}`" for part in site.on_disk)
        yield f"one disk for all stages, as this environment lies on it: {parts}"


def _notified(pipeline: Pipeline, notified_by: str) -> str:
    """Return that the scheduler has to notify whom the stages name; "": they name nobody."""
    named = [
        f"{' and '.join(f'`{name}`' for name in names)} when `{stage.name}` {verb}"
        for stage in pipeline.stages
        for names, verb in ((stage.on_success, "succeeds"), (stage.on_failure, "fails"))
        if names
    ]
    if not named:
        return ""
    return f"Notifiers of featurectl are for its own runs. Here {notified_by} should notify {', '.join(named)}."


def filled(text: str, hang: str = "") -> str:
    """Return a paragraph in lines of one length, all but the first behind `hang`."""
    return textwrap.fill(text, _WIDTH, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)
