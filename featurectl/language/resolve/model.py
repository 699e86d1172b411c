"""Shapes of models -> definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from featurectl.core.dtypes import STRING
from featurectl.core.nearest import did_you_mean
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import About
from featurectl.language.definitions.aggregates import AGGREGATES, meant_aggregate
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import (
    DerivedInput,
    FeatureInput,
    Label,
    Model,
    ModelInput,
    RequestInput,
    Spine,
    Trainer,
    views_read,
)
from featurectl.language.definitions.source import UNKNOWN_SOURCE, Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.problems.codes import Problem
from featurectl.language.renaming import find_feature, old_names
from featurectl.language.resolve.declarations import Declarations, check_declared, report_issues
from featurectl.language.resolve.gates import canary_of, check_slices, gates_of
from featurectl.language.resolve.on_events import check_on_events, on_events_of
from featurectl.language.resolve.training_columns import check_columns, check_output
from featurectl.language.resolve.view import check_join_keys
from featurectl.language.resolve.view_names import warn_of_old_name, with_current_columns
from featurectl.language.shapes.base import scalars
from featurectl.language.shapes.training import (
    CATEGORY,
    DerivedFeaturesShape,
    LabelShape,
    ModelShape,
    OneFeatureShape,
    RequestShape,
    TrainerShape,
    ViewFeaturesShape,
    selected,
)
from featurectl.language.shapes.view import DerivedShape
from featurectl.language.syntax.node import Fields, ScalarNode
from featurectl.language.syntax.place import Place
from featurectl.language.typing.models import type_check_model
from featurectl.language.typing.scope import Issue, Part


@dataclass(slots=True)
class ResolvedInputs:
    """A model's columns in order, the place of each part and column, and the views that are named."""

    items: dict[str, ModelInput] = field(default_factory=dict)  # by name
    places: dict[Part, ScalarNode | Place] = field(default_factory=dict)
    columns: list[tuple[str, Place]] = field(default_factory=list)
    views: set[str] = field(default_factory=set)
    old_columns: dict[str, str] = field(default_factory=dict)  # as columns were called before features were renamed

    def add(self, item: ModelInput, node: ScalarNode | Place) -> None:
        """Add a column; the first of two with one name stays."""
        self.columns.append((item.name, node if isinstance(node, Place) else node.span.place))
        self.items.setdefault(item.name, item)


def resolve_model(shape: ModelShape, declared: Declarations) -> Model | None:
    """Return a model typed as far as its columns are known, or None when its spine's source is missing."""
    inputs = ResolvedInputs()
    wrong_before = ("model", shape.name) in declared.broken
    for feature in shape.features:
        _add(feature, inputs, declared)
    _use_current_columns(inputs, declared)
    spine = _spine(shape, declared)
    judged_on = _validation_source(shape.trainer, declared)
    model = _model(shape, spine, inputs, judged_on)
    _spine_places(shape, inputs)
    if shape.trainer is not None and shape.trainer.validation is not None:
        inputs.places[("validation",)] = shape.trainer.validation.fields.head
    typed, issues = type_check_model(model, spine.source.columns, _views(model, declared))
    if wrong_before or any(("feature_view", name) in declared.broken for name in inputs.views):
        declared.broken.add(("model", shape.name))  # it may lack columns
        issues = [i for i in issues if not (i.code == "FC301" and i.part[0] == "derived")]  # may be the view's fault
    issues = _without_repeats(issues, typed, declared)
    given = {f'no column "{name}"' for name, _ in inputs.columns}
    issues = [i for i in issues if not (i.part == ("label", "expr") and i.message in given)]  # FC308 tells it better
    report_issues(declared.report, issues, inputs.places, shape.fields.head)
    check_columns(typed, inputs.columns, shape.spine, declared)
    check_output(typed, shape.output, declared)
    check_slices(typed, shape, declared)
    check_on_events(typed, shape, declared)
    _warn_of_offline_views(typed, inputs, declared)
    return None if spine.source is UNKNOWN_SOURCE else typed


