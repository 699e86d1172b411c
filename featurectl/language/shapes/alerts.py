"""The language, as it is written: alerts and notifiers."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, cast

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from featurectl.core.nearest import did_you_mean
from featurectl.core.units import meant_duration, parse_duration
from featurectl.language.definitions.alerts import METRICS as ALERTED
from featurectl.language.definitions.alerts import (
    OF_ONE_MOMENT,
    SEVERITIES,
    SLA_BOUNDS,
    WAYS,
    AlertSeverity,
    Condition,
    Metric,
    Operator,
    is_timed,
)
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import KeyRule, OneOf
from featurectl.language.shapes.values import (
    DURATION_PATTERN,
    Duration,
    EnvironmentText,
    Listed,
    Name,
    Some,
    Text,
    fail,
    one_of,
    read_text,
    words_schema,
)

_WHEN = re.compile(r"(?P<metric>\S+)\s+(?P<op>\S+)\s+(?P<value>\S+?)(\s+in\s+(?P<window>\S+))?")


_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?%?")


_SPELLED_LENGTH = re.compile(r"(?<= )[0-9.]+\s*[a-zA-Z]+(?= |$)")
_LENGTH = re.compile(r"[0-9]+(\.[0-9]+)?ms")


def _read_when(node: object, info: ValidationInfo) -> str:
    text = read_text(node, info)
    match = _WHEN.fullmatch(text.strip())
    if match is None:
        message = f'"{text}" is not METRIC OP VALUE [in DURATION], parted by spaces, like: latency_p99 > 150ms in 5m'
        fail(info, "FC104", message, node, _near_condition(text))
    if match["metric"] not in ALERTED:
        message = f'no metric "{match["metric"]}"; metrics are {" ".join(ALERTED)}'
        fail(info, "FC104", message, node, did_you_mean(match["metric"], ALERTED))
    if match["op"] not in ("<", "<=", ">", ">=", "=", "!="):
        meant = {"=>": "did you mean >=?", "=<": "did you mean <=?", "==": "did you mean =?"}.get(match["op"], "")
        fail(info, "FC104", f'"{match["op"]}" is none of: < <= > >= = !=', node, meant)
    timed, is_bound = is_timed(match["metric"]), match["metric"] == "freshness" and match["value"] in SLA_BOUNDS
    if timed and not is_bound and not _LENGTH.fullmatch(match["value"]) and parse_duration(match["value"]) is None:
        fail(
            info,
            "FC104",
            f'"{match["value"]}" is no length of time; {match["metric"]} is compared with 150ms or 24h',
            node,
            _near_condition(text),
        )
    if not timed and not _AMOUNT.fullmatch(match["value"]):
        fail(info, "FC104", f'"{match["value"]}" is no number; {match["metric"]} is compared with 0.2 or 5%', node)
    if match["window"] and parse_duration(match["window"]) is None:
        message = f'"{match["window"]}" is no duration; durations are like 30s 15m 6h 7d 2w'
        fail(info, "FC106", message, node, _near_condition(text))
    if match["window"] and match["metric"] in OF_ONE_MOMENT:
        message = f"{match['metric']} is an age at one moment, and has no `in`; how long it must be so is"
        fail(info, "FC104", f"{message} `for: {match['window']}`", node)
    return text


def _near_condition(text: str) -> str:
    """Return the question whether a condition was meant with its lengths of time in the language's form."""
    near = _SPELLED_LENGTH.sub(lambda found: meant_duration(found[0]) or found[0], text.strip())
    return f'did you mean "{near}"?' if near != text.strip() and _WHEN.fullmatch(near) else ""


def condition_of(text: str) -> Condition:
    """Return what a valid condition says: times in microseconds, percents as shares of 1.

    >>> condition_of("latency_p99 > 150ms in 5m")
    Condition(metric='latency_p99', op='>', value=150000.0, window_us=300000000, bound=None)
    >>> condition_of("error_rate > 5%").value
    0.05
    """
    match = _WHEN.fullmatch(text.strip())
    assert match is not None
    bound = next((bound for bound in SLA_BOUNDS if bound == match["value"]), None)
    return Condition(
        metric=cast("Metric", match["metric"]),
        op=cast("Operator", match["op"]),
        value=_amount(match["value"]) if bound is None else 0.0,
        bound=bound,
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
    ages = rf"(({'|'.join(OF_ONE_MOMENT)}){compared}{length}|freshness{compared}({'|'.join(SLA_BOUNDS)}))"
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


_OTHER_SEVERITIES: Final = {  # of other tools
    "high": "critical", "error": "critical", "fatal": "critical", "page": "critical", "urgent": "critical",
    "medium": "warning", "moderate": "warning", "low": "info", "notice": "info", "debug": "info",
}  # fmt: skip
SeverityWord = Annotated[
    AlertSeverity,
    PlainValidator(one_of(*SEVERITIES, others=_OTHER_SEVERITIES)),
    WithJsonSchema(words_schema(*SEVERITIES)),
]


class AlertShape(ObjectShape):
    """When to tell whom."""

    what: ClassVar[str] = "alert"
    name: Name = Field(description="The alert's name.")
    when: ConditionText = Field(
        description="METRIC OP VALUE [in DURATION], with METRIC one of: " + ", ".join(ALERTED) + "."
    )
    severity: SeverityWord = Field(description="How bad it is.")
    notify: Some[Name] = Field(description="The notifiers to tell.")
    for_: Duration | None = Field(None, alias="for", description="How long it must be so before anybody is notified.")
    repeat: Duration | None = Field(None, description="How soon to tell again while it stays so.")
    views: Listed[Text] = Field((), description='The feature views to watch, by name or pattern; "*" is all.')
    models: Listed[Text] = Field((), description='The models to watch, by name or pattern; "*" is all.')
    pipelines: Listed[Text] = Field(
        (), description='Of `pipeline_failures`: the pipelines to watch, by name or pattern; "*" is all.'
    )


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
