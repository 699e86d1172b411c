"""Pipelines: their references, and that no stage waits for itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from featurectl.core.nearest import did_you_mean
from featurectl.language.problems.codes import Problem
from featurectl.language.resolve.declarations import Declarations, check_declared
from featurectl.language.shapes.base import listed_names
from featurectl.language.shapes.pipelines import PipelineShape, StageShape
from featurectl.language.syntax.node import ScalarNode


def check_pipeline(shape: PipelineShape, declared: Declarations) -> None:
    """Report stages that share a name, need what is not there, or need each other; note it as not run."""
    declared.note_unsupported("pipelines are", shape.fields.head)
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
        for key in ("on_success", "on_failure"):
            check_declared("notifier", listed_names(stage.fields, key), declared)
    _check_cycle(seen, declared)


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
