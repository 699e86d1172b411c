"""The language, as it is written: the project, its environments, entities and sources."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from featurectl.language.definitions.source import FILE_FORMAT_NAMES, FileFormatName
from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.checks import CheckShape
from featurectl.language.shapes.rules import Apart, GoesWith, KeyRule, Needs, OneOf
from featurectl.language.shapes.values import (
    Address,
    AnyText,
    Dtype,
    Duration,
    EnvironmentText,
    Instant,
    KeyType,
    Listed,
    Mapped,
    Name,
    NamedMapped,
    Number,
    Size,
    Some,
    Text,
    one_of,
    read_text,
    text_schema,
    words_schema,
)

LEAST_LOG = 16 << 20
_SEPARATOR = re.compile(r"[\t !#-~]")
Format = Annotated[
    FileFormatName,
    PlainValidator(one_of(*FILE_FORMAT_NAMES)),
    WithJsonSchema(words_schema(*FILE_FORMAT_NAMES)),
]
Separator = Annotated[
    str,
    PlainValidator(read_text),
    WithJsonSchema(
        text_schema(f"^{_SEPARATOR.pattern}$", "a separator is one ASCII character, no quote")
        | {"type": ["string", "integer"], "minimum": 0, "maximum": 9}
    ),
]
NanChoice = Annotated[
    Literal["null", "keep"], PlainValidator(one_of("null", "keep")), WithJsonSchema({"enum": [None, "null", "keep"]})
]


def separates(text: str) -> bool:
    """Return whether a text can separate the columns of a CSV file.

    >>> separates("|"), separates(";;"), separates('"')
    (True, False, False)
    """
    return _SEPARATOR.fullmatch(text) is not None


class EngineShape(ObjectShape):
    """What computes."""

    what: ClassVar[str] = "engine"
    type: EnvironmentText = Field(description="The engine by its name: polars is the default.", examples=["polars"])
    remote: EnvironmentText | None = Field(None, description="Where the engine runs, when it is not this machine.")


class PredictionLogShape(ObjectShape):
    """Which share of the predictions is kept, and how long."""

    what: ClassVar[str] = "prediction_log"
    sample: Number | None = Field(
        None,
        description="The share of predictions to keep, from 0 to 1.",
        json_schema_extra={"minimum": 0, "maximum": 1},
    )
    keep: Duration | None = Field(
        None,
        description="How long: servers remove the files that are older. 30d when left out.",
        examples=["30d", "90d"],
    )
    max_bytes: Size | None = Field(
        None,
        description="How much the files of all models may take: servers remove the oldest beyond it, and drop rows "
        "where they can't. 1GiB when left out; 16MiB or more.",
    )

    def check_keys(self, report: Report) -> None:
        """A share is one; a log that holds no file would lose every row."""
        if self.sample is not None and not 0 <= self.sample <= 1:
            report.error("FC104", '"sample" is a share, from 0 to 1', self.fields.place("sample"))
        if self.max_bytes and self.max_bytes < LEAST_LOG:
            report.error("FC104", '"max_bytes" is 16MiB or more', self.fields.place("max_bytes"))


class EnvironmentShape(ObjectShape):
    """The stores that a command uses with `--env NAME`; `${NAME}` and `${NAME:-default}` may stand in addresses."""

    what: ClassVar[str] = "environment"
    registry: EnvironmentText = Field(
        description="Where `apply` keeps what is declared: a SQLAlchemy URL. A relative path starts at the repository.",
        examples=["sqlite:///.featurectl/registry.db", "${REGISTRY_URL}"],
    )
    offline: EnvironmentText = Field(
        description="Where the tables of the views are: a folder, or s3:// gs:// az://.",
        examples=[".featurectl/offline", "${OFFLINE_STORE}"],
    )
    online: EnvironmentText = Field(
        description="Where the latest values are, for reading by key: sqlite:/// redis:// rediss:// redis+cluster://.",
        examples=["sqlite:///.featurectl/online.db", "${REDIS_URL}"],
    )
    engine: EngineShape | None = Field(None, description="What computes; polars when left out.")
    now: Instant | None = Field(
        None, description="A fixed clock, for data that has ended. Leave it out where sources go on."
    )
    prediction_log: PredictionLogShape | None = Field(None, description="Which predictions are kept, and how many.")
    data_roots: Listed[EnvironmentText] = Field(
        (),
        description="Folders outside of the repository that its sources may read. Elsewhere on the machine they read "
        "nothing; what lies in these `validate` and `plan` don't look at.",
        examples=[["/srv/lake"], ["${LAKE}"]],
    )


class ProjectShape(ObjectShape):
    """The project and its environments. The folder of this file is the repository."""

    what: ClassVar[str] = "featurectl.yaml"
    project: Name = Field(description="The project's name. A registry holds many projects; a plan sees only its own.")
    environments: NamedMapped[EnvironmentShape] = Field(
        description="The environments by name. The first is the default; `--env NAME` picks another."
    )


class EntityShape(ObjectShape):
    """What features are about, and the columns that tell one from another."""

    what: ClassVar[str] = "entity"
    name: Name = Field(description="The entity's name; feature views say `entity: NAME`.")
    keys: NamedMapped[KeyType] = Field(
        description="The join keys with their types: string, int64, bool or date. Several make a composite key. "
        "A key has one type in the whole repository."
    )
    description: Text = Field("", description="What it is, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")


class CsvShape(ObjectShape):
    """How a CSV file is written."""

    what: ClassVar[str] = "csv"
    separator: Separator | None = Field(None, description="The one character between columns; a comma when left out.")
    null_values: Listed[AnyText] | None = Field(
        None, description="The texts that mean null; the empty one when left out."
    )
    timestamp_format: Text | None = Field(
        None, description="How timestamps are written, in the words of strftime.", examples=["%d.%m.%Y %H:%M"]
    )

    def check_keys(self, report: Report) -> None:
        """The separator is one character that a reader of CSV can look for."""
        if self.separator is not None and not separates(self.separator):
            message = f'"{self.separator}" can\'t separate columns: a separator is one ASCII character, no quote'
            report.error("FC104", message, self.fields.place("separator"))


class SqlShape(ObjectShape):
    """A query against a database."""

    what: ClassVar[str] = "sql"
    url: Address = Field(description="The database: a SQLAlchemy URL.", examples=["${WAREHOUSE_URL}"])
    query: Text = Field(
        description="The rows. `:since` in it is the time up to which rows were read before, so that only new ones "
        "are asked for; without it the query is read whole each time.",
        examples=["select * from orders where updated_at > :since"],
    )


class StreamShape(ObjectShape):
    """A stream of events: Kafka with a topic, or Redis with a stream."""

    what: ClassVar[str] = "stream"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        OneOf(("kafka", "redis")),
        GoesWith(("topic", "format"), "kafka"),
        GoesWith(("stream",), "redis"),
        Needs("kafka", ("topic",)),
        Needs("redis", ("stream",)),
    )
    kafka: EnvironmentText | None = Field(None, description="The brokers of Kafka.", examples=["${KAFKA_BROKERS}"])
    topic: EnvironmentText | None = Field(None, description="The topic of Kafka.")
    format: EnvironmentText | None = Field(None, description="How an event is written.", examples=["json"])
    redis: Address | None = Field(None, description="The URL of Redis.", examples=["${REDIS_URL}"])
    stream: EnvironmentText | None = Field(None, description="The stream of Redis.")


class FreshnessShape(ObjectShape):
    """How old something may be, for `status`."""

    what: ClassVar[str] = "freshness"
    warn_after: Duration | None = Field(None, description="Older than this, `status` says WARN and exits with 0.")
    error_after: Duration | None = Field(None, description="Older than this, `status` says STALE and exits with 1.")

    def check_keys(self, report: Report) -> None:
        """The warning comes first."""
        if self.warn_after and self.error_after and self.warn_after > self.error_after:
            place = self.fields.place("warn_after")
            report.error("FC104", '"warn_after" is longer than "error_after"', place)


class SourceShape(ObjectShape):
    """Where rows come from, and their two clocks: when a row was true, and when it could be known."""

    what: ClassVar[str] = "source"
    rules: ClassVar[tuple[KeyRule, ...]] = (
        OneOf(("path", "sql", "stream")),
        GoesWith(("format", "csv"), "path"),
        GoesWith(("history",), "stream"),
        Needs("stream", ("columns",)),
        Apart("available_at", "delay"),
        GoesWith(("lateness",), "dedup_key"),
    )
    later_rules: ClassVar[tuple[KeyRule, ...]] = (
        GoesWith(("available_at", "delay", "tiebreak"), "event_time"),
        Needs("lateness", ("event_time", "dedup_key")),
    )
    name: Name = Field(description="The source's name; feature views and spines say `source: NAME`.")
    path: EnvironmentText | None = Field(
        None,
        description="Files below the repository or an object store: Parquet, CSV, NDJSON, a Delta table; globs too.",
        examples=["data/orders.parquet", "data/orders/*.csv"],
    )
    format: Format | None = Field(None, description="The files' format, where their names don't tell it.")
    csv: CsvShape | None = Field(None, description="How the CSV is written, where it is not the usual way.")
    sql: SqlShape | None = Field(None, description="A query against a database, in place of files.")
    stream: StreamShape | None = Field(None, description="A stream of events, in place of files; it needs `columns`.")
    history: Name | None = Field(
        None, description="The source with the same columns for the time before the stream began."
    )
    event_time: Text | None = Field(
        None,
        description="The column that says when a row was true. Without it the source is static: its rows count as "
        "true and known at every time, so an edit of it changes the past.",
    )
    available_at: Text | None = Field(
        None,
        description="The column that says when a row could first be known. A feature at time t sees only rows with "
        "available_at <= t. Left out: `event_time` plus `delay`.",
    )
    delay: Duration | None = Field(
        None, description="How long after `event_time` a row can be known, where no column says it."
    )
    lateness: Duration | None = Field(
        None, description="How late rows may come: a query with `:since` looks back so far again. Needs `dedup_key`."
    )
    timezone: Text | None = Field(
        None, description="The zone of timestamps that have none; UTC when left out.", examples=["America/New_York"]
    )
    nan: NanChoice = Field("null", description="What NaN is: null (the default), or a number to `keep`.")
    columns: Mapped[Dtype] | None = Field(
        None, description="The columns with their types. CSV and NDJSON need them for types to be checked early."
    )
    select: NamedMapped[AnyText] | None = Field(
        None,
        description="More columns: a name, and an SQL expression over the columns of the row.",
        examples=[{"late": "arr_delay > 15"}],
    )
    tiebreak: Listed[Text] = Field(
        (), description="Columns that order rows of one entity, event_time and available_at, the last being greatest."
    )
    dedup_key: Some[Text] | None = Field(
        None, description="Columns that name an event: of several copies, the one that was available first counts."
    )
    freshness: FreshnessShape | None = Field(None, description="How old the source may be, by its last available_at.")
    checks: Listed[CheckShape] = Field((), description="Checks of the rows that are read.")
    description: Text = Field("", description="What a row is, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")
