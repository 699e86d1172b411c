"""The language, as it is written: checks, gates, canaries, pipelines, alerts and notifiers."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from featurectl.spec.node import Fields, Items, Scalar
from featurectl.spec.report import Report, did_you_mean
from featurectl.spec.shape import Shape
from featurectl.spec.values import (
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
    read_name,
    read_number,
    read_text,
    report_of,
)
from featurectl.units import parse_duration

_SEVERITIES: Final = ("info", "warning", "critical")
METRICS: Final = (
    "freshness", "latency_p50", "latency_p95", "latency_p99", "error_rate", "store_errors", "psi", "js", "ks",
    "wasserstein", "null_rate", "skew", "checks", "stream_lag", "pipeline_failures",
)  # fmt: skip
_WHEN = re.compile(r"(?P<metric>\S+)\s+(?P<op>\S+)\s+(?P<value>\S+?)(\s+in\s+(?P<window>\S+))?")
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?%?")
_LENGTH = re.compile(r"[0-9]+(\.[0-9]+)?ms")
_TIMES: Final = ("freshness", "stream_lag")


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


Pair = Annotated[
    tuple[float, float],
    PlainValidator(_read_pair),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]
RowCount = Annotated[
    tuple[float, float],
    PlainValidator(_read_row_count),
    WithJsonSchema({"type": ["integer", "array"], "items": {"type": "number"}}),
]
CheckSeverity = Annotated[
    Literal["warn", "error"], PlainValidator(one_of("warn", "error")), WithJsonSchema({"enum": ["warn", "error"]})
]


class CheckShape(Shape):
    """A check of the rows that are read."""

    what: ClassVar[str] = "check"
    column: Text | None = None
    not_null: Flag | None = None
    unique: Flag | None = None
    between: Pair | None = None
    in_: Annotated[Some[AnyConstant] | None, Field(alias="in")] = None
    matches: Text | None = None
    max_null_rate: Number | None = None
    row_count: RowCount | None = None
    sql: Text | None = None
    severity: CheckSeverity = "error"

    def check_keys(self, report: Report) -> None:
        """A column's checks go with the column."""
        of_column = ("not_null", "unique", "between", "in", "matches", "max_null_rate")
        if "column" in self.fields.nodes:
            self.exactly_one(report, of_column)
        else:
            self.exactly_one(report, ("row_count", "sql"))
            self.only_with(report, of_column, "column")


class RobustnessShape(Shape):
    """How much a model may suffer from disturbed inputs."""

    what: ClassVar[str] = "robustness"
    noise: Number | None = None
    missing: Number | None = None
    unseen: Number | None = None
    max_mean_shift: Number | None = None
    max_auc_drop: Number | None = None


def _read_gates(node: object, info: ValidationInfo) -> dict[str, object]:
    if not isinstance(node, Fields):
        fail(info, "FC101", "expected a mapping", node)
    found: dict[str, object] = {}
    for key, value in node.nodes.items():
        if key == "robustness":
            found[key] = RobustnessShape.model_validate(value, context=info.context)
        elif key == "slices":
            found[key] = tuple(read_name(item, info) for item in read_items(value, info))
        elif re.fullmatch(r"(min|max)_[a-z0-9_]+", key):
            found[key] = read_number(value, info)
        else:
            note = "keys: min_METRIC, max_METRIC, min_METRIC_gain_over_champion, robustness, slices"
            suggestion = did_you_mean(key, ["robustness", "slices"])
            place = node.keys[key].place
            report_of(info).error("FC102", f'unknown key "{key}" in gates', place, suggestion=suggestion, note=note)
    return found


Gates = Annotated[
    dict[str, object],
    PlainValidator(_read_gates),
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {"^(min|max)_[a-z0-9_]+$": {"type": "number"}},
            "properties": {
                "robustness": {
                    "type": "object",
                    "properties": {key: {"type": "number"} for key in RobustnessShape.model_fields},
                    "additionalProperties": False,
                },
                "slices": {"type": "array", "items": {"type": "string"}},
            },
            "additionalProperties": False,
        }
    ),
]