def _without_repeats(issues: Sequence[Issue], model: Model, declared: Declarations) -> list[Issue]:
    """Return issues without those of a key that is wrong in its entity, and one of a key that the spine lacks."""
    inputs = {item.name: item for item in model.inputs if isinstance(item, FeatureInput)}
    kept, keys = list[Issue](), set[str]()
    for issue in issues:
        if issue.part[0] == "join" and issue.code == "FC301":
            item, key = inputs[issue.part[1]], issue.part[2]
            entity = declared.views[item.view].entity
            if key in keys or (entity is not None and (entity.name, key) in declared.wrong_keys):
                continue
            keys |= {key} if item.join[key] == key else set()
        kept.append(issue)
    return kept


def check_model_names(fields: Fields, declared: Declarations) -> None:
    """Report an unknown source of the spine of a model that is wrong in other ways."""
    spine = fields.get("spine")
    if isinstance(spine, Fields):
        check_declared("source", scalars(spine, "source"), declared)


def _views(model: Model, declared: Declarations) -> Mapping[str, FeatureView]:
    return {name: declared.views[name] for name in views_read(model.inputs) if name in declared.views}


def _warn_of_offline_views(model: Model, inputs: ResolvedInputs, declared: Declarations) -> None:
    """Warn of the views that keep a model from being served, once, where the first one is read."""
    views = _views(model, declared)
    read = {item.view: item.name for item in reversed(model.inputs) if isinstance(item, FeatureInput)}
    offline = [name for name in reversed(read) if name in views and not views[name].online]
    if not offline:
        return
    node = inputs.places[("feature", read[offline[0]])]
    named = ", ".join(f'"{name}"' for name in offline)
    word, are = ("view", "is") if len(offline) == 1 else ("views", "are")
    declared.report.warning(
        "FC356",
        f'model "{model.name}" can be scored and not served: {word} {named} {are} offline only',
        node if isinstance(node, Place) else node.span.place,
        note=f'leave "online: false" out of {", ".join(offline)} to serve the model',
    )


def _add(
    shape: ViewFeaturesShape | OneFeatureShape | RequestShape | DerivedFeaturesShape,
    inputs: ResolvedInputs,
    declared: Declarations,
) -> None:
    match shape:
        case ViewFeaturesShape():
            _add_view(shape, inputs, declared)
        case OneFeatureShape():
            _add_one(shape, inputs, declared)
        case RequestShape():
            _add_request(shape, inputs)
        case DerivedFeaturesShape():
            for item in shape.derived:
                _add_derived(item, inputs)


def _add_view(shape: ViewFeaturesShape, inputs: ResolvedInputs, declared: Declarations) -> None:
    node = shape.fields.scalar("view")
    inputs.views.add(shape.view)
    view = declared.find(declared.views, "feature_view", shape.view, node)
    if view is None or node is None:
        return
    known = feature_names(view)
    wanted = [(item.text, item) for item in selected(shape)]
    if shape.features is None:
        wanted = [(name, shape.fields.scalar("features") or node) for name in known]
    join = shape.fields.get("join")
    join_fields = join if isinstance(join, Fields) else None
    if view.entity is not None:
        check_join_keys(join_fields, view.entity, declared)
    prefix = shape.prefix or ""
    old = old_names(view)
    for feature, place in wanted:
        if (current := _find(view, feature, place, declared)) is not None:
            item = _input(view, current, f"{prefix}{feature}", shape.join or {})
            _place_input(item, place, join_fields, inputs)
            inputs.old_columns |= {f"{prefix}{alias}": item.name for alias, name in old.items() if name == feature}


