"""The language, as it is written: gates and canaries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, ValidationInfo
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.core.nearest import did_you_mean
from featurectl.language.definitions.bounds import (
    NOT_NEGATIVE,
    PART,
    PERCENT,
    POSITIVE,
    SHARE,
    Bounds,
    check_number,
    gain_bounds,
    metric_bounds,
)
from featurectl.language.definitions.gates import LESS_IS_BETTER, METRICS, MORE_IS_BETTER
from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import AnyOf, KeyRule
from featurectl.language.shapes.values import (
    NAME_SCHEMA,
    Duration,
    Number,
    Whole,
    fail,
    read_items,
    read_name,
    read_number,
    report_of,
)
from featurectl.language.syntax.node import Fields
from featurectl.language.syntax.place import Place

GAIN: Final = "_gain_over_champion"
BOUNDS: Final = ("max_model_size_mb", "max_latency_p99_ms")  # of what is no metric


def _bounded(description: str, bounds: Bounds) -> Any:
    return Field(None, description=description, json_schema_extra=bounds.schema())


def _check_numbers(shape: ObjectShape, bounds: Mapping[str, Bounds], report: Report) -> None:
    for key, of_key in bounds.items():
        value = getattr(shape, key)
        if value is not None:
            check_number(key, value, of_key, shape.fields.place(key), report)


class RobustnessShape(ObjectShape):
    """How much a model may suffer from disturbed inputs."""

    what: ClassVar[str] = "robustness"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        AnyOf(("noise", "missing", "unseen")),
        AnyOf(("max_mean_shift", "max_auc_drop")),
    )
    noise: Number | None = _bounded("Noise on numbers, in standard deviations.", POSITIVE)
    missing: Number | None = _bounded("The share of values made null.", PART)
    unseen: Number | None = _bounded("The share of categories made unseen.", PART)
    max_mean_shift: Number | None = _bounded("How far the mean score may move.", NOT_NEGATIVE)
    max_auc_drop: Number | None = _bounded("How much AUC may fall.", SHARE)

    def check_keys(self, report: Report) -> None:
        """Something is done and something is asked, and numbers keep to their bounds."""
        ObjectShape.check_keys(self, report)
        amounts = {"noise": POSITIVE, "missing": PART, "unseen": PART}
        _check_numbers(self, amounts | {"max_mean_shift": NOT_NEGATIVE, "max_auc_drop": SHARE}, report)


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
            found[key] = bound = read_number(value, info)
            if _check_metric(key, node.keys[key].place, report_of(info)):
                check_number(key, bound, _bounds_of(key), value.span.place, report_of(info))
        else:
            note = "keys: min_METRIC, max_METRIC, min_METRIC_gain_over_champion, robustness, slices"
            suggestion = did_you_mean(key, ["robustness", "slices"])
            place = node.keys[key].place
            report_of(info).error("FC102", f'unknown key "{key}" in gates', place, suggestion=suggestion, note=note)
    _check_pairs(found, node, report_of(info))
    return found


def _check_pairs(found: Mapping[str, object], node: Fields, report: Report) -> None:
    """Report FC104 for a metric that is to be more than it may be."""
    for key, least in found.items():
        other = f"max_{key.removeprefix('min_')}"
        most = found.get(other) if key.startswith("min_") else None
        if not isinstance(least, float) or not isinstance(most, float) or not _bounds_of(key).holds(least):
            continue
        if least > most and _bounds_of(other).holds(most):
            message = f'"{key}" is at most "{other}", {most:.10g}, not {least:.10g}'
            report.error("FC104", message, node.nodes[key].span.place)


def _bounds_of(key: str) -> Bounds:
    """Return what the number of a gate can be."""
    if key in BOUNDS:
        return POSITIVE
    name = key[4:]
    return gain_bounds(name.removesuffix(GAIN)) if name.endswith(GAIN) else metric_bounds(name)


def _check_metric(key: str, place: Place, report: Report) -> bool:
    """Report FC104 for a bound of a metric that nobody measures, and return whether there is none to report."""
    if key in BOUNDS:
        return True
    kind, name = key[:4], key[4:]
    gain = GAIN if kind == "min_" and name.endswith(GAIN) else ""
    metric = name.removesuffix(gain)
    known = (*MORE_IS_BETTER, *LESS_IS_BETTER) if gain else METRICS
    if metric not in known:
        whole = [f"{kind}{other}{gain}" for other in known] + [bound for bound in BOUNDS if bound.startswith(kind)]
        message = f'no metric "{metric}" to bound; metrics are {" ".join(known)}'
        report.error("FC104", message, place, suggestion=did_you_mean(key, whole))
    return metric in known


def _number(description: str, bounds: Bounds) -> JsonDict:
    return {"type": "number", "description": description, **bounds.schema()}


def _patterns() -> dict[str, JsonDict]:
    """Return the bounds of metrics in JSON Schema, those that can be the same numbers in one pattern."""
    found: dict[str, JsonDict] = {}
    for kinds, names, bounds_of, end, description in (
        ("min", (*MORE_IS_BETTER, *LESS_IS_BETTER), gain_bounds, GAIN, "How much better than the champion."),
        ("(min|max)", METRICS, metric_bounds, "", "A bound of a metric, like min_auc: 0.65."),
    ):
        for bounds in dict.fromkeys(bounds_of(name) for name in names):
            alike = "|".join(name for name in names if bounds_of(name) == bounds)
            found[f"^{kinds}_({alike}){end}$"] = _number(description, bounds)
    return found


class _GateKeys:
    """In JSON Schema, bounds of metrics by name, and the two gates that are no bounds."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "object",
            "properties": {
                "robustness": handler(core_schema),
                "slices": {
                    "description": "Category columns: each of their values must pass the gates by itself.",
                    "type": "array",
                    "items": NAME_SCHEMA,
                },
                "max_model_size_mb": _number("How big the model's file may be.", POSITIVE),
                "max_latency_p99_ms": _number("How long the slowest of 100 predictions may take.", POSITIVE),
            },
            "patternProperties": _patterns(),
            "additionalProperties": False,
        }


