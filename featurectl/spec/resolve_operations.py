"""Pipelines, alerts, notifiers and feature tests: their references, and tests as definitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeGuard

from featurectl.dtypes import STRING, UNKNOWN
from featurectl.nearest import did_you_mean
from featurectl.spec.constants import fit_constant
from featurectl.spec.declared import Declared, Kind
from featurectl.spec.definition import FeatureTest, FeatureView
from featurectl.spec.model_operations import AlertShape, NotifierShape, PipelineShape, StageShape, listed_names
from featurectl.spec.model_view import FeatureTestShape
from featurectl.spec.node import Constant, Fields, Items, Node, Scalar
from featurectl.spec.problems import Problem
from featurectl.spec.resolve_model import feature_names
from featurectl.spec.values import plain_data
from featurectl.units import counted, parse_instant

TIME = "time"


def check_pipeline(shape: PipelineShape, declared: Declared) -> None:
    """Report stages that share a name, need what is not there, or need each other; note it as not run."""
    declared.not_run("pipelines are", shape.fields.head)
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


def _check_cycle(stages: Mapping[str, StageShape], declared: Declared) -> None:
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


def _report_stage(node: Scalar, stages: Mapping[str, StageShape], declared: Declared) -> None:
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


def check_alert(shape: AlertShape, declared: Declared) -> None:
    """Report unknown notifiers, views and models (`*` is a pattern); note it as not run."""
    declared.not_run("alerts are", shape.fields.head)
    _check_names("notifier", listed_names(shape.fields, "notify"), declared)
    _check_names("feature_view", listed_names(shape.fields, "views"), declared)
    _check_names("model", listed_names(shape.fields, "models"), declared)


def check_notifier(shape: NotifierShape, declared: Declared) -> None:
    """Note it as not run."""
    declared.not_run("notifiers are", shape.fields.head)


def _check_names(kind: Kind, nodes: Iterable[Scalar], declared: Declared) -> None:
    known = [name for k, name in declared.names if k == kind]
    for node in nodes:
        if not any(fnmatchcase(name, node.text) for name in known) and node.text != "*":
            declared.unknown(kind, node.text, node.span.place)


def resolve_test(shape: FeatureTestShape, declared: Declared) -> FeatureTest | None:
    """Return a feature test whose values fit its view, or None when it can't be run."""
    if shape.model is not None:
        declared.find(declared.models, "model", shape.model, shape.fields.scalar("model"))
        declared.not_run("tests of a model's features are", shape.fields.keys["model"].place)
        return None
    if shape.view is None:
        return None
    view = declared.find(declared.views, "feature_view", shape.view, shape.fields.scalar("view"))
    if view is None:
        return None
    _check_rows(shape, view, declared)
    _check_spine(shape, view, declared)
    _check_expect(shape, view, declared)
    return FeatureTest(
        name=shape.name,
        view=view,
        rows=_values(shape, "rows", dict(view.source.columns or {})),
        spine=_values(shape, "spine", view.key_types),
        expect=_values(shape, "expect", {n: view.dtype_of(n) or UNKNOWN for n in feature_names(view)}),
        place=shape.fields.head,
    )


def _mappings(shape: FeatureTestShape, key: str) -> list[Fields]:
    node = shape.fields.get(key)
    return [item for item in node if isinstance(item, Fields)] if isinstance(node, Items) else []


def _values(shape: FeatureTestShape, key: str, types: Mapping[str, str]) -> tuple[Mapping[str, object], ...]:
    """Return the rows of a test as plain data; where the type is text, the text is kept whatever it looks like."""
    return tuple(
        {
            name: node.text if types.get(name) == STRING and _is_word(node) else plain_data(node)
            for name, node in row.nodes.items()
        }
        for row in _mappings(shape, key)
    )


def _is_word(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and node.value is not None


def _check_rows(shape: FeatureTestShape, view: FeatureView, declared: Declared) -> None:
    source = view.source
    known = source.columns
    for row in _mappings(shape, "rows"):
        for name in row.nodes:
            if known is not None and name not in known and name not in (source.event_time, source.available_at):
                note = f"columns of source {source.name}: {', '.join(known)}"
                suggestion = did_you_mean(name, known)
                place = row.keys[name].place
                declared.report.error("FC311", f'no column "{name}"', place, suggestion=suggestion, note=note)
            elif name != source.event_time:
                _check_value(row, name, (known or {}).get(name, UNKNOWN), declared)
        if source.event_time is not None and (known is None or source.event_time in known):
            _check_time(row, source.event_time, "row", declared)


def _check_spine(shape: FeatureTestShape, view: FeatureView, declared: Declared) -> None:
    keys = view.key_types
    for row in _mappings(shape, "spine"):
        _check_time(row, TIME, "spine row", declared)
        for name in row.nodes:
            if name != TIME and name not in keys:
                place = row.keys[name].place
                note = f"keys: {', '.join([*keys, TIME])}"
                message = f'"{name}" is no key of feature view "{view.name}"'
                declared.report.error("FC311", message, place, suggestion=did_you_mean(name, keys), note=note)
        for key, dtype in keys.items():
            if key not in row.nodes:
                declared.report.error("FC311", f'a spine row has no "{key}"', row.head)
            else:
                _check_value(row, key, dtype, declared)


def _check_expect(shape: FeatureTestShape, view: FeatureView, declared: Declared) -> None:
    report = declared.report
    if len(shape.expect) != len(shape.spine):
        rows, spine = len(shape.expect), len(shape.spine)
        message = f"{counted(rows, 'row')} expected of {counted(spine, 'spine row')}"
        report.error("FC311", message, shape.fields.keys["expect"].place)
    if ("feature_view", view.name) in declared.broken:
        return
    known = feature_names(view)
    for row in _mappings(shape, "expect"):
        for name in row.nodes:
            if name not in known:
                suggestion, place = did_you_mean(name, known), row.keys[name].place
                note = "" if suggestion else f"features: {', '.join(known)}"
                message = f'feature view "{view.name}" has no feature "{name}"'
                report.error("FC311", message, place, suggestion=suggestion, note=note)
            else:
                _check_value(row, name, view.dtype_of(name) or UNKNOWN, declared)


def _check_time(row: Fields, key: str, what: str, declared: Declared) -> None:
    node = row.get(key)
    if node is None:
        declared.report.error("FC311", f'a {what} has no "{key}"', row.head)
    elif not (isinstance(node, Scalar) and parse_instant(node.text) is not None):
        message = f'"{key}" must be a time like 2013-01-01T08:00:00Z'
        declared.report.error("FC311", message, row.place(key))


def _check_value(row: Fields, key: str, dtype: str, declared: Declared) -> None:
    node = row.get(key)
    if dtype == UNKNOWN or dtype.startswith("list"):
        return
    value: Constant = node.value if isinstance(node, Scalar) else ""
    text = node.text if isinstance(node, Scalar) else ""
    if not isinstance(node, Scalar) or (value is not None and fit_constant(value, dtype) is None):
        if isinstance(node, Scalar) and dtype == STRING and node.style == "":
            return  # a text may look like a number
        declared.report.error("FC311", f'"{key}" is {dtype}, not {text or "a list or mapping"}', row.place(key))
