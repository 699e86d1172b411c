"""The language, as it is written: feature views and feature tests."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.spec.model_operations import CheckShape
from featurectl.spec.model_source import FreshnessShape
from featurectl.spec.node import Fields, Scalar
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
    Number,
    OneOrMore,
    PlainData,
    Some,
    Text,
    Whole,
    Window,
    one_of,
)

ClosedWord = Annotated[
    Literal["left", "right", "both", "none"],
    PlainValidator(one_of("left", "right", "both", "none")),
    WithJsonSchema({"enum": ["left", "right", "both", "none"]}),
]
Fill = Annotated[
    Literal["last_non_null"], PlainValidator(one_of("last_non_null")), WithJsonSchema({"enum": ["last_non_null"]})
]


class AggregateShape(Shape):
    """Aggregates of one column over windows."""

    what: ClassVar[str] = "aggregate"
    op: OneOrMore[Text]
    windows: Some[Window]
    column: Text | None = None
    name: Name | None = None
    n: Whole | None = None
    q: Number | None = None
    where: Text | None = None
    offset: Duration | None = None
    default: AnyConstant = None
    description: Text = ""


class FeatureShape(Shape):
    """A feature of a state view; a name alone is the column of that name."""

    what: ClassVar[str] = "feature"
    name: Name
    expr: Text | None = None
    type: Dtype | None = None
    default: AnyConstant = None
    fill: Fill | None = None
    description: Text = ""

    @classmethod
    def read_fields(cls, node: object) -> object:
        """Return the mapping that a name alone stands for."""
        if isinstance(node, Scalar):
            return Fields({"name": node}, {"name": node.span}, node.span)
        return node


class _NameOrMapping:
    """In JSON Schema, a name or the mapping."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}, handler(core_schema)]}


FeatureItem = Annotated[FeatureShape, _NameOrMapping()]


class DerivedShape(Shape):
    """A row-level feature over others."""

    what: ClassVar[str] = "derived feature"
    name: Name
    expr: Text
    default: AnyConstant = None
    description: Text = ""


class FeatureViewShape(Shape):
    """A named group of features."""

    what: ClassVar[str] = "feature view"
    name: Name
    source: OneOrMore[Name]
    entity: Name | None = None
    join: Mapped[Text] | None = None
    where: Text | None = None
    aggregates: Some[AggregateShape] | None = None
    hop: Duration | None = None
    closed: ClosedWord | None = None
    features: Some[FeatureItem] | None = None
    ttl: Duration | None = None
    transform: Text | None = None
    lookback: Duration | None = None
    derived: Listed[DerivedShape] = ()
    online: Flag = True
    refresh: Duration | None = None
    retention: Duration | None = None
    freshness: FreshnessShape | None = None
    checks: Listed[CheckShape] = ()
    description: Text = ""
    owner: Text = ""
    tags: Listed[Text] = ()

    def check_keys(self, report: Report) -> None:
        """The three kinds of view, and the keys that belong to each."""
        self.exactly_one(report, ("aggregates", "features"))
        if "aggregates" in self.fields.nodes and "transform" in self.fields.nodes:
            self.exactly_one(report, ("aggregates", "transform"))
        self.only_with(report, ("hop", "closed"), "aggregates")
        self.only_with(report, ("ttl",), "features")
        self.only_with(report, ("lookback",), "transform")
        self.only_with(report, ("join",), "entity")


class FeatureTestShape(Shape):
    """A unit test of features."""

    what: ClassVar[str] = "test"
    name: Text
    rows: Listed[PlainData]
    spine: Some[PlainData]
    expect: Some[PlainData]
    view: Name | None = None
    model: Name | None = None

    def check_keys(self, report: Report) -> None:
        """A view's features, or a model's."""
        self.exactly_one(report, ("view", "model"))
