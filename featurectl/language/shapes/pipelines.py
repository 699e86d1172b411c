"""The language, as it is written: pipelines, and deployments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from featurectl.core.memory import parse_size
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.values import (
    Duration,
    Listed,
    Name,
    Number,
    Some,
    Text,
    Whole,
    expect,
    fail,
    read_int,
    read_text,
    report_of,
)
from featurectl.language.syntax.node import Fields, Node, ScalarNode

_CPU: Final = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)|(\d{1,7})m")
_MEMORY: Final = re.compile(r"\d{1,6}(?:\.\d{1,3})?\s*[KMGT]iB?")
_ANY_CPU: Final = re.compile(r"(\d+(?:\.\d+)?)(m?)")
_ANY_MEMORY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i)B?")
_MOST_MEMORY: Final = 999_999  # of a unit
_CPU_WORDS: Final = "a number like 4 or 0.5, or thousandths like 500m"
_MEMORY_WORDS: Final = "a number and a unit, like 512Mi or 16Gi"


def _read_cpu(node: object, info: ValidationInfo) -> float:
    text = read_text(node, info)
    found = _CPU.fullmatch(text)
    cpu = (float(found[1]) if found[1] else int(found[2]) / 1000) if found else 0.0
    if not cpu:
        words = _bounds_words(text, _ANY_CPU, 0.001, 9_999) or _CPU_WORDS
        fail(info, "FC104", f'"{text}" is no number of processors: {words}', node)
    return cpu


def _bounds_words(text: str, form: re.Pattern[str], least: float, most: float) -> str:
    """Return which bound a number is beyond that is written right; "": it is not, or is written otherwise."""
    found = form.fullmatch(text)
    if found is None:
        return ""
    number = float(found[1]) / (1000 if found[2] == "m" else 1)
    if number < least:
        return f"at least {least:g}"
    return f"at most {most:.0f}" if number > most else ""


def _read_memory(node: object, info: ValidationInfo) -> int:
    text = read_text(node, info)
    size = parse_size(text.removesuffix("B") + "B") if _MEMORY.fullmatch(text) else None
    if not size:
        words = _bounds_words(text, _ANY_MEMORY, 0.001, _MOST_MEMORY) or _MEMORY_WORDS
        fail(info, "FC104", f'"{text}" is no size of memory: {words}', node)
    return size


def _read_count(node: object, info: ValidationInfo) -> int:
    count = read_int(node, info)
    if count < 1:
        report_of(info).error("FC104", f"expected at least 1, found {count}", expect(ScalarNode, node, info).span.place)
    return max(count, 1)


Cpu = Annotated[
    float,
    PlainValidator(_read_cpu),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10_000},
                {
                    "type": "string",
                    "pattern": r"^([0-9]{1,4}(\.[0-9]{1,3})?|[0-9]{1,7}m)$",
                    "patternErrorMessage": _CPU_WORDS,
                },
            ]
        }
    ),
]
Memory = Annotated[
    int,
    PlainValidator(_read_memory),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,3})?\s*[KMGT]iB?$", "patternErrorMessage": _MEMORY_WORDS}
    ),
]
AtLeastOne = Annotated[int, PlainValidator(_read_count), WithJsonSchema({"type": "integer", "minimum": 1})]


class ResourcesShape(ObjectShape):
    """What a stage or a deployment needs."""

    what: ClassVar[str] = "resources"
    other_words: ClassVar[Mapping[str, str]] = {"cpus": "cpu", "mem": "memory", "gpus": "gpu"}
    cpu: Cpu | None = Field(None, description="How many processors.", examples=["4", "500m"])
    memory: Memory | None = Field(None, description="How much memory.", examples=["512Mi", "16Gi"])
    gpu: AtLeastOne | None = Field(None, description="How many graphics processors.", examples=[1])
    replicas: AtLeastOne | None = Field(
        None, description="Of a stage that runs `score`: the parts that it is cut into, which run at a time."
    )


class StageShape(ObjectShape):
    """A step of a pipeline: one command of featurectl."""

    what: ClassVar[str] = "stage"
    name: Name = Field(description="The stage's name in its pipeline.")
    run: Text = Field(
        description="The command, without `featurectl`. No shell reads it.",
        examples=["materialize --no-online", "train MODEL"],
    )
    needs: Listed[Name] = Field((), description="The stages that must have succeeded before.")
    timeout: Duration | None = Field(None, description="How long it may take; then it is ended.")
    retries: Whole = Field(
        0,
        description="How often it is tried again after a failure that can pass: a store that is away, a lock, a "
        "timeout. Not at all when left out.",
    )
    resources: ResourcesShape | None = Field(None, description="What it needs to run.")
    on_success: Listed[Name] = Field((), description="The notifiers to tell when it succeeded.")
    on_failure: Listed[Name] = Field((), description="The notifiers to tell when it failed.")


class PipelineShape(ObjectShape):
    """Commands that depend on each other, run together."""

    what: ClassVar[str] = "pipeline"
    name: Name = Field(description="The pipeline's name.")
    stages: Some[StageShape] = Field(description="Its steps; `needs` orders them.")
    schedule: Text | None = Field(
        None, description="When it runs: cron's five fields, in UTC.", examples=["0 */6 * * *"]
    )
    description: Text = Field("", description="What it is, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")


class ReplicasShape(ObjectShape):
    """How many of a deployment run: a number, or from one to another by their use of processors."""

    what: ClassVar[str] = "replicas"
    min: AtLeastOne = Field(1, description="At least so many.")
    max: AtLeastOne = Field(1, description="At most so many.")
    cpu: Number | None = Field(
        None, description="The share of their processors that they are kept to, like 0.7.", examples=[0.7]
    )

    @classmethod
    def read_fields(cls, node: object) -> object:
        """Return the mapping that a number alone is short for."""
        if not isinstance(node, ScalarNode):
            return node
        both: dict[str, Node] = {"min": node, "max": node}
        return Fields(both, dict.fromkeys(both, node.span), node.span)


class _CountOrMapping:
    """In JSON Schema, a number or the mapping."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "integer", "minimum": 1}, handler(core_schema)]}


ReplicasItem = Annotated[ReplicasShape, _CountOrMapping()]


class DeploymentShape(ObjectShape):
    """A command that runs for long: a server, workers of a stream, the monitor."""

    what: ClassVar[str] = "deployment"
    name: Name = Field(description="The deployment's name.")
    run: Text = Field(
        description="The command, without `featurectl`: `serve`, `stream run`, `monitor run` or `monitor export`.",
        examples=["serve", "stream run STREAM"],
    )
    replicas: ReplicasItem | None = Field(
        None, description="How many run: a number, or `{min: 2, max: 20, cpu: 0.7}`. One when left out."
    )
    resources: ResourcesShape | None = Field(None, description="What each of them needs.")
    description: Text = Field("", description="What it is, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")
