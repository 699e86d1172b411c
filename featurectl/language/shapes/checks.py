"""The language, as it is written: checks of sources and views."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import GoesWith, JsonSchema, KeyRule, OneOf, When
from featurectl.language.shapes.values import (
    AnyConstant,
    Flag,
    Number,
    Some,
    Text,
    fail,
    one_of,
    read_int,
    read_items,
    read_number,
    words_schema,
)
from featurectl.language.syntax.node import Items


def _read_pair(node: object, info: ValidationInfo) -> tuple[float, float]:
    items = read_items(node, info)
    if len(items) != 2:
        fail(info, "FC104", f"expected two numbers, found {len(items)}", node)
    low, high = (read_number(item, info) for item in items)
    if low > high:
        fail(info, "FC104", f"the lower bound {low:g} is above the upper one {high:g}", node)
    return low, high


def _read_row_count(node: object, info: ValidationInfo) -> tuple[float, float]:
    return _read_pair(node, info) if isinstance(node, Items) else (float(read_int(node, info)), float("inf"))


_PAIR: JsonSchema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


Pair = Annotated[tuple[float, float], PlainValidator(_read_pair), WithJsonSchema(_PAIR)]


RowCount = Annotated[
    tuple[float, float],
    PlainValidator(_read_row_count),
    WithJsonSchema({"anyOf": [{"type": "integer"}, _PAIR]}),
]


_OTHER_SEVERITIES: Final = {
    "critical": "error", "fatal": "error", "fail": "error", "high": "error", "info": "warn", "low": "warn",
    "medium": "warn",
}  # fmt: skip
CheckSeverity = Annotated[
    Literal["warn", "error"],
    PlainValidator(one_of("warn", "error", others=_OTHER_SEVERITIES)),
    WithJsonSchema(words_schema("warn", "error")),
]


_OF_COLUMN: Final = ("not_null", "unique", "between", "in", "matches", "max_null_rate")


class CheckShape(ObjectShape):
    """A check of the rows that are read: of one column, of their number, or of what a query finds."""

    what: ClassVar[str] = "check"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        When(
            "column",
            then=(OneOf(_OF_COLUMN),),
            otherwise=(OneOf(("row_count", "sql")), GoesWith(_OF_COLUMN, "column")),
        ),
    )
    column: Text | None = Field(None, description="The column to check, beside one of the checks of a column.")
    not_null: Flag | None = Field(None, description="`true`: no value is null.")
    unique: Flag | None = Field(None, description="`true`: no value is there twice.")
    between: Pair | None = Field(None, description="The least and the greatest value, both allowed.")
    in_: Some[AnyConstant] | None = Field(None, alias="in", description="The values that are allowed.")
    matches: Text | None = Field(None, description="A regular expression for the whole text.")
    max_null_rate: Number | None = Field(None, description="The share of nulls that is allowed, from 0 to 1.")
    row_count: RowCount | None = Field(None, description="The least number of rows, or [least, most].")
    sql: Text | None = Field(None, description="A query that finds the rows that are wrong.")
    severity: CheckSeverity = Field(
        "error", description="`error` (the default) keeps the last good table, `warn` only tells."
    )
