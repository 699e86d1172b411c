"""Shapes of feature tests -> definitions: tests of a view, and tests of a model's training set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.core.dtypes import DATE, UNKNOWN
from featurectl.core.nearest import did_you_mean
from featurectl.core.units import counted
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.model import FeatureInput, Model, views_read
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import STAMP
from featurectl.language.definitions.tests import FeatureTest, ModelTest
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import old_names
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.resolve.model import feature_names
from featurectl.language.resolve.tested_model import (
    input_types,
    needed_columns,
    tested_sources,
    training_types,
    view_sources,
)
from featurectl.language.resolve.tested_values import TestedRows, check_time, check_value, mappings, values_of
from featurectl.language.resolve.transformed import transform_sources
from featurectl.language.resolve.view_names import warn_of_old_name
from featurectl.language.shapes.view import FeatureTestShape
from featurectl.language.syntax.node import Fields, Items

TIME: Final = "time"


def resolve_test(shape: FeatureTestShape, declared: Declarations) -> FeatureTest | ModelTest | None:
    """Return a test whose values fit its view or its model, or None when that is missing or broken."""
    if shape.model is not None:
        model = declared.find(declared.models, "model", shape.model, shape.fields.scalar("model"))
        return _model_test(shape, model, declared) if model is not None else None
    if shape.view is None:
        return None
    view = declared.find(declared.views, "feature_view", shape.view, shape.fields.scalar("view"))
    return _view_test(shape, view, declared) if view is not None else None


def _view_test(shape: FeatureTestShape, view: FeatureView, declared: Declarations) -> FeatureTest:
    source, sources = view.source, {source.name: source for source in transform_sources(view)}
    read = _Read(what=f'feature view "{view.name}"', alone=source if len(sources) == 1 else None, sources=sources)
    rows = _rows(shape, read, declared)
    _check_view_spine(shape, view, declared)
    _check_lengths(shape, declared)
    types = {name: view.dtype_of(name) or UNKNOWN for name in feature_names(view)}
    expected = _by_current_names(mappings(shape, "expect"), old_names(view), declared)
    if ("feature_view", view.name) not in declared.broken:
        _check_expect(shape, expected, types, f'feature view "{view.name}" has no feature', declared)
    return FeatureTest(
        name=shape.name,
        view=view,
        rows=rows.get(source.name, ()),
        spine=values_of(mappings(shape, "spine"), dict(view.entity.keys) if view.entity else {}),
        expect=values_of(expected, types),
        place=shape.fields.head,
        others={name: some for name, some in rows.items() if name != source.name},
    )


def _model_test(shape: FeatureTestShape, model: Model, declared: Declarations) -> ModelTest | None:
    names = set(views_read(model.inputs))
    if ("model", model.name) in declared.broken or not names <= declared.views.keys():
        return None
    views = {name: declared.views[name] for name in names}
    asked, given = list(view_sources(model, views).values()), input_types(model, views)
    alone = asked[0] if len(asked) == 1 else None
    read = _Read(what=f'model "{model.name}"', alone=alone, sources=tested_sources(model, views))
    rows = _rows(shape, read, declared)
    times = [_time_key(row, model, given) for row in mappings(shape, "spine")]
    for row, time in zip(mappings(shape, "spine"), times, strict=True):
        _check_model_spine(row, model, (time, given), declared)
    _check_lengths(shape, declared)
    types = training_types(model, views)
    if model.spine.source.columns is None:
        types |= {name: UNKNOWN for row in mappings(shape, "spine") for name in row.nodes if name not in types}
    old = {name: column for name, column in _old_columns(model, views).items() if name not in types}
    expected = _by_current_names(mappings(shape, "expect"), old, declared)
    _check_expect(shape, expected, types, f'the training set of model "{model.name}" has no column', declared)
    _check_given(shape, model, times, declared)
    spine = values_of(mappings(shape, "spine"), given)
    return ModelTest(
        name=shape.name,
        model=model,
        views=views,
        rows=rows,
        spine=tuple(
            {model.spine.time if name == time else name: value for name, value in row.items()}
            for row, time in zip(spine, times, strict=True)
        ),
        expect=values_of(expected, types),
        place=shape.fields.head,
    )


def _old_columns(model: Model, views: Mapping[str, FeatureView]) -> dict[str, str]:
    """Return the columns of a model by what they were called before their features were renamed."""
    found: dict[str, str] = {}
    for item in model.inputs:
        if isinstance(item, FeatureInput) and item.name.endswith(item.feature):
            prefix = item.name.removesuffix(item.feature)
            old = (alias for alias, name in old_names(views[item.view]).items() if name == item.feature)
            found |= {f"{prefix}{alias}": item.name for alias in old}
    return found


def _by_current_names(rows: list[Fields], current: Mapping[str, str], declared: Declarations) -> list[Fields]:
    """Return what is expected by the names of now, with a warning of each old one."""
    found = []
    for row in rows:
        names = {name: current.get(name, name) for name in row.nodes if current.get(name) not in row.nodes}
        for name in (name for name, new in names.items() if new != name):
            warn_of_old_name(name, names[name], row.keys[name].place, declared)
        nodes = {names.get(name, name): node for name, node in row.nodes.items()}
        keys = {names.get(name, name): span for name, span in row.keys.items()}
        found.append(Fields(nodes, keys, row.span))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The sources of which a test may hold rows; `alone` is the one that a plain list is of, if there is one."""

    what: str
    alone: Source | None
    sources: Mapping[str, Source]


