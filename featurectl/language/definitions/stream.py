"""Streams of events: where topics can be, how an event is written, and what a source says of its topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from featurectl.core.drivers import SQLITE_URL

EventFormat = Literal["json", "avro"]
EVENT_FORMATS: Final[tuple[EventFormat, ...]] = get_args(EventFormat)
OTHER_EVENT_FORMATS: Final = ("protobuf", "debezium", "csv", "messagepack", "thrift")  # that people ask for
RETENTION_US: Final = 7 * 86_400_000_000  # as Kafka's default
STAMP: Final = "available_at"  # what the instant is called at which a worker took an event, beside its columns
MOST_AHEAD_US: Final = 3_600_000_000  # an event whose time is later than so long after its stamp is rejected
SETTLED_US: Final = 2_000_000  # how long a state of a stream can be asked about instants that have passed, at least
TOPIC_SCHEMES: Final[Mapping[str, str]] = {  # how a URL of topics begins -> what holds them
    SQLITE_URL: "a SQLite file",
    "redis://": "Redis or Valkey",
    "rediss://": "Redis or Valkey over TLS",
    "redis+cluster://": "a Redis Cluster",
    "rediss+cluster://": "a Redis Cluster over TLS",
    "kafka://": "Kafka",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The topic of a source's events.

    `schema` is the text of the Avro schema ("": the format is another), `schema_path` its file, relative to the
    repository. `key` are the columns that choose the partition of an event that featurectl sends (none: any
    partition). `url` says where the topic lies, unexpanded ("": in the `streams` of the environment), `registry` where
    the ids of Avro schemas are looked up ("": they are not). `retention_us` is for how long a worker leaves messages in
    the topic that are logged, in brokers that don't remove them by themselves.
    """

    topic: str
    format: EventFormat = "json"
    schema: str = ""
    schema_path: str = ""
    key: tuple[str, ...] = ()
    url: str = ""
    registry: str = ""
    retention_us: int = RETENTION_US