GatesShape = Annotated[
    dict[str, object], PlainValidator(_read_gates, json_schema_input_type=RobustnessShape), _GateKeys()
]


class CanarySuccessShape(ObjectShape):
    """What a canary must keep to."""

    what: ClassVar[str] = "success"
    latency_p99_ms: Number | None = _bounded("How long the slowest of 100 requests may take.", POSITIVE)
    error_rate_percent: Number | None = _bounded("The share of requests that may fail, by the model's fault.", PERCENT)
    freshness: Duration | None = Field(None, description="How old the features may be.")
    score_psi: Number | None = _bounded("How far scores may drift from the champion's, as PSI.", NOT_NEGATIVE)

    def check_keys(self, report: Report) -> None:
        """Numbers keep to their bounds."""
        ObjectShape.check_keys(self, report)
        bounds = {"latency_p99_ms": POSITIVE, "error_rate_percent": PERCENT, "score_psi": NOT_NEGATIVE}
        _check_numbers(self, bounds, report)


class CanaryShape(ObjectShape):
    """How a new version takes over."""

    what: ClassVar[str] = "canary"
    percent: Number = Field(
        description="The share of the entities that the new version answers; 0 is shadow mode.",
        json_schema_extra=PERCENT.schema(),
    )
    for_: Duration = Field(alias="for", description="How long it must keep to `success`.")
    success: CanarySuccessShape = Field(description="What it must keep to; otherwise it is rolled back.")
    min_requests: Whole | None = _bounded("How many requests it must have answered, 100 by default.", NOT_NEGATIVE)

    def check_keys(self, report: Report) -> None:
        """Numbers keep to their bounds."""
        ObjectShape.check_keys(self, report)
        _check_numbers(self, {"percent": PERCENT, "min_requests": NOT_NEGATIVE}, report)
