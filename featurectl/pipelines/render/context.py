"""What templates know of a pipeline: one context, which is made once and has what any target asks for."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from math import ceil

from featurectl.core.units import SECOND_US
from featurectl.language.commands.read import ReadCommand, read_command
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage, Resources
from featurectl.language.pipeline_words import cpu_text, memory_text
from featurectl.pipelines.render.outputs import StageOutput, outputs_of
from featurectl.pipelines.render.request import PROGRAM, PipelineRequest, Site
from featurectl.pipelines.retries import longest_wait_s
from featurectl.pipelines.stage_commands import looks_now, memory_words, run_environ

_AROUND_ATTEMPT_S = 60  # for the start of a stage, and from TERM to KILL at its end
_AROUND_RUN_S = 180  # for stages of a run before that was killed, the last messages, the last record


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """A stage: `words` are its command line with the environment, up to `behind`, whose words are no options.

    `memory` are the words that say how much it has. `arguments` are all words behind the name of the `command`. It is
    given no clock where it `looks_now`, and the ID of its run where it `knows_run`. `threads` are the processors that
    it names, whole ones, and `seconds` its timeout; None: it has none.
    """

    stage: PipelineStage
    command: str
    words: tuple[str, ...]
    behind: tuple[str, ...]
    memory: tuple[str, ...]
    arguments: tuple[str, ...]
    looks_now: bool
    knows_run: bool
    threads: int | None
    seconds: int | None

    @property
    def name(self) -> str:
        """The name of the stage."""
        return self.stage.name

    @property
    def parts(self) -> int:
        """How many parts it is run in; 1: it is whole."""
        return self.stage.resources.replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineContext:
    """A pipeline and where it runs. `ordered` are its stages, each behind those that it needs.

    `run` is the command line of a whole run: one that is left out, as another one goes on, is no failure. A run that
    has the machine to itself is over after `deadline_s` (None: a stage has no timeout), and each stage has enough of
    `needed` when it runs alone. `notified` are all whom stages name, `outputs` what they write on a disk.
    """

    site: Site
    pipeline: Pipeline
    stages: tuple[StageContext, ...]
    ordered: tuple[StageContext, ...]
    run: tuple[str, ...]
    deadline_s: int | None
    needed: Resources
    notified: tuple[str, ...]
    outputs: tuple[StageOutput, ...]


def pipeline_context(request: PipelineRequest) -> PipelineContext:
    """Return the context of a pipeline."""
    site, pipeline = request.site, request.pipeline
    commands = {stage.name: read_command(stage.run) for stage in pipeline.stages}
    by_name = {stage.name: _stage(site, stage, commands[stage.name]) for stage in pipeline.stages}
    order = TopologicalSorter({stage.name: stage.needs for stage in pipeline.stages}).static_order()
    return PipelineContext(
        site=site,
        pipeline=pipeline,
        stages=tuple(by_name.values()),
        ordered=tuple(by_name[name] for name in order),
        run=(PROGRAM, "pipeline", "run", pipeline.name, "--env", site.environment, "--if-free"),
        deadline_s=deadline_s(pipeline),
        needed=_largest(pipeline),
        notified=tuple(sorted({name for stage in pipeline.stages for name in (*stage.on_success, *stage.on_failure)})),
        outputs=tuple(output for name, command in commands.items() for output in outputs_of(site, name, command)),
    )


def _stage(site: Site, stage: PipelineStage, command: ReadCommand) -> StageContext:
    words, behind = split_at_end_of_options(command)
    memory = memory_words(command, stage)
    return StageContext(
        stage=stage,
        command=command.name,
        words=(PROGRAM, *words, "--env", site.environment),
        behind=behind,
        memory=tuple(memory),
        arguments=(*memory, *command.words[len(command.name.split()) :]),
        looks_now=looks_now(command),
        knows_run=bool(run_environ(stage, "")),
        threads=None if stage.resources.cpu is None else ceil(stage.resources.cpu),
        seconds=None if stage.timeout_us is None else seconds_of(stage.timeout_us),
    )


def split_at_end_of_options(command: ReadCommand) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a command line up to `--`, and from it on: there nothing is an option."""
    at = command.words.index("--") if "--" in command.words else len(command.words)
    return command.words[:at], command.words[at:]


def deadline_s(pipeline: Pipeline) -> int | None:
    """Return the seconds after which a run that had the machine to itself is over, its stages one after the other.

    They are all attempts of each, with the longest waits between them. None: a stage has no timeout.
    """
    total = _AROUND_RUN_S
    for stage in pipeline.stages:
        if stage.timeout_us is None:
            return None
        total += (seconds_of(stage.timeout_us) + _AROUND_ATTEMPT_S) * (1 + stage.retries)
        total += ceil(sum(longest_wait_s(attempt) for attempt in range(1, stage.retries + 1)))
    return total


def seconds_of(length_us: int) -> int:
    """Return whole seconds, not less than a duration."""
    return -(-length_us // SECOND_US)


def _largest(pipeline: Pipeline) -> Resources:
    """Return what each stage has enough of when it runs alone: all of its parts, which run at a time."""
    found = [stage.resources for stage in pipeline.stages]
    return Resources(
        cpu=max((item.cpu * item.replicas for item in found if item.cpu), default=None),
        memory_bytes=max((item.memory_bytes * item.replicas for item in found if item.memory_bytes), default=None),
        gpu=max((item.gpu * item.replicas for item in found if item.gpu), default=None),
    )


def kube_resources(needed: Resources, least_cpu: float | None = None) -> dict[str, dict[str, str]]:
    """Return what a container asks for; memory and graphics processors are limits, too. `least_cpu`: if none is said.

    Processors are no limit: one that others leave idle may be used.
    """
    cpu = needed.cpu or least_cpu
    memory = {"memory": memory_text(needed.memory_bytes)} if needed.memory_bytes else {}
    gpu = {"nvidia.com/gpu": f"{needed.gpu}"} if needed.gpu else {}
    found = {"requests": ({"cpu": cpu_text(cpu)} if cpu else {}) | memory, "limits": memory | gpu}
    return {key: value for key, value in found.items() if value}
