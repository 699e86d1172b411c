"""Shapes of pipelines and deployments -> definitions: their references, and commands that can be run as they are meant.

What a stage can't run ends never, asks somebody, or runs pipelines; a deployment runs what ends never.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from featurectl.core.nearest import did_you_mean
from featurectl.language.commands.named import named_words
from featurectl.language.commands.read import ReadCommand, WrongCommandError, read_command, with_single_spaces
from featurectl.language.definitions.pipelines import (
    NO_RESOURCES,
    ONE,
    Deployment,
    Pipeline,
    PipelineStage,
    Replicas,
    Resources,
)
from featurectl.language.definitions.schedule import wrong_schedule
from featurectl.language.problems.codes import Problem
from featurectl.language.resolve.about import about_of
from featurectl.language.resolve.declarations import Declarations, check_declared
from featurectl.language.shapes.base import listed_names
from featurectl.language.shapes.pipelines import (
    DeploymentShape,
    PipelineShape,
    ReplicasShape,
    ResourcesShape,
    StageShape,
)
from featurectl.language.syntax.node import ScalarNode

ENDLESS: Final = ("serve", "stream run", "monitor run", "monitor export")  # what a deployment runs
_ENDING: Final[Mapping[str, str]] = {"stream run": "--once", "monitor export": "--textfile"}  # by which they end
IN_PARTS: Final = "score"  # the one command that runs in parts
_OF_THE_RUN: Final = ("--repo", "--env")  # the stages are run with those that the pipeline is run with
_NO_STAGES: Final[Mapping[str, str]] = {
    "init": "makes a repository",
    "unlock": "is for a person who has looked who holds the lock",
    "pipeline run": "runs a pipeline: let its stages stand in this one",
}


def resolve_pipeline(shape: PipelineShape, declared: Declarations) -> Pipeline:
    """Return a pipeline; stages that share a name, need what is not there, or need each other are reported."""
    seen: dict[str, StageShape] = {}
    for stage in shape.stages:
        if stage.name in seen:
            other = (seen[stage.name].fields.head, "the other one stands here")
            message = f'two stages of this pipeline are named "{stage.name}"'
            declared.report.clash("FC202", message, stage.fields.head, other)
        seen.setdefault(stage.name, stage)
    for stage in shape.stages:
        for node in listed_names(stage.fields, "needs"):
            if node.text not in seen:
                _report_stage(node, seen, declared)
    _check_cycle(seen, declared)
    if shape.schedule is not None and (wrong := wrong_schedule(shape.schedule)):
        declared.report.error("FC104", wrong, shape.fields.place("schedule"))
    return Pipeline(
        name=shape.name,
        stages=tuple(_resolve_stage(stage, declared) for stage in shape.stages),
        schedule=" ".join((shape.schedule or "").split()),
        about=about_of(shape),
    )


def _resolve_stage(shape: StageShape, declared: Declarations) -> PipelineStage:
    for key in ("on_success", "on_failure"):
        check_declared("notifier", listed_names(shape.fields, key), declared)
    if shape.retries < 0:
        declared.report.error("FC104", f"expected 0 or more, found {shape.retries}", shape.fields.place("retries"))
    command = _checked_command(shape, declared)
    resources = _resources(shape.resources)
    if command is not None:
        _check_stage(command, shape, declared)
    if command is not None and resources.replicas > 1 and command.name != IN_PARTS:
        assert shape.resources is not None
        message = f"{command.name} is not cut into parts: replicas are for `{IN_PARTS}`"
        declared.report.error("FC320", message, shape.resources.fields.place("replicas"))
    return PipelineStage(
        name=shape.name,
        run=with_single_spaces(shape.run),
        needs=tuple(dict.fromkeys(shape.needs)),
        timeout_us=shape.timeout,
        retries=max(shape.retries, 0),
        resources=resources,
        on_success=tuple(dict.fromkeys(shape.on_success)),
        on_failure=tuple(dict.fromkeys(shape.on_failure)),
    )


def _check_stage(command: ReadCommand, shape: StageShape, declared: Declarations) -> None:
    """Report a command that no stage can run."""
    why = _NO_STAGES.get(command.name, "")
    if _is_endless(command):
        why = "ends never: a deployment runs it"
        ending = _ENDING.get(command.name)
        why += f", and a stage `{command.name} {ending}`" if ending else ""
    if command.name == "status" and command.has("--watch"):
        why = "ends never where it watches"
    if command.name == "apply" and not command.has("--auto-approve"):
        why = "asks somebody: add --auto-approve"
    if why:
        declared.report.error("FC320", f"a stage can't run {command.name}: it {why}", shape.fields.place("run"))


def _is_endless(command: ReadCommand) -> bool:
    return command.name in ENDLESS and not command.has(_ENDING.get(command.name, ""))


def resolve_deployment(shape: DeploymentShape, declared: Declarations) -> Deployment:
    """Return a deployment; a command that ends is reported, and so are replicas that contradict each other."""
    command = _checked_command(shape, declared)
    if command is not None and not _is_endless(command):
        message = f"a deployment runs what ends never: {', '.join(ENDLESS)}"
        declared.report.error("FC320", message, shape.fields.place("run"), note="a stage of a pipeline runs the rest")
    if shape.resources is not None and shape.resources.replicas is not None:
        message = 'how many of a deployment run is said by its own "replicas"'
        declared.report.error("FC107", message, shape.resources.fields.place("replicas"))
    return Deployment(
        name=shape.name,
        run=with_single_spaces(shape.run),
        replicas=_replicas(shape.replicas, declared),
        resources=_resources(shape.resources),
        about=about_of(shape),
    )


def _replicas(shape: ReplicasShape | None, declared: Declarations) -> Replicas:
    if shape is None:
        return ONE
    most = max(shape.max, shape.min) if "max" not in shape.fields.nodes else shape.max
    if most < shape.min:
        declared.report.error("FC104", f"max {most} is less than min {shape.min}", shape.fields.place("max"))
    if shape.cpu is not None and not 0 < shape.cpu <= 1:
        message = f"cpu is a share of the processors, above 0 and at most 1; found {shape.cpu:g}"
        declared.report.error("FC104", message, shape.fields.place("cpu"))
    if most > shape.min and shape.cpu is None:
        message = f"from {shape.min} to {most}: by what? write cpu: 0.7, the share of processors that they are kept to"
        declared.report.error("FC107", message, shape.fields.place("max"))
    if shape.cpu is not None and most == shape.min:
        declared.report.error("FC107", '"cpu" does nothing where min is max', shape.fields.place("cpu"))
    return Replicas(least=shape.min, most=most, cpu=shape.cpu)


def _resources(shape: ResourcesShape | None) -> Resources:
    if shape is None:
        return NO_RESOURCES
    return Resources(cpu=shape.cpu, memory_bytes=shape.memory, gpu=shape.gpu, replicas=shape.replicas or 1)


def _checked_command(shape: StageShape | DeploymentShape, declared: Declarations) -> ReadCommand | None:
    """Return the command of a stage or deployment; None with FC319 where the program has no such one.

    What it names of the repository is looked up, and options that every stage is given are reported.
    """
    node = shape.fields.scalar("run")
    assert node is not None
    try:
        command = read_command(node.text)
    except WrongCommandError as wrong:
        place = node.place_of(wrong.word.start, wrong.word.end) if wrong.word.text else node.span.place
        note = wrong.note
        declared.report.error("FC319", wrong.message, place, suggestion=wrong.suggestion, note=note)
        return None
    for flag in _OF_THE_RUN:
        if command.has(flag):
            message = f"{flag} can't stand here: all run in the repository and environment that they are run for"
            declared.report.error("FC320", message, node.span.place)
    for kind, word in named_words(command):
        if (kind, word.text) not in declared.names:
            declared.unknown(kind, word.text, node.place_of(word.start, word.end))
    return command


def _check_cycle(stages: Mapping[str, StageShape], declared: Declarations) -> None:
    done: set[str] = set()
    while ready := [
        n for n, s in stages.items() if n not in done and all(x in done or x not in stages for x in s.needs)
    ]:
        done.update(ready)
    circle = _circle(stages, done)
    if circle:
        message = f"stages need each other in a circle: {' -> '.join([*circle, circle[0]])}"
        declared.report.error("FC209", message, stages[circle[0]].fields.place("needs"))


def _circle(stages: Mapping[str, StageShape], done: Collection[str]) -> list[str]:
    """Return the stages of one circle, each needing the next, from the first of the file; empty when there is none.

    `done` are the stages that wait for no circle: each of the others needs one of the others.
    """
    path: list[str] = []
    name = next((name for name in stages if name not in done), "")
    while name and name not in path:
        path.append(name)
        name = next(other for other in stages[name].needs if other in stages and other not in done)
    circle = path[path.index(name) :] if name else []
    first = min(range(len(circle)), key=lambda at: list(stages).index(circle[at]), default=0)
    return circle[first:] + circle[:first]


def _report_stage(node: ScalarNode, stages: Mapping[str, StageShape], declared: Declarations) -> None:
    """Report FC201 for a stage that a pipeline does not have."""
    suggestion = did_you_mean(node.text, stages)
    related = tuple(
        (stage.fields.head, f'stage "{name}" stands here')
        for name, stage in stages.items()
        if f'"{name}"' in suggestion
    )
    declared.report.add(
        Problem(
            code="FC201",
            message=f'no stage "{node.text}" in this pipeline',
            place=node.span.place,
            suggestion=suggestion,
            notes=() if suggestion else (f"stages: {', '.join(stages)}",),
            related=related,
        )
    )
