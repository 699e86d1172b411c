"""Pipelines, alerts and notifiers: their references."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from featurectl.core.kinds import DeclaredKind
from featurectl.core.nearest import did_you_mean
from featurectl.language.definitions.alerts import NOT_MEASURED, WAYS, Alert, Notifier, vain_part, wrong_address
from featurectl.language.problems.codes import Problem
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.operations import (
    AlertShape,
    NotifierShape,
    PipelineShape,
    StageShape,
    condition_of,
    listed_names,
)
from featurectl.language.syntax.node import Fields, ScalarNode


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
            _check_names("notifier", listed_names(stage.fields, key), declared)
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


def resolve_alert(shape: AlertShape, declared: Declarations) -> Alert:
    """Return an alert; unknown notifiers, views and models are reported (`*` is a pattern).

    A notifier that is named twice is notified once. An alert on a metric that nothing measures yet is noted as not run.
    """
    check_alert_names(shape.fields, declared)
    when = condition_of(shape.when)
    if wrong := vain_part(when):
        declared.report.error("FC104", wrong, shape.fields.place("when"))
    if when.metric in NOT_MEASURED:
        later = "event streams come with a later version: until then there is no lag to measure"
        declared.note_unsupported(f"alerts on {when.metric} are", shape.fields.head, later)
    return Alert(
        name=shape.name,
        when=when,
        severity=shape.severity,
        notify=tuple(dict.fromkeys(shape.notify)),
        for_us=shape.for_ or 0,
        repeat_us=shape.repeat,
        views=tuple(shape.views),
        models=tuple(shape.models),
    )


def check_alert_names(fields: Fields, declared: Declarations) -> None:
    """Report unknown notifiers, views and models of an alert that may be wrong in other ways."""
    _check_names("notifier", listed_names(fields, "notify"), declared)
    _check_names("feature_view", listed_names(fields, "views"), declared)
    _check_names("model", listed_names(fields, "models"), declared)


def resolve_notifier(shape: NotifierShape, declared: Declarations) -> Notifier | None:
    """Return a notifier; None where it has no way, which is reported by its shape. An address that is none is reported.

    One that begins with a variable is seen when a message is sent.
    """
    ways = [
        Notifier(name=shape.name, way=way, address=text) for way in WAYS if (text := getattr(shape, way)) is not None
    ]
    if ways and (wrong := wrong_address(ways[0])):
        declared.report.error("FC104", wrong, shape.fields.place(ways[0].way))
    return ways[0] if ways else None


def _check_names(kind: DeclaredKind, nodes: Iterable[ScalarNode], declared: Declarations) -> None:
    known = [name for k, name in declared.names if k == kind]
    for node in nodes:
        if not any(fnmatchcase(name, node.text) for name in known) and node.text != "*":
            declared.unknown(kind, node.text, node.span.place)