def _rows(shape: FeatureTestShape, read: _Read, declared: Declarations) -> dict[str, TestedRows]:
    """Return the rows of each source that a test has some of, checked against the source's columns."""
    found = {}
    for name, rows in _by_source(shape, read, declared).items():
        source = read.sources[name]
        _check_rows(rows, source, declared)
        found[name] = values_of(rows, dict(source.columns or {}))
    return found


def _by_source(shape: FeatureTestShape, read: _Read, declared: Declarations) -> dict[str, list[Fields]]:
    """Return the rows by source; FC311 for a list that may be of several, and for a source that is not read."""
    node, report = shape.fields.get("rows"), declared.report
    if isinstance(node, Items):
        rows = [item for item in node if isinstance(item, Fields)]
        if read.alone is not None or not rows:
            return {read.alone.name: rows} if read.alone is not None and rows else {}
        place = shape.fields.keys["rows"].place
        if not read.sources:
            report.error("FC311", f"{read.what} reads no source: a test of it has no rows", place)
            return {}
        form = ", ".join(f"{name}: [...]" for name in read.sources)
        message = f"{read.what} reads {counted(len(read.sources), 'source')}: say which the rows are of"
        report.error("FC311", message, place, note=f"rows: {{{form}}}")
        return {}
    found: dict[str, list[Fields]] = {}
    fields = node if isinstance(node, Fields) else Fields({}, {}, shape.fields.span)
    for name, items in fields.nodes.items():
        if name in read.sources:
            found[name] = [item for item in items if isinstance(item, Fields)] if isinstance(items, Items) else []
            continue
        place, suggestion = fields.keys[name].place, did_you_mean(name, read.sources)
        note = "" if suggestion else f"sources: {', '.join(read.sources) or 'none'}"
        report.error("FC311", f'{read.what} reads no source "{name}"', place, suggestion=suggestion, note=note)
    return found


def _check_rows(rows: Iterable[Fields], source: Source, declared: Declarations) -> None:
    known, stamp = source.columns, STAMP if source.is_stream else source.available_at
    for row in rows:
        for name in row.nodes:
            if source.is_stream and name == STAMP:
                check_time(row, STAMP, "row", declared)
            elif known is not None and name not in known and name not in (source.event_time, stamp):
                _unknown(row, name, known, f"columns of source {source.name}", declared)
            elif name != source.event_time:
                check_value(row, name, (known or {}).get(name, UNKNOWN), declared)
        if source.event_time is not None and (known is None or source.event_time in known):
            check_time(row, source.event_time, "row", declared)


