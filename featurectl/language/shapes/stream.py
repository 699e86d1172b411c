"""The language, as it is written: streams of events, and the addresses of their topics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from featurectl.core.nearest import did_you_mean
from featurectl.core.variables import has_variable
from featurectl.language.definitions.stream import EVENT_FORMATS, OTHER_EVENT_FORMATS, TOPIC_SCHEMES, EventFormat
from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import JsonSchema, KeyRule
from featurectl.language.shapes.values import (
    VARIABLES,
    Duration,
    Some,
    Text,
    fail,
    one_of,
    read_address,
    read_environment_text,
    read_text,
    text_schema,
    words_schema,
)
from featurectl.language.syntax.node import Fields
from featurectl.language.syntax.place import Place

_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_TOPIC_WORDS: Final = "1 to 249 ASCII letters, digits, dots, _ and -"
_FORMAT: Final = one_of(*EVENT_FORMATS)


def _read_format(node: object, info: ValidationInfo) -> str:
    text = read_text(node, info)
    if text.lower() in OTHER_EVENT_FORMATS:
        message = f"events in {text} are not read: the formats are {' and '.join(EVENT_FORMATS)}"
        fail(info, "FC104", message, node)
    return _FORMAT(node, info)


def _read_topic(node: object, info: ValidationInfo) -> str:
    text = read_text(node, info)
    if not _TOPIC.fullmatch(text):
        fail(info, "FC104", f'"{text}" is no name of a topic: {_TOPIC_WORDS}', node)
    return text


Topic = Annotated[
    str, PlainValidator(_read_topic), WithJsonSchema(text_schema(f"^{_TOPIC.pattern}$", f"a topic has {_TOPIC_WORDS}"))
]
_URLS: Final = text_schema(
    rf"^(?={'|'.join(map(re.escape, TOPIC_SCHEMES))}|((?!://)[^$]|\$(?!\{{))*\$\{{){VARIABLES.removeprefix('^')}",
    f"URLs of topics begin with {', '.join(TOPIC_SCHEMES)}",
) | {"type": "string"}
TopicsUrl = Annotated[str, PlainValidator(read_environment_text), WithJsonSchema(_URLS)]
_REGISTRY: Final = text_schema(
    rf"^(?=https?://|((?!://)[^$]|\$(?!\{{))*\$\{{){VARIABLES.removeprefix('^')}", "an http:// or https:// URL"
) | {"type": "string"}
RegistryAddress = Annotated[str, PlainValidator(read_address), WithJsonSchema(_REGISTRY)]
TopicAddress = Annotated[str, PlainValidator(read_address), WithJsonSchema(_URLS)]
EventFormatWord = Annotated[EventFormat, PlainValidator(_read_format), WithJsonSchema(words_schema(*EVENT_FORMATS))]


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """`format: avro` has a schema, and nothing else has one, or a registry of them."""

    def check(self, fields: Fields, label: str, report: Report) -> None:
        """Report FC103 at a stream of Avro without a schema, FC107 at what another one has of Avro."""
        is_avro = fields.text("format") == "avro"
        if is_avro and "schema" not in fields.nodes:
            report.error("FC103", f'no "schema" in {label}: "format: avro" needs it', fields.head)
        for key in ("schema", "registry"):
            if key in fields.nodes and not is_avro:
                message = f'"{key}" goes with "format: avro", which {label} does not have'
                report.error("FC107", message, fields.keys[key].place)

    def json_schema(self) -> JsonSchema:
        """Return both."""
        is_avro = {"properties": {"format": {"const": "avro"}}, "required": ["format"]}
        others = {"properties": {"schema": False, "registry": False}}
        return {"if": is_avro, "then": {"required": ["schema"]}, "else": others}


class StreamShape(ObjectShape):
    """A topic of events. The `streams` of an environment say where topics are."""

    what: ClassVar[str] = "stream"
    rules: ClassVar[tuple[KeyRule, ...]] = (AvroSchema(),)
    other_words: ClassVar[Mapping[str, str]] = {"stream": "topic", "name": "topic", "partition_by": "key"}
    topic: Topic = Field(description="The topic's name, the same in every environment.", examples=["swipes"])
    format: EventFormatWord | None = Field(
        None, description="How an event is written: json (an object; the default), or avro."
    )
    schema_file: Text | None = Field(
        None,
        alias="schema",
        description="The Avro schema of an event: a file of the repository, in JSON.",
        examples=["schemas/swipe.avsc"],
    )
    registry: RegistryAddress | None = Field(
        None,
        description="A schema registry, where the ids in the events are looked up: each must be of the same schema.",
        examples=["${SCHEMA_REGISTRY}"],
    )
    retention: Duration | None = Field(
        None,
        description="How long what is logged stays in the topic, in a file or in Redis (7d); Kafka has its own.",
    )
    key: Some[Text] | None = Field(
        None, description="The columns that choose the partition of an event that featurectl sends."
    )
    url: TopicAddress | None = Field(
        None,
        description="Where the topic lies, when that is not where the `streams` of the environment are.",
        examples=["${PARTNER_KAFKA}"],
    )

    def check_keys(self, report: Report) -> None:
        """The address is one of topics."""
        super().check_keys(report)
        if self.url is not None:
            check_topic_address(self.url, self.fields.place("url"), report)
        if self.registry is not None:
            _check_registry(self.registry, self.fields.place("registry"), report)


def _check_registry(address: str, place: Place, report: Report) -> None:
    """Report FC104 for an address, unexpanded, that begins like none of HTTP; variables may say anything."""
    written = address.partition("${")[0]
    if address.startswith(("http://", "https://")) or (has_variable(address) and "://" not in written):
        return
    report.error("FC104", "this is no address of a schema registry: an http:// or https:// URL", place)


def check_topic_address(address: str, place: Place, report: Report) -> None:
    """Report FC104 for an address, unexpanded, that begins like none of topics; variables may say anything."""
    written = address.partition("${")[0]
    if address.startswith(tuple(TOPIC_SCHEMES)) or (has_variable(address) and "://" not in written):
        return
    scheme = address.partition("://")[0] + "://" if "://" in address else ""
    message = f'no topics are at "{scheme}"' if scheme else "this is no URL of topics"
    note = f"URLs of topics begin with {', '.join(TOPIC_SCHEMES)}"
    suggestion = did_you_mean(scheme, TOPIC_SCHEMES) if scheme else ""
    report.error("FC104", message, place, suggestion=suggestion, note=note)