def _add_one(shape: OneFeatureShape, inputs: ResolvedInputs, declared: Declarations) -> None:
    view_name, feature = shape.feature
    node = shape.fields.scalar("feature")
    inputs.views.add(view_name)
    view = declared.find(declared.views, "feature_view", view_name, node)
    current = _find(view, feature, node, declared) if view is not None and node is not None else None
    if view is None or node is None or current is None:
        return
    if shape.categories is not None and shape.type != CATEGORY:
        message = '"categories" goes with "type: category"'
        declared.report.error("FC107", message, shape.fields.keys["categories"].place)
    item = replace(
        _input(view, current, shape.as_ or feature, {}),
        model_dtype=shape.type,
        default=shape.default,
        categories=shape.categories,
    )
    for key in ("type", "default"):
        if (written := shape.fields.scalar(key)) is not None:
            inputs.places[("feature", item.name, key)] = written
    _place_input(item, shape.fields.scalar("as") or node, None, inputs)


def _input(view: FeatureView, feature: str, name: str, join: Mapping[str, str]) -> FeatureInput:
    return FeatureInput(
        name=name,
        view=view.name,
        feature=feature,
        join={key: join.get(key, key) for key in view.keys},
        dtype=None,
        model_dtype=None,
    )


def _place_input(item: FeatureInput, place: ScalarNode, join: Fields | None, inputs: ResolvedInputs) -> None:
    inputs.places.setdefault(("feature", item.name), place)
    for key in item.join:
        inputs.places.setdefault(("join", item.name, key), (join.scalar(key) if join else None) or place)
    inputs.add(item, place)


def feature_names(view: FeatureView) -> list[str]:
    """Return the names of a view's features and derived ones, in order."""
    return [f.name for f in view.features] + [d.name for d in view.derived]


def _find(view: FeatureView, feature: str, node: ScalarNode, declared: Declarations) -> str | None:
    """Return what a feature of a view is called, with a warning of an old name.

    None, and FC201 with both places, when it has none of the name (silent for a broken view).
    """
    found = find_feature(view, feature)
    if found is not None:
        if found.by_alias:
            warn_of_old_name(feature, found.current, node.span.place, declared)
        return found.current
    known = feature_names(view)
    if ("feature_view", view.name) not in declared.broken:
        suggestion = did_you_mean(feature, known)
        declared.report.add(
            Problem(
                code="FC201",
                message=f'feature view "{view.name}" has no feature "{feature}"',
                place=node.span.place,
                suggestion=suggestion,
                notes=() if suggestion else (f"features: {', '.join(known)}",),
                related=((declared.names[("feature_view", view.name)], f'"{view.name}" is declared here'),),
            )
        )
    return None


def _add_request(shape: RequestShape, inputs: ResolvedInputs) -> None:
    fields = shape.fields.get("request")
    assert isinstance(fields, Fields)
    for name, model_dtype in shape.request.items():
        place = fields.keys[name].place
        inputs.places.setdefault(("request", name), place)
        dtype = STRING if model_dtype == CATEGORY else model_dtype
        inputs.add(RequestInput(name=name, dtype=dtype, model_dtype=model_dtype), place)


def _add_derived(shape: DerivedShape, inputs: ResolvedInputs) -> None:
    part: Part = ("derived", shape.name)
    for key, words in (("expr", part), ("default", (*part, "default"))):
        if (node := shape.fields.scalar(key)) is not None:
            inputs.places.setdefault(words, node)
    item = DerivedInput(name=shape.name, expression=Expression(shape.expr), dtype=None, default=shape.default)
    inputs.add(item, shape.fields.head)


def _use_current_columns(inputs: ResolvedInputs, declared: Declarations) -> None:
    """Rewrite derived columns that read a feature of a whole view by an old name of it, with a warning each."""
    current = {old: name for old, name in inputs.old_columns.items() if old not in inputs.items}
    for name, item in inputs.items.items() if current else ():
        if isinstance(item, DerivedInput):
            inputs.items[name] = with_current_columns(item, current, inputs.places, declared)


def _spine(shape: ModelShape, declared: Declarations) -> Spine:
    written = shape.spine
    source = declared.find(declared.sources, "source", written.source, written.fields.scalar("source"))
    label = _label(written.label, declared) if written.label else None
    where = Expression(written.where) if written.where is not None else None
    return Spine(
        source=source or UNKNOWN_SOURCE, time=written.time, where=where, label=label, known_at=written.known_at
    )


