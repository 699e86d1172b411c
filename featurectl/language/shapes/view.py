"""The language, as it is written: feature views and feature tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.checks import CheckShape
from featurectl.language.shapes.rules import Apart, GoesWith, JsonSchema, KeyRule, Needs, OneOf
from featurectl.language.shapes.source import FreshnessShape
from featurectl.language.shapes.values import (
    NAME_SCHEMA,
    AnyConstant,
    AnyText,
    ColumnName,
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
    describe,
    fail,
    one_of,
    read_items,
    read_plain,
    read_text,
    words_schema,
)
from featurectl.language.syntax.node import Fields, Items, ScalarNode

_CLOSED = ("left", "right", "both", "none")
ClosedWord = Annotated[
    Literal["left", "right", "both", "none"], PlainValidator(one_of(*_CLOSED)), WithJsonSchema(words_schema(*_CLOSED))
]
Fill = Annotated[
    Literal["last_non_null"], PlainValidator(one_of("last_non_null")), WithJsonSchema(words_schema("last_non_null"))
]
Op = Annotated[str, PlainValidator(read_text), WithJsonSchema(words_schema(*AGGREGATES))]


class AggregateShape(ObjectShape):
    """Aggregates of one column over windows: one feature for each op and window, named COLUMN_OP_WINDOW."""

    what: ClassVar[str] = "aggregate"
    later_rules: ClassVar[tuple[KeyRule, ...]] = (Needs("where", ("name",)),)
    op: OneOrMore[Op] = Field(
        description="How the rows of a window become one value; or a list. `last_n`, `first_n` and `top_k` need `n`, "
        "`percentile` needs `q`, and all but `count` a `column`."
    )
    windows: Some[Window] = Field(
        description="How far back from t: rows with t - window <= event_time < t and available_at <= t. "
        "`lifetime` is all rows before t."
    )
    column: Text | None = Field(None, description="The column of the source, or of its `select`, to aggregate.")
    name: Name | None = Field(
        None, description="The features' name before `_WINDOW`; COLUMN_OP when left out. It goes with one op alone."
    )
    n: Whole | None = Field(None, description="How many values `last_n`, `first_n` and `top_k` keep: 1 to 10,000.")
    q: Number | None = Field(None, description="Which quantile `percentile` takes: above 0 and below 1, like 0.9.")
    where: AnyText | None = Field(
        None, description="Only rows for which this SQL expression is true. The aggregate then needs a `name`."
    )
    offset: Duration | None = Field(None, description="Shifts the windows back: [t - offset - window, t - offset).")
    default: AnyConstant = Field(None, description="What stands in place of null.")
    freshness: FreshnessShape | None = Field(
        None, description="How old what is served of it may be, in place of the view's `freshness`."
    )
    description: Text = Field("", description="What it says, for people.")
    aliases: Listed[Name] = Field(
        (), description="What stood before `_WINDOW` in earlier names of its features, which go on to be answered."
    )

    @classmethod
    def json_rules(cls) -> JsonSchema:
        """Return the rules between the keys, and what each op needs beside it."""
        needed = [
            _op_needs("n", [op for op, aggregate in AGGREGATES.items() if aggregate.parameter == "n"]),
            _op_needs("q", [op for op, aggregate in AGGREGATES.items() if aggregate.parameter == "q"]),
            _op_needs("column", [op for op, aggregate in AGGREGATES.items() if aggregate.needs_column]),
        ]
        return {"allOf": [super().json_rules(), *needed]}


def _op_needs(key: str, ops: list[str]) -> JsonSchema:
    """Return the schema in which an aggregate with one of the ops has a key."""
    named = words_schema(*ops)
    condition = {"anyOf": [named, {"type": "array", "contains": named}]}
    return {"if": {"properties": {"op": condition}, "required": ["op"]}, "then": {"required": [key]}}


class FeatureShape(ObjectShape):
    """A feature of a state view; a name alone is the column of that name."""

    what: ClassVar[str] = "feature"
    other_words: ClassVar[Mapping[str, str]] = {"column": "expr", "expression": "expr", "sql": "expr"}
    name: Name = Field(description="The feature's name; without `expr` also the column of the source.")
    expr: AnyText | None = Field(
        None, description="An SQL expression over the columns of a row.", examples=["wind_speed * 1.609344"]
    )
    type: Dtype | None = Field(None, description="The type to give it. A transform's features need it.")
    default: AnyConstant = Field(
        None, description="What stands in place of null: no row, a null value, or an expired one."
    )
    fill: Fill | None = Field(None, description="`last_non_null` looks back past null values of the entity.")
    freshness: FreshnessShape | None = Field(
        None, description="How old what is served of it may be, in place of the view's `freshness`."
    )
    description: Text = Field("", description="What it says, and its unit, for people.")
    aliases: Listed[Name] = Field((), description="Earlier names of it, which go on to be answered.")

    @classmethod
    def read_fields(cls, node: object) -> object:
        """Return the mapping that a name alone stands for."""
        if isinstance(node, ScalarNode):
            return Fields({"name": ColumnName(*node)}, {"name": node.span}, node.span)
        return node


class _NameOrMapping:
    """In JSON Schema, a name or the mapping."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [NAME_SCHEMA, handler(core_schema)]}


FeatureItem = Annotated[FeatureShape, _NameOrMapping()]