class CanarySuccessShape(Shape):
    """What a canary must keep to."""

    what: ClassVar[str] = "success"
    latency_p99_ms: Number | None = None
    error_rate_percent: Number | None = None
    freshness: Duration | None = None
    score_psi: Number | None = None


class CanaryShape(Shape):
    """How a new version takes over."""

    what: ClassVar[str] = "canary"
    percent: Number
    for_: Annotated[Duration, Field(alias="for")]
    success: CanarySuccessShape
    min_requests: Whole | None = None


class ResourcesShape(Shape):
    """What a stage needs."""

    what: ClassVar[str] = "resources"
    cpu: Text | None = None
    memory: Text | None = None
    gpu: Text | None = None
    replicas: Whole | None = None


class StageShape(Shape):
    """A step of a pipeline."""

    what: ClassVar[str] = "stage"
    name: Name
    run: Text
    needs: Listed[Name] = ()
    timeout: Duration | None = None
    retries: Whole = 0
    resources: ResourcesShape | None = None
    on_success: Listed[Name] = ()
    on_failure: Listed[Name] = ()


class PipelineShape(Shape):
    """A DAG of commands."""

    what: ClassVar[str] = "pipeline"
    name: Name
    stages: Some[StageShape]
    schedule: Text | None = None


def _read_when(node: object, info: ValidationInfo) -> str:
    text = read_text(node, info)
    match = _WHEN.fullmatch(text.strip())
    if match is None:
        fail(info, "FC104", f'"{text}" is not METRIC OP VALUE [in DURATION]', node)
    if match["metric"] not in METRICS:
        message = f'no metric "{match["metric"]}"; metrics are {" ".join(METRICS)}'
        fail(info, "FC104", message, node, did_you_mean(match["metric"], METRICS))
    if match["op"] not in ("<", "<=", ">", ">=", "=", "!="):
        fail(info, "FC104", f'"{match["op"]}" is none of: < <= > >= = !=', node)
    timed = match["metric"] in _TIMES or match["metric"].startswith("latency")
    if timed and not _LENGTH.fullmatch(match["value"]) and parse_duration(match["value"]) is None:
        message = f'"{match["value"]}" is no length of time; {match["metric"]} is compared with 150ms or 24h'
        fail(info, "FC104", message, node)
    if not timed and not _AMOUNT.fullmatch(match["value"]):
        fail(info, "FC104", f'"{match["value"]}" is no number; {match["metric"]} is compared with 0.2 or 5%', node)
    if match["window"] and parse_duration(match["window"]) is None:
        fail(info, "FC106", f'"{match["window"]}" is no duration; durations are like 30s 15m 6h 7d 2w', node)
    return text


When = Annotated[str, PlainValidator(_read_when), WithJsonSchema({"type": "string"})]
AlertSeverity = Annotated[str, PlainValidator(one_of(*_SEVERITIES)), WithJsonSchema({"enum": list(_SEVERITIES)})]


class AlertShape(Shape):
    """When to tell whom."""

    what: ClassVar[str] = "alert"
    name: Name
    when: When
    severity: AlertSeverity
    notify: Some[Name]
    for_: Annotated[Duration | None, Field(alias="for")] = None
    repeat: Duration | None = None
    views: Listed[Text] = ()
    models: Listed[Text] = ()


class NotifierShape(Shape):
    """How to tell."""

    what: ClassVar[str] = "notifier"
    name: Name
    slack: EnvironmentText | None = None
    pagerduty: EnvironmentText | None = None
    webhook: EnvironmentText | None = None
    email: EnvironmentText | None = None
    command: EnvironmentText | None = None

    def check_keys(self, report: Report) -> None:
        """One way each."""
        self.exactly_one(report, ("slack", "pagerduty", "webhook", "email", "command"))


def listed_names(fields: Fields, key: str) -> list[Scalar]:
    """Return the scalars of a list, for problems that are about one of them."""
    node = fields.get(key)
    return [item for item in node if isinstance(item, Scalar)] if isinstance(node, Items) else []
