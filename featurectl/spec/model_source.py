"""The language, as it is written: the project, its environments, entities and sources."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator, WithJsonSchema

from featurectl.spec.model_operations import CheckShape
from featurectl.spec.report import Report
from featurectl.spec.shape import Shape
from featurectl.spec.values import (
    Dtype,
    Duration,
    EnvironmentText,
    Instant,
    Listed,
    Mapped,
    Name,
    NamedMapped,
    Number,
    Some,
    Text,
    one_of,
)

_SEPARATOR = re.compile(r"[\t !#-~]")
Format = Annotated[
    Literal["parquet", "csv", "ndjson", "delta"],
    PlainValidator(one_of("parquet", "csv", "ndjson", "delta")),
    WithJsonSchema({"enum": ["parquet", "csv", "ndjson", "delta"]}),
]
Nan = Annotated[
    Literal["null", "keep"], PlainValidator(one_of("null", "keep")), WithJsonSchema({"enum": [None, "null", "keep"]})
]


class EngineShape(Shape):
    """What computes."""

    what: ClassVar[str] = "engine"
    type: EnvironmentText
    remote: EnvironmentText | None = None


class PredictionLogShape(Shape):
    """Which share of the predictions is kept."""

    what: ClassVar[str] = "prediction_log"
    sample: Number | None = None


class EnvironmentShape(Shape):
    """Where things are kept."""

    what: ClassVar[str] = "environment"
    registry: EnvironmentText
    offline: EnvironmentText
    online: EnvironmentText
    engine: EngineShape | None = None
    now: Instant | None = None
    prediction_log: PredictionLogShape | None = None


class ProjectShape(Shape):
    """featurectl.yaml."""

    what: ClassVar[str] = "featurectl.yaml"
    project: Name
    environments: NamedMapped[EnvironmentShape]


class EntityShape(Shape):
    """What features are about."""

    what: ClassVar[str] = "entity"
    name: Name
    keys: NamedMapped[Dtype]
    description: Text = ""
    owner: Text = ""
    tags: Listed[Text] = ()


class CsvShape(Shape):
    """How a CSV file is written."""

    what: ClassVar[str] = "csv"
    separator: Text | None = None
    null_values: Listed[Text] | None = None
    timestamp_format: Text | None = None

    def check_keys(self, report: Report) -> None:
        """The separator is one character that a reader of CSV can look for."""
        if self.separator is not None and not _SEPARATOR.fullmatch(self.separator):
            message = f'"{self.separator}" can\'t separate columns: a separator is one ASCII character, no quote'
            report.error("FC104", message, self.fields.place("separator"))


class SqlShape(Shape):
    """A query against a database."""

    what: ClassVar[str] = "sql"
    url: EnvironmentText
    query: Text


class StreamShape(Shape):
    """A stream of events."""

    what: ClassVar[str] = "stream"
    kafka: EnvironmentText | None = None
    topic: EnvironmentText | None = None
    format: EnvironmentText | None = None
    redis: EnvironmentText | None = None
    stream: EnvironmentText | None = None

    def check_keys(self, report: Report) -> None:
        """Kafka with a topic, or Redis with a stream."""
        self.exactly_one(report, ("kafka", "redis"))
        self.only_with(report, ("topic", "format"), "kafka")
        self.only_with(report, ("stream",), "redis")
        for owner, needed in (("kafka", "topic"), ("redis", "stream")):
            if owner in self.fields.nodes and needed not in self.fields.nodes:
                report.error("FC103", f'no "{needed}" in this stream', self.fields.keys[owner].place)


class FreshnessShape(Shape):
    """How old something may be."""

    what: ClassVar[str] = "freshness"
    warn_after: Duration | None = None
    error_after: Duration | None = None

    def check_keys(self, report: Report) -> None:
        """The warning comes first."""
        if self.warn_after and self.error_after and self.warn_after > self.error_after:
            place = self.fields.place("warn_after")
            report.error("FC104", '"warn_after" is longer than "error_after"', place)


class SourceShape(Shape):
    """Where rows come from."""

    what: ClassVar[str] = "source"
    name: Name
    path: EnvironmentText | None = None
    format: Format | None = None
    csv: CsvShape | None = None
    sql: SqlShape | None = None
    stream: StreamShape | None = None
    history: Name | None = None
    event_time: Text | None = None
    available_at: Text | None = None
    delay: Duration | None = None
    lateness: Duration | None = None
    timezone: Text | None = None
    nan: Nan = "null"
    columns: Mapped[Dtype] | None = None
    select: NamedMapped[Text] | None = None
    tiebreak: Listed[Text] = ()
    dedup_key: Some[Text] | None = None
    freshness: FreshnessShape | None = None
    checks: Listed[CheckShape] = ()
    description: Text = ""
    owner: Text = ""
    tags: Listed[Text] = ()

    def check_keys(self, report: Report) -> None:
        """One origin, and the keys that belong to it."""
        self.exactly_one(report, ("path", "sql", "stream"))
        self.only_with(report, ("format", "csv"), "path")
        self.only_with(report, ("history",), "stream")
        if "stream" in self.fields.nodes and "columns" not in self.fields.nodes:
            report.error("FC103", f'no "columns" in {self.called(self.fields)}: a stream needs them', self.fields.head)