class DerivedShape(ObjectShape):
    """A feature computed from others when they are read."""

    what: ClassVar[str] = "derived feature"
    name: Name = Field(description="The feature's name.")
    expr: AnyText = Field(
        description="An SQL expression over the other features; in a view, `asof` is the time t of the reading.",
        examples=["seconds_between(ordered_at_last_lifetime, asof)"],
    )
    default: AnyConstant = Field(None, description="What stands in place of null.")
    freshness: FreshnessShape | None = Field(
        None, description="How old what is served of it may be, in place of the view's `freshness`."
    )
    description: Text = Field("", description="What it says, for people.")


class ViewDerivedShape(DerivedShape):
    """A feature of a view, computed from its others when they are read."""

    aliases: Listed[Name] = Field((), description="Earlier names of it, which go on to be answered.")


class FeatureViewShape(ObjectShape):
    """Features of an entity from one source: windows over its rows (`aggregates`), or its latest row (`features`)."""

    what: ClassVar[str] = "feature view"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        OneOf(("aggregates", "features")),
        Apart("aggregates", "transform"),
        GoesWith(("hop", "closed"), "aggregates"),
        GoesWith(("ttl",), "features"),
        GoesWith(("lookback",), "transform"),
        GoesWith(("join",), "entity"),
    )
    name: Name = Field(description="The view's name; models say `VIEW: [features]`.")
    source: OneOrMore[Name] = Field(description="The source of its rows; a transform may take a list.")
    entity: Name | None = Field(None, description="What the features are about. Left out: one value for everyone.")
    join: Mapped[Text] | None = Field(
        None,
        description="Which column of the source holds each key of the entity, where the names differ.",
        examples=[{"airport": "origin"}],
    )
    where: AnyText | None = Field(None, description="Only rows for which this SQL expression is true.")
    aggregates: Some[AggregateShape] | None = Field(
        None, description="An event view: a row is something that happened, and windows before t are aggregated."
    )
    hop: Duration | None = Field(
        None,
        description="Windows whose start moves in such steps, so that a stream may forget single events; at most a "
        "quarter of the shortest window.",
    )
    closed: ClosedWord | None = Field(
        None, description="Which ends of a window belong to it; `left` when left out: the moment t itself does not."
    )
    features: Some[FeatureItem] | None = Field(
        None, description="A state view: from event_time on an entity has the values of its latest row known at t."
    )
    ttl: Duration | None = Field(
        None, description="How long a row stays true after event_time; without end when left out."
    )
    transform: Text | None = Field(
        None,
        description="A Python function that makes the rows, as file.py:function; `features` declares what it returns.",
        examples=["transforms/routes.py:block_times"],
    )
    lookback: Duration | None = Field(None, description="How far back a new row can change what the transform returns.")
    derived: Listed[ViewDerivedShape] = Field(
        (), description="Features computed from the view's own when they are read."
    )
    online: Flag = Field(True, description="Whether the view is in the online store; it is when this is left out.")
    refresh: Duration | None = Field(None, description="How often its online values are meant to be computed.")
    retention: Duration | None = Field(None, description="How far back its table is kept; all of it when left out.")
    freshness: FreshnessShape | None = Field(
        None, description="How old what is served may be; a feature may have its own."
    )
    checks: Listed[CheckShape] = Field((), description="Checks of the view's rows.")
    description: Text = Field("", description="What the features say, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")


def _read_test_rows(node: object, info: ValidationInfo) -> dict[str, list[dict[str, object]]]:
    """Return the rows of a feature test by the name of their source; those of a list under no name."""
    if not isinstance(node, Fields | Items):
        fail(info, "FC101", f"expected a list, or a mapping of lists, found {describe(node)}", node)
    lists = node.nodes if isinstance(node, Fields) else {"": node}
    return {name: [read_plain(item, info) for item in read_items(items, info)] for name, items in lists.items()}


_ROWS_SCHEMA: JsonSchema = {"type": "array", "items": {"type": "object"}}
TestRows = Annotated[
    dict[str, list[dict[str, object]]],
    PlainValidator(_read_test_rows),
    WithJsonSchema(
        {
            "anyOf": [
                _ROWS_SCHEMA,
                {
                    "type": "object",
                    "propertyNames": {"pattern": NAME_SCHEMA["pattern"]},
                    "additionalProperties": _ROWS_SCHEMA,
                },
            ]
        }
    ),
]


class FeatureTestShape(ObjectShape):
    """A unit test of features: rows in, values out. `featurectl test` runs it without any store."""

    what: ClassVar[str] = "test"
    rules: ClassVar[tuple[KeyRule, ...]] = (OneOf(("view", "model")),)
    name: Text = Field(description="What holds, as a sentence.")
    rows: TestRows = Field(
        description="Rows of the source before `select`. Columns left out are null; available_at is event_time + delay,"
        " of a stream event_time."
        " A transform or a model that reads several sources needs a mapping: each source's name and its rows."
    )
    spine: Some[PlainData] = Field(
        description="The questions: the entity's keys and a `time` each. Of a model: the columns of its spine that it "
        "needs for what is expected, and the time under its own name or `time`."
    )
    expect: Some[PlainData] = Field(
        description="The answer to each question, in order: the features to compare with their values. Of a model: "
        "columns of its training set."
    )
    view: Name | None = Field(None, description="The feature view to test.")
    model: Name | None = Field(None, description="The model whose features to test.")