def _label(shape: LabelShape, declared: Declarations) -> Label | None:
    fields = shape.fields
    entity: Entity | None = None
    source: Source | None = None
    if shape.horizon is not None:
        if shape.op is not None and not _runs_ahead(shape.op, shape, declared):
            return None
        if shape.entity is not None:
            entity = declared.find(declared.entities, "entity", shape.entity, fields.scalar("entity"))
        if shape.source is not None:
            source = declared.find(declared.sources, "source", shape.source, fields.scalar("source"))
        if entity is None or source is None or shape.op is None:
            return None
    elif shape.op is not None:  # half a horizon, reported already
        return None
    return Label(
        name=shape.name,
        expression=Expression(shape.expr) if shape.expr is not None else None,
        dtype=None,
        entity=entity,
        source=source,
        op=shape.op,
        column=shape.column,
        where=Expression(shape.where) if shape.where is not None else None,
        horizon_us=shape.horizon,
    )


def _runs_ahead(op: str, shape: LabelShape, declared: Declarations) -> bool:
    """Return whether an aggregate can be taken over a horizon; what is wrong with it is reported."""
    fields = shape.fields
    if op not in AGGREGATES:
        near = meant_aggregate(op)
        declared.report.error("FC104", f'no aggregate "{op}"', fields.place("op"), suggestion=near)
        return False
    aggregate = AGGREGATES[op]
    if aggregate.parameter is not None:
        declared.report.error("FC304", f'{op} needs "{aggregate.parameter}", which a label lacks', fields.place("op"))
        return False
    if aggregate.needs_column and shape.column is None:
        declared.report.error("FC304", f'{op} needs a "column"', fields.place("op"))
        return False
    return True


def _spine_places(shape: ModelShape, inputs: ResolvedInputs) -> None:
    written = shape.spine
    for key in ("time", "where", "known_at"):
        if (node := written.fields.scalar(key)) is not None:
            inputs.places[(key,)] = node
    if shape.on_events is not None and (node := shape.on_events.fields.scalar("where")) is not None:
        inputs.places[("on_events", "where")] = node
    if written.label is not None:
        inputs.places[("label",)] = written.label.fields.head
        for key, value in written.label.fields.nodes.items():
            if isinstance(value, ScalarNode):
                inputs.places[("label", key)] = value


def _validation_source(shape: TrainerShape | None, declared: Declarations) -> Source | None:
    validation = shape.validation if shape else None
    if validation is None or validation.source is None:
        return None
    return declared.find(declared.sources, "source", validation.source, validation.fields.scalar("source"))


def _trainer(shape: TrainerShape | None, judged_on: Source | None) -> Trainer | None:
    if shape is None:
        return None
    plain, validation = Trainer(), shape.validation
    fraction = validation.fraction if validation and validation.fraction is not None else plain.split_fraction
    return Trainer(
        estimator=shape.estimator,
        run=shape.run,
        params=shape.params or {},
        split_fraction=fraction,
        validation_source=judged_on,
        sample=plain.sample if shape.sample is None else shape.sample,
        seed=shape.seed,
    )


def _model(shape: ModelShape, spine: Spine, inputs: ResolvedInputs, judged_on: Source | None) -> Model:
    missing = shape.missing
    return Model(
        name=shape.name,
        spine=spine,
        inputs=tuple(inputs.items.values()),
        trainer=_trainer(shape.trainer, judged_on),
        output_name=shape.output.name if shape.output else "score",
        output_dtype=shape.output.type if shape.output else None,
        allow_pickle=shape.allow_pickle,
        missing_no_row=(missing.no_row if missing else None) or "use",
        missing_stale=(missing.stale if missing else None) or "use",
        missing_max_age_us=missing.max_age if missing else None,
        gates=gates_of(shape.gates),
        canary=canary_of(shape.canary),
        on_events=on_events_of(shape.on_events),
        about=About(description=shape.description, owner=shape.owner, tags=shape.tags),
    )
