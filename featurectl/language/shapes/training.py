"""The language, as it is written: models, their spine, features and trainer."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.core.dtypes import SCALARS
from featurectl.language.definitions.bounds import SEED, check_number
from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.gates import CanaryShape, GatesShape
from featurectl.language.shapes.on_events import OnEventsShape
from featurectl.language.shapes.rules import GoesWith, JsonSchema, KeyRule, Needs, OneOf
from featurectl.language.shapes.values import (
    NAME_SCHEMA,
    AnyConstant,
    AnyText,
    Dtype,
    Duration,
    Flag,
    Listed,
    Mapped,
    Name,
    NamedMapped,
    Number,
    PlainData,
    Some,
    Text,
    Whole,
    describe,
    expect,
    fail,
    one_of,
    read_name,
    read_some,
    read_type,
    type_schema,
    words_schema,
)
from featurectl.language.shapes.view import DerivedShape, Op
from featurectl.language.syntax.node import Fields, Items, ScalarNode

CATEGORY = "category"
ALL = "*"


def _read_model_type(node: object, info: ValidationInfo) -> str:
    if isinstance(node, ScalarNode) and node.text == CATEGORY:
        return CATEGORY
    return read_type(node, info)


_NAMED_AS: Final = re.compile(r"([a-z]\w*) +as +([a-z]\w*)", re.IGNORECASE)


def _read_selection(node: object, info: ValidationInfo) -> tuple[str, ...] | None:
    if isinstance(node, ScalarNode):
        if node.text != ALL:
            fail(info, "FC101", f'expected a list of features or "*", found {node.text!r}', node)
        return None
    return tuple(_read_selected(item, info) for item in read_some(node, info))


def _read_selected(node: object, info: ValidationInfo) -> str:
    """Return the name of a feature, which has another one in an item of its own alone."""
    named = _NAMED_AS.fullmatch(node.text) if isinstance(node, ScalarNode) else None
    if named is not None:
        meant = f'did you mean - {{feature: "VIEW:{named[1]}", as: {named[2]}}}?'
        fail(info, "FC105", f'"{named[0]}" is no name of a feature', node, meant)
    return read_name(node, info)


def _read_qualified(node: object, info: ValidationInfo) -> tuple[str, str]:
    scalar = expect(ScalarNode, node, info)
    view, colon, feature = scalar.text.partition(":")
    if not (view and colon and feature):
        fail(info, "FC104", f'"{scalar.text}" is not view:feature', node)
    return view, feature


_SELECTION: JsonSchema = {"anyOf": [{"const": ALL}, {"type": "array", "items": NAME_SCHEMA, "minItems": 1}]}
_POLICY = ("use", "warn", "reject")
ModelType = Annotated[str, PlainValidator(_read_model_type), WithJsonSchema(type_schema((*SCALARS, CATEGORY)))]
Selection = Annotated[tuple[str, ...] | None, PlainValidator(_read_selection), WithJsonSchema(_SELECTION)]
Qualified = Annotated[
    tuple[str, str], PlainValidator(_read_qualified), WithJsonSchema({"type": "string", "pattern": "^[^:]+:[^:]+$"})
]
PolicyWord = Annotated[
    Literal["use", "warn", "reject"],
    PlainValidator(one_of(*_POLICY)),
    WithJsonSchema(words_schema(*_POLICY)),
]
Split = Annotated[Literal["time"], PlainValidator(one_of("time")), WithJsonSchema(words_schema("time"))]


class LabelShape(ObjectShape):
    """What the model predicts: a column or expression of the spine, or what happens in a horizon after it."""

    what: ClassVar[str] = "label"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        GoesWith(("entity", "source", "op", "column", "where"), "horizon"),
        Needs("horizon", ("entity", "source", "op")),
    )
    name: Name = Field(description="The label's name; without `expr` also the column of the spine.")
    expr: AnyText | None = Field(
        None,
        description="An SQL expression over the spine's columns; with a horizon, over its aggregate.",
        examples=["arr_delay > 15"],
    )
    entity: Name | None = Field(None, description="With a horizon: the entity whose rows are aggregated.")
    source: Name | None = Field(None, description="With a horizon: the source of the rows.")
    op: Op | None = Field(None, description="With a horizon: how its rows become one value.")
    column: Text | None = Field(None, description="With a horizon: the column to aggregate.")
    where: AnyText | None = Field(None, description="With a horizon: only rows for which this SQL expression is true.")
    horizon: Duration | None = Field(
        None, description="How far after t to look: rows with t <= event_time < t + horizon."
    )


class SpineShape(ObjectShape):
    """The moments at which the model is asked: one row of a training set each."""

    what: ClassVar[str] = "spine"
    source: Name = Field(description="The source whose rows are the moments, with the entities' keys.")
    time: Text = Field(description="Its column that says when the model is asked: the time t of the features.")
    known_at: Text | None = Field(
        None,
        description="Its column that says when the answer is made: rows that were available by then count, in windows "
        "that end at t. `available_at`: when the row itself became available. By default t.",
        examples=["available_at"],
    )
    where: AnyText | None = Field(None, description="Only rows for which this SQL expression is true.")
    label: LabelShape | None = Field(None, description="What the model predicts.")


class ViewFeaturesShape(ObjectShape):
    """Features of one view."""

    what: ClassVar[str] = "selection of a view's features"
    view: Name = Field(description="The feature view.")
    features: Selection = Field(description='The features by name, or "*" for all of them.')
    join: Mapped[Text] | None = Field(
        None,
        description="Which column of the spine holds each key of the entity, where the names differ.",
        examples=[{"airport": "origin"}],
    )
    prefix: Name | None = Field(None, description="What stands before the features' names in the training set.")


class OneFeatureShape(ObjectShape):
    """One feature, with what the model makes of it."""

    what: ClassVar[str] = "feature of a model"
    feature: Qualified = Field(description="The view and the feature, as view:feature, in quotes.")
    as_: Name | None = Field(None, alias="as", description="Its name in the training set.")
    default: AnyConstant = Field(None, description="What stands in place of null, for this model.")
    type: ModelType | None = Field(
        None, description="The type that the model sees; `category` for a text with few values."
    )
    categories: Some[AnyText] | None = Field(
        None, description="The values of a category. Left out: those of the training set; an unseen one is null."
    )


class RequestShape(ObjectShape):
    """Columns that the caller brings."""

    what: ClassVar[str] = "request columns"
    request: NamedMapped[ModelType] = Field(
        description="Columns that the caller brings, with their types; in training they are the spine's."
    )


class DerivedFeaturesShape(ObjectShape):
    """Row-level features over all others."""

    what: ClassVar[str] = "derived features"
    derived: Some[DerivedShape] = Field(
        description="Features computed from all of the above, alike in training, in batch and at request time."
    )


ModelFeatureShape = ViewFeaturesShape | OneFeatureShape | RequestShape | DerivedFeaturesShape
_BY_KEY: dict[str, type[ViewFeaturesShape | OneFeatureShape | RequestShape | DerivedFeaturesShape]] = {
    "view": ViewFeaturesShape,
    "feature": OneFeatureShape,
    "request": RequestShape,
    "derived": DerivedFeaturesShape,
}


def _read_model_feature(node: object, info: ValidationInfo) -> ModelFeatureShape:
    if isinstance(node, ScalarNode) and ":" in node.text:
        meant = f'did you mean {{feature: "{node.text}"}}?'
        fail(info, "FC101", f"expected a mapping, found {describe(node)}", node, meant)
    fields = expect(Fields, node, info)
    for key, shape in _BY_KEY.items():
        if key in fields.nodes:
            return shape.model_validate(fields, context=info.context)
    return ViewFeaturesShape.model_validate(_by_view_name(fields, info), context=info.context)


def _by_view_name(fields: Fields, info: ValidationInfo) -> Fields:
    """Return `{view: V, features: F}` for `{V: F}`."""
    if len(fields.nodes) != 1:
        forms = "{view_name: [..]}, {view, features, join, prefix}, {feature: view:name}, {request} or {derived}"
        fail(info, "FC107", f"expected one of {forms}", fields)
    ((key, value),) = fields.nodes.items()
    span = fields.keys[key]
    view = ScalarNode(key, key, span, "")
    return Fields({"view": view, "features": value}, {"view": span, "features": value.span}, fields.span)


class _AnyForm:
    """In JSON Schema, one of the forms of a model feature, distinguished by its key as in reading."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        forms = handler(core_schema)["anyOf"]
        named = {
            "title": "view_name: [features]",
            "description": 'A feature view by its name, with its features by name, or "*" for all of them.',
            "type": "object",
            "propertyNames": {"pattern": NAME_SCHEMA["pattern"], "not": {"enum": list(_BY_KEY)}},
            "additionalProperties": _SELECTION,
            "minProperties": 1,
            "maxProperties": 1,
        }
        made: JsonSchemaValue = {"anyOf": [*forms, named]}  # what an editor offers before there is any key
        for key, form in reversed(list(zip(_BY_KEY, forms, strict=True))):
            made = {"if": {"type": "object", "required": [key]}, "then": form, "else": made}
        return made