def _unknown(row: Fields, name: str, known: Iterable[str], what: str, declared: Declarations) -> None:
    suggestion, place = did_you_mean(name, known), row.keys[name].place
    note = f"{what}: {', '.join(known)}"
    declared.report.error("FC311", f'no column "{name}"', place, suggestion=suggestion, note=note)


def _check_view_spine(shape: FeatureTestShape, view: FeatureView, declared: Declarations) -> None:
    keys = view.entity.keys if view.entity else {}
    is_wrong = view.entity is not None and any((view.entity.name, key) in declared.wrong_keys for key in keys)
    for row in mappings(shape, "spine"):
        check_time(row, TIME, "spine row", declared)
        if is_wrong:
            continue
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
                check_value(row, key, dtype, declared)


def _time_key(row: Fields, model: Model, given: Mapping[str, str]) -> str:
    """Return under which name a row of a model's spine holds its time: `time`, where no column has that name, too."""
    own = model.spine.time
    return TIME if own not in row.nodes and TIME in row.nodes and TIME not in given else own


def _check_model_spine(
    row: Fields, model: Model, expected: tuple[str, Mapping[str, str]], declared: Declarations
) -> None:
    time, types = expected
    check_time(row, time, "spine row", declared)
    for name in row.nodes:
        if name == time:
            if types.get(model.spine.time) == DATE:
                check_value(row, name, DATE, declared)
        elif name == TIME and name not in types:
            message = f'"{TIME}" stands for "{model.spine.time}", and the row has both'
            declared.report.error("FC311", message, row.keys[name].place)
        elif name not in types and model.spine.source.columns is not None:
            _unknown(row, name, types, f'columns of the spine of model "{model.name}"', declared)
        else:
            check_value(row, name, types.get(name, UNKNOWN), declared)


def _check_given(shape: FeatureTestShape, model: Model, times: Sequence[str], declared: Declarations) -> None:
    """Report FC311 for a row of a model's spine without a column that what is expected is made of."""
    expected = {name for row in mappings(shape, "expect") for name in row.nodes}
    needed = sorted(needed_columns(model, expected) - {model.spine.time})
    for row, time in zip(mappings(shape, "spine"), times, strict=True):
        given = row.nodes.keys() - {time}
        for name in dict.fromkeys(raw for column in needed for raw in _raw(column, model.spine.source, given)):
            if name not in given and name != model.spine.time:
                note = f"what is expected is made of: {', '.join(needed)}"
                declared.report.error("FC311", f'a spine row has no "{name}"', row.head, note=note)


def _raw(name: str, source: Source, given: Collection[str]) -> list[str]:
    """Return what a row must give for a column of the spine: its own, or those that `select` makes it of."""
    made = next((item for item in source.select if item.name == name), None)
    if made is None or (name in given and name not in (source.columns or {})):
        return [name]
    return sorted(expression_columns(made.expression.text))


def _check_lengths(shape: FeatureTestShape, declared: Declarations) -> None:
    if len(shape.expect) != len(shape.spine):
        rows, spine = len(shape.expect), len(shape.spine)
        message = f"{counted(rows, 'row')} expected of {counted(spine, 'spine row')}"
        declared.report.error("FC311", message, shape.fields.keys["expect"].place)


def _check_expect(
    shape: FeatureTestShape, expected: list[Fields], types: Mapping[str, str], lacks: str, declared: Declarations
) -> None:
    if not any(row.nodes for row in expected):
        message, place = "nothing is expected: the test compares no column", shape.fields.keys["expect"].place
        declared.report.error("FC311", message, place, note=f"{lacks.rpartition(' ')[2]}s: {', '.join(types)}")
    for row in expected:
        for name in row.nodes:
            if name in types:
                check_value(row, name, types[name], declared)
                continue
            suggestion, place = did_you_mean(name, types), row.keys[name].place
            note = "" if suggestion else f"{lacks.rpartition(' ')[2]}s: {', '.join(types)}"
            declared.report.error("FC311", f'{lacks} "{name}"', place, suggestion=suggestion, note=note)
