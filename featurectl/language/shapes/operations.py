"""The language, as it is written: checks, pipelines, alerts and notifiers."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal, cast

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from featurectl.core.nearest import did_you_mean
from featurectl.core.units import parse_duration
from featurectl.language.definitions.alerts import METRICS as ALERTED
from featurectl.language.definitions.alerts import (
    OF_ONE_MOMENT,
    SEVERITIES,
    WAYS,
    Condition,
    Metric,
    Operator,
    Severity,
    is_timed,
)
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import GoesWith, JsonSchema, KeyRule, OneOf, When
from featurectl.language.shapes.values import (
    DURATION_PATTERN,
    AnyConstant,
    Duration,
    EnvironmentText,
    Flag,
    Listed,
    Name,
    Number,
    Some,
    Text,
    Whole,
    fail,
    one_of,
    read_int,
    read_items,
    read_number,
    read_text,
    words_schema,
)
from featurectl.language.syntax.node import Fields, Items, ScalarNode

_WHEN = re.compile(r"(?P<metric>\S+)\s+(?P<op>\S+)\s+(?P<value>\S+?)(\s+in\s+(?P<window>\S+))?")
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?%?")
_LENGTH = re.compile(r"[0-9]+(\.[0-9]+)?ms")


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
CheckSeverity = Annotated[
    Literal["warn", "error"], PlainValidator(one_of("warn", "error")), WithJsonSchema(words_schema("warn", "error"))
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


class ResourcesShape(ObjectShape):
    """What a stage needs."""

    what: ClassVar[str] = "resources"
    cpu: Text | None = Field(None, description="How many processors.", examples=["4"])
    memory: Text | None = Field(None, description="How much memory.", examples=["16Gi"])
    gpu: Text | None = Field(None, description="How many graphics processors.", examples=["1"])
    replicas: Whole | None = Field(None, description="How many run at a time.")


class StageShape(ObjectShape):
    """A step of a pipeline: one command of featurectl."""

    what: ClassVar[str] = "stage"
    name: Name = Field(description="The stage's name in its pipeline.")
    run: Text = Field(description="The command, without `featurectl`.", examples=["materialize", "push"])
    needs: Listed[Name] = Field((), description="The stages that must have succeeded before.")
    timeout: Duration | None = Field(None, description="How long it may take.")
    retries: Whole = Field(0, description="How often it is tried again; not at all when left out.")
    resources: ResourcesShape | None = Field(None, description="What it needs to run.")
    on_success: Listed[Name] = Field((), description="The notifiers to tell when it succeeded.")
    on_failure: Listed[Name] = Field((), description="The notifiers to tell when it failed.")


class PipelineShape(ObjectShape):
    """Commands that depend on each other, run together."""

    what: ClassVar[str] = "pipeline"
    name: Name = Field(description="The pipeline's name.")
    stages: Some[StageShape] = Field(description="Its steps; `needs` orders them.")
    schedule: Text | None = Field(None, description="When it runs, in cron's five fields.", examples=["0 */6 * * *"])


def _read_when(node: object, info: ValidationInfo) -> str:
    text = read_text(node, info)
    match = _WHEN.fullmatch(text.strip())
    if match is None:
        message = f'"{text}" is not METRIC OP VALUE [in DURATION], parted by spaces, like: latency_p99 > 150ms in 5m'
        fail(info, "FC104", message, node)
    if match["metric"] not in ALERTED:
        message = f'no metric "{match["metric"]}"; metrics are {" ".join(ALERTED)}'
        fail(info, "FC104", message, node, did_you_mean(match["metric"], ALERTED))
    if match["op"] not in ("<", "<=", ">", ">=", "=", "!="):
        fail(info, "FC104", f'"{match["op"]}" is none of: < <= > >= = !=', node)
    timed = is_timed(match["metric"])
    if timed and not _LENGTH.fullmatch(match["value"]) and parse_duration(match["value"]) is None:
        fail(
            info,
            "FC104",
            f'"{match["value"]}" is no length of time; {match["metric"]} is compared with 150ms or 24h',
            node,
        )
    if not timed and not _AMOUNT.fullmatch(match["value"]):
        fail(info, "FC104", f'"{match["value"]}" is no number; {match["metric"]} is compared with 0.2 or 5%', node)
    if match["window"] and parse_duration(match["window"]) is None:
        fail(info, "FC106", f'"{match["window"]}" is no duration; durations are like 30s 15m 6h 7d 2w', node)
    if match["window"] and match["metric"] in OF_ONE_MOMENT:
        message = f"{match['metric']} is an age at one moment, and has no `in`; how long it must be so is"
        fail(info, "FC104", f"{message} `for: {match['window']}`", node)
    return text


def condition_of(text: str) -> Condition:
    """Return what a valid condition says: times in microseconds, percents as shares of 1.

    >>> condition_of("latency_p99 > 150ms in 5m")
    Condition(metric='latency_p99', op='>', value=150000.0, window_us=300000000)
    >>> condition_of("error_rate > 5%").value
    0.05
    """
    match = _WHEN.fullmatch(text.strip())
    assert match is not None
    return Condition(
        metric=cast("Metric", match["metric"]),
        op=cast("Operator", match["op"]),
        value=_amount(match["value"]),
        window_us=parse_duration(match["window"]) if match["window"] else None,
    )


def _amount(text: str) -> float:
    if _LENGTH.fullmatch(text):
        return float(text.removesuffix("ms")) * 1000
    length_us = parse_duration(text)
    if length_us is not None:
        return float(length_us)
    return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)


def _condition_pattern() -> str:
    """Return the pattern of a condition: lengths of time are compared with such, all other metrics with numbers."""
    timed = [metric for metric in ALERTED if is_timed(metric) and metric not in OF_ONE_MOMENT]
    others = [metric for metric in ALERTED if not is_timed(metric)]
    compared = r"\s+(<|<=|>|>=|=|!=)\s+"
    length = rf"({_LENGTH.pattern}|{DURATION_PATTERN})"
    ages = rf"({'|'.join(OF_ONE_MOMENT)}){compared}{length}"
    lengths = rf"({'|'.join(timed)}){compared}{length}"
    numbers = rf"({'|'.join(others)}){compared}({_AMOUNT.pattern})"
    return rf"^\s*({ages}|({lengths}|{numbers})(\s+in\s+{DURATION_PATTERN})?)\s*$"


ConditionText = Annotated[
    str,
    PlainValidator(_read_when),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _condition_pattern(),
            "patternErrorMessage": "METRIC OP VALUE [in DURATION], like: latency_p99 > 150ms in 5m",
            "examples": ["freshness > 24h", "latency_p99 > 150ms in 5m", "psi > 0.2"],
        }
    ),
]
AlertSeverity = Annotated[Severity, PlainValidator(one_of(*SEVERITIES)), WithJsonSchema(words_schema(*SEVERITIES))]


class AlertShape(ObjectShape):
    """When to tell whom."""

    what: ClassVar[str] = "alert"
    name: Name = Field(description="The alert's name.")
    when: ConditionText = Field(
        description="METRIC OP VALUE [in DURATION], with METRIC one of: " + ", ".join(ALERTED) + "."
    )
    severity: AlertSeverity = Field(description="How bad it is.")
    notify: Some[Name] = Field(description="The notifiers to tell.")
    for_: Duration | None = Field(None, alias="for", description="How long it must be so before anybody is told.")
    repeat: Duration | None = Field(None, description="How soon to tell again while it stays so.")
    views: Listed[Text] = Field((), description='The feature views to watch, by name or pattern; "*" is all.')
    models: Listed[Text] = Field((), description='The models to watch, by name or pattern; "*" is all.')


class NotifierShape(ObjectShape):
    """How to tell: one way each. `${NAME}` may stand in the address."""

    what: ClassVar[str] = "notifier"
    rules: ClassVar[tuple[KeyRule, ...]] = (OneOf(WAYS),)
    name: Name = Field(description="The notifier's name; alerts and stages use it.")
    slack: EnvironmentText | None = Field(
        None, description="The URL of a Slack webhook.", examples=["${SLACK_WEBHOOK}"]
    )
    pagerduty: EnvironmentText | None = Field(None, description="The routing key of PagerDuty.")
    webhook: EnvironmentText | None = Field(None, description="A URL that takes JSON.")
    email: EnvironmentText | None = Field(None, description="An address.")
    command: EnvironmentText | None = Field(None, description="A command that takes JSON on stdin.")


def listed_names(fields: Fields, key: str) -> list[ScalarNode]:
    """Return the scalars of a list, for problems that are about one of them."""
    node = fields.get(key)
    return [item for item in node if isinstance(item, ScalarNode)] if isinstance(node, Items) else []