ModelFeature = Annotated[
    ModelFeatureShape, PlainValidator(_read_model_feature, json_schema_input_type=ModelFeatureShape), _AnyForm()
]


class MissingShape(ObjectShape):
    """What a prediction does without features, at request time only."""

    what: ClassVar[str] = "missing"
    no_row: PolicyWord | None = Field(None, description="When an entity has no row: use null, warn too, or reject.")
    stale: PolicyWord | None = Field(
        None, description="When values are older than `max_age`: use, warn too, or reject."
    )
    max_age: Duration | None = Field(None, description="How old the values of features may be.")


class ValidationShape(ObjectShape):
    """The rows that the model is judged on, and not trained on."""

    what: ClassVar[str] = "validation"
    rules: ClassVar[tuple[KeyRule, ...]] = (OneOf(("split", "source")), GoesWith(("fraction",), "split"))
    split: Split | None = Field(None, description="`time`: the last rows by time.")
    fraction: Number | None = Field(
        None,
        description="The share of rows in the split: above 0 and below 1.",
        json_schema_extra={"exclusiveMinimum": 0, "exclusiveMaximum": 1},
    )
    source: Name | None = Field(
        None, description="A source whose rows, all of them, judge the model, in place of a split."
    )

    def check_keys(self, report: Report) -> None:
        """A split, or a source."""
        ObjectShape.check_keys(self, report)
        _check_share(self, "fraction", report)


