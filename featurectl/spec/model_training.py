"""The language, as it is written: models, their spine, features and trainer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.dtypes import SCALARS
from featurectl.spec.model_operations import CanaryShape, Gates
from featurectl.spec.model_view import DerivedShape
from featurectl.spec.node import Fields, Items, Scalar
from featurectl.spec.report import Report
from featurectl.spec.shape import Shape
from featurectl.spec.values import (
    AnyConstant,
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
    expect,
    fail,
    one_of,
    read_name,
    read_some,
    read_type,
)

CATEGORY = "category"
ALL = "*"


def _read_model_type(node: object, info: ValidationInfo) -> str:
    if isinstance(node, Scalar) and node.text == CATEGORY:
        return CATEGORY
    return read_type(node, info)


def _read_selection(node: object, info: ValidationInfo) -> tuple[str, ...] | None:
    if isinstance(node, Scalar):
        if node.text != ALL:
            fail(info, "FC101", f'expected a list of features or "*", found {node.text!r}', node)
        return None
    return tuple(read_name(item, info) for item in read_some(node, info))


def _read_qualified(node: object, info: ValidationInfo) -> tuple[str, str]:
    scalar = expect(Scalar, node, info)
    view, colon, feature = scalar.text.partition(":")
    if not (view and colon and feature):
        fail(info, "FC104", f'"{scalar.text}" is not view:feature', node)
    return view, feature


ModelType = Annotated[
    str, PlainValidator(_read_model_type), WithJsonSchema({"type": "string", "examples": [*SCALARS, CATEGORY]})
]
Selection = Annotated[
    tuple[str, ...] | None,
    PlainValidator(_read_selection),
    WithJsonSchema({"anyOf": [{"const": "*"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Qualified = Annotated[
    tuple[str, str], PlainValidator(_read_qualified), WithJsonSchema({"type": "string", "pattern": "^[^:]+:[^:]+$"})
]
PolicyWord = Annotated[
    Literal["use", "warn", "reject"],
    PlainValidator(one_of("use", "warn", "reject")),
    WithJsonSchema({"enum": ["use", "warn", "reject"]}),
]
Split = Annotated[Literal["time"], PlainValidator(one_of("time")), WithJsonSchema({"enum": ["time"]})]


class LabelShape(Shape):
    """What the model predicts."""

    what: ClassVar[str] = "label"
    name: Name
    expr: Text | None = None
    entity: Name | None = None
    source: Name | None = None
    op: Text | None = None
    column: Text | None = None
    where: Text | None = None
    horizon: Duration | None = None

    def check_keys(self, report: Report) -> None:
        """A horizon needs what to aggregate."""
        self.only_with(report, ("entity", "source", "op", "column", "where"), "horizon")
        if "horizon" in self.fields.nodes:
            for key in ("entity", "source", "op"):
                if key not in self.fields.nodes:
                    report.error("FC103", f'no "{key}" in {self.called(self.fields)}', self.fields.head)


class SpineShape(Shape):
    """The moments at which the model is asked."""

    what: ClassVar[str] = "spine"
    source: Name
    time: Text
    where: Text | None = None
    label: LabelShape | None = None


class ViewFeaturesShape(Shape):
    """Features of one view."""

    what: ClassVar[str] = "selection of a view's features"
    view: Name
    features: Selection
    join: Mapped[Text] | None = None
    prefix: Name | None = None


class OneFeatureShape(Shape):
    """One feature, with what the model makes of it."""

    what: ClassVar[str] = "feature of a model"
    feature: Qualified
    as_: Annotated[Name | None, Field(alias="as")] = None
    default: AnyConstant = None
    type: ModelType | None = None
    categories: Some[Text] | None = None


class RequestShape(Shape):
    """Columns that the caller brings."""

    what: ClassVar[str] = "request columns"
    request: NamedMapped[ModelType]


class DerivedFeaturesShape(Shape):
    """Row-level features over all others."""

    what: ClassVar[str] = "derived features"
    derived: Some[DerivedShape]


ModelFeatureShape = ViewFeaturesShape | OneFeatureShape | RequestShape | DerivedFeaturesShape
_BY_KEY: dict[str, type[ViewFeaturesShape | OneFeatureShape | RequestShape | DerivedFeaturesShape]] = {
    "view": ViewFeaturesShape,
    "feature": OneFeatureShape,
    "request": RequestShape,
    "derived": DerivedFeaturesShape,
}


def _read_model_feature(node: object, info: ValidationInfo) -> ModelFeatureShape:
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
    view = Scalar(key, key, span, "")
    return Fields({"view": view, "features": value}, {"view": span, "features": value.span}, fields.span)


class _AnyForm:
    """In JSON Schema, one of the forms of a model feature."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del core_schema
        forms = [handler(shape.__pydantic_core_schema__) for shape in _BY_KEY.values()]
        selection = {"anyOf": [{"const": "*"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
        named = {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$", "not": {"enum": list(_BY_KEY)}},
            "additionalProperties": selection,
            "minProperties": 1,
            "maxProperties": 1,
        }
        return {"anyOf": [*forms, named]}


ModelFeature = Annotated[ModelFeatureShape, PlainValidator(_read_model_feature), _AnyForm()]


class MissingShape(Shape):
    """What a prediction does without features."""

    what: ClassVar[str] = "missing"
    no_row: PolicyWord | None = None
    stale: PolicyWord | None = None
    max_age: Duration | None = None


class ValidationShape(Shape):
    """Which rows the model is judged on."""

    what: ClassVar[str] = "validation"
    split: Split | None = None
    fraction: Number | None = None
    source: Name | None = None

    def check_keys(self, report: Report) -> None:
        """A split, or a source."""
        self.exactly_one(report, ("split", "source"))
        self.only_with(report, ("fraction",), "split")
        _check_share(self, "fraction", report)


class TrainerShape(Shape):
    """How the model is made."""

    what: ClassVar[str] = "trainer"
    estimator: Text | None = None
    run: Text | None = None
    params: PlainData | None = None
    seed: Whole = 0
    sample: Number | None = None
    validation: ValidationShape | None = None

    def check_keys(self, report: Report) -> None:
        """An estimator, or a command."""
        self.exactly_one(report, ("estimator", "run"))
        _check_share(self, "sample", report)


def _check_share(shape: Shape, key: str, report: Report) -> None:
    value = getattr(shape, key)
    highest = 1.0
    if value is not None and not (0 < value < highest or (key == "sample" and value == highest)):
        report.error("FC104", f'"{key}" is a share above 0 and below 1, not {value:g}', shape.fields.place(key))


class OutputShape(Shape):
    """The score's column."""

    what: ClassVar[str] = "output"
    name: Name
    type: Dtype | None = None


class ModelShape(Shape):
    """A model bound to features."""

    what: ClassVar[str] = "model"
    name: Name
    spine: SpineShape
    features: Some[ModelFeature]
    missing: MissingShape | None = None
    trainer: TrainerShape | None = None
    output: OutputShape | None = None
    gates: Gates | None = None
    canary: CanaryShape | None = None
    allow_pickle: Flag = False
    description: Text = ""
    owner: Text = ""
    tags: Listed[Text] = ()


def selected(shape: ViewFeaturesShape) -> list[Scalar]:
    """Return the scalars of the features that are named; empty for `"*"`."""
    node = shape.fields.get("features")
    return [item for item in node if isinstance(item, Scalar)] if isinstance(node, Items) else []