class TrainerShape(ObjectShape):
    """How the model is made: an estimator, or a command."""

    what: ClassVar[str] = "trainer"
    rules: ClassVar[tuple[KeyRule, ...]] = (OneOf(("estimator", "run")),)
    estimator: Text | None = Field(
        None,
        description="Any importable class with fit and predict, or `package.module:function`, which scores as it is.",
        examples=["lightgbm.LGBMClassifier", "sklearn.linear_model.LogisticRegression"],
    )
    run: Text | None = Field(
        None, description="A command that trains, in place of an estimator: it leaves a model in FEATURECTL_OUT."
    )
    params: PlainData | None = Field(
        None, description="What the estimator is made with.", examples=[{"early_stopping_rounds": 20}]
    )
    seed: Whole = Field(
        0,
        description="Makes training repeatable; it reaches the estimator's random_state.",
        json_schema_extra=SEED.schema(),
    )
    sample: Number | None = Field(
        None,
        description="The share of rows to train on: above 0, at most 1.",
        json_schema_extra={"exclusiveMinimum": 0, "maximum": 1},
    )
    validation: ValidationShape | None = Field(None, description="Which rows the model is judged on.")

    def check_keys(self, report: Report) -> None:
        """An estimator, or a command."""
        ObjectShape.check_keys(self, report)
        _check_share(self, "sample", report)
        if self.seed:
            check_number("seed", self.seed, SEED, self.fields.place("seed"), report)


def _check_share(shape: ObjectShape, key: str, report: Report) -> None:
    value = getattr(shape, key)
    highest = 1.0
    if value is not None and not (0 < value < highest or (key == "sample" and value == highest)):
        report.error("FC104", f'"{key}" is a share above 0 and below 1, not {value:g}', shape.fields.place(key))


class OutputShape(ObjectShape):
    """The score's column."""

    what: ClassVar[str] = "output"
    name: Name = Field(description="The name of the score's column.")
    type: Dtype | None = Field(None, description="The type of the score.")


class ModelShape(ObjectShape):
    """A model bound to features: what it is asked, what it sees, and how it is made."""

    what: ClassVar[str] = "model"
    name: Name = Field(description="The model's name: `train NAME`, `score NAME`.")
    spine: SpineShape = Field(description="The moments at which the model is asked.")
    features: Some[ModelFeature] = Field(description="What the model sees, in the order of the training set.")
    missing: MissingShape | None = Field(None, description="What a prediction does without features.")
    trainer: TrainerShape | None = Field(None, description="How the model is made.")
    output: OutputShape | None = Field(None, description="The score's column; `score` when left out.")
    gates: GatesShape | None = Field(
        None, description="What a version must reach: min_METRIC, max_METRIC, min_METRIC_gain_over_champion and more."
    )
    canary: CanaryShape | None = Field(None, description="How a new version takes over, a share of requests at a time.")
    on_events: OnEventsShape | None = Field(
        None, description="A prediction for each event of the spine's source: where they go, and of which events."
    )
    allow_pickle: Flag = Field(
        False, description="Whether the model may be a pickle or a function, which can run any code."
    )
    description: Text = Field("", description="The question that it answers, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")


def selected(shape: ViewFeaturesShape) -> list[ScalarNode]:
    """Return the scalars of the features that are named; empty for `"*"`."""
    node = shape.fields.get("features")
    return [item for item in node if isinstance(item, ScalarNode)] if isinstance(node, Items) else []
