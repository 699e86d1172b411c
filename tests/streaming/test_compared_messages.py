"""What the log has of an event is compared with its message only where both mean the same whatever the source says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

import fastavro
import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import Stream
from featurectl.streaming.compared_messages import ComparedMessages
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.logged_events import log_rows
from featurectl.streaming.partition_start import PartitionReading
from featurectl.streaming.read_events import StampedBatch
from featurectl.streaming.topics.base import MessageBatch, MessageDelivery, TakeLimits
from featurectl.streaming.topics.faults import OtherMessageError
from featurectl.streaming.view_records import StampedEvent
from tests.streaming.test_avro_events import COLUMNS as AVRO_COLUMNS
from tests.streaming.test_avro_events import EVENT as AVRO_EVENT
from tests.streaming.test_avro_events import FIELDS, SCHEMA, written

COLUMNS = {
    "card": "string", "n": "int64", "f": "float64", "b": "bool", "m": "decimal(9,2)", "d": "date", "at": "timestamp",
    "fs": "list(float64)", "ts": "list(timestamp)",
}  # fmt: skip
SOURCE = Source(name="swipes", format="stream", event_time="at", columns=COLUMNS)
EVENT: dict[str, object] = {
    "card": "é", "n": 2**62, "f": 0.1, "b": True, "m": "7.10", "d": "2026-01-31", "at": "2026-01-31T05:30:00Z",
    "fs": [0.5, None], "ts": ["2026-01-31T05:30:00+02:00"],
}  # fmt: skip


class OneMessage:
    """A reader of a topic that has one message, at offset 7."""

    def __init__(self, value: bytes) -> None:
        self.value = value

    def seek(self, partition: int, position: int) -> None:
        assert (partition, position) in [(0, 7), (0, 8)]

    def take(self, _: TakeLimits) -> MessageDelivery:
        batch = MessageBatch(
            partition=0, first=7, end=8, offsets=[7], keys=[None], values=[self.value], sent_at_us=[None]
        )
        return MessageDelivery(batches=[batch])


def logged_of(source: Source, value: bytes) -> pl.DataFrame:
    """What the log has of a message at offset 7."""
    row = EventDecoder(source).decode(value)
    assert not isinstance(row, BadEvent), row
    event = StampedEvent(partition=0, offset=7, event_us=0, available_us=0, row=row)
    return log_rows(StampedBatch(events=[event], rejected=[]), "swipes/0#1", source)


def differing(source: Source, logged: pl.DataFrame, value: bytes, problem: Callable[[int], str] | None = None) -> str:
    """Which columns are said to differ; "": none."""
    reader: Any = OneMessage(value)
    compared = ComparedMessages(reader, source, EventDecoder(source, problem), problem)
    last = logged.drop("_available_at")
    compared.begin(0, PartitionReading(name="swipes/0#1", number=0, position=8, last_logged=last))
    try:
        assert compared.take(TakeLimits()).batches == []
    except OtherMessageError as error:
        return error.message.partition("logged: ")[2].removesuffix(" differ")
    return ""


def dumped(**changes: object) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("card", "e"), ("n", 2**62 - 1), ("f", 0.2), ("b", False), ("m", "7.11"), ("d", "2026-01-30"),
        ("at", "2026-01-31T05:30:00.000001Z"), ("fs", [0.5, 1.0]), ("ts", ["2026-01-31T05:30:00Z"]),
    ],
)  # fmt: skip
def test_another_event_is_told_by_any_column(column: str, value: object):
    assert differing(SOURCE, logged_of(SOURCE, dumped()), dumped(**{column: value})) == column


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"f": "NaN", "fs": ["NaN", None]}, {"f": -0.0}, {"f": "Infinity"}, {"m": 7.1}, {"m": "-0.00"}, {"card": ""},
        {"at": "2026-01-31T05:30:00.123456+05:30"}, {"at": "2026-01-31T05:30:00"}, {"at": "0001-01-03T00:00:00Z"},
        {"card": None, "f": None, "fs": None}, {"fs": []}, {"f": 1e308, "n": -(2**63)},
    ],
)  # fmt: skip
@pytest.mark.parametrize("nan", ["keep", "null"])
def test_the_same_event_is_the_same_whatever_it_has(changes: dict[str, object], nan: str):
    source = replace(SOURCE, nan=nan)  # type: ignore[arg-type]
    logged = logged_of(source, dumped(**changes))
    assert differing(source, logged, dumped(**changes)) == ""
    other = replace(source, nan="keep" if nan == "null" else "null", timezone="Asia/Kolkata")
    assert differing(other, logged, dumped(**changes)) == ""


def test_columns_that_came_since_or_went_are_not_compared():
    logged = logged_of(SOURCE, dumped()).with_columns(pl.lit(None, pl.String).alias("shop"))
    with_shop = replace(SOURCE, columns={**COLUMNS, "shop": "string"})
    assert differing(with_shop, logged, dumped(shop="s1")) == ""
    assert differing(SOURCE, logged_of(with_shop, dumped(shop="s1")), dumped()) == ""


def test_what_is_no_event_any_more_tells_nothing():
    for value in (b"", b"{", dumped(n="x"), dumped(at=None)):
        assert differing(SOURCE, logged_of(SOURCE, dumped()), value) == ""


def avro(columns: dict[str, str], schema: dict[str, object], registry: str = "") -> Source:
    of = Stream(topic="t", format="avro", schema=json.dumps(schema), schema_path="a.avsc", registry=registry)
    return Source(name="swipes", format="stream", event_time="at", columns=columns, stream=of)


def test_events_in_avro_are_told_by_their_time():
    source, value = avro(AVRO_COLUMNS, SCHEMA), written(AVRO_EVENT)
    logged = logged_of(source, value)
    assert differing(source, logged, value) == ""
    later = {**AVRO_EVENT, **dict.fromkeys(("at", "ms"), AVRO_EVENT["ms"].replace(hour=13)), "s": "e"}
    assert differing(source, logged, written(later)) == "at"


def test_a_schema_of_avro_that_was_changed_is_no_other_topic():
    source, value = avro(AVRO_COLUMNS, SCHEMA), written({**AVRO_EVENT, "kind": "chip"})
    enum = {"type": "enum", "name": "kind", "symbols": ["tap", "chip"]}
    fields = [{**of, "type": enum} if of["name"] == "kind" else of for of in FIELDS]
    logged = logged_of(source, value)
    assert differing(avro(AVRO_COLUMNS, {**SCHEMA, "fields": fields}), logged, value) == ""
    looked_up = avro(AVRO_COLUMNS, SCHEMA, registry="http://127.0.0.1")
    other = written({**AVRO_EVENT, "kind": "tap"})
    assert differing(looked_up, logged, other, lambda _: "") == "kind"
    assert differing(looked_up, logged, other, lambda _: "schema 7 is another") == ""

    def away(_: int) -> str:
        raise StoreError("the registry is away", code="FC606")

    assert differing(looked_up, logged, other, away) == ""


MICROS, MILLIS = ({"type": "long", "logicalType": f"timestamp-{unit}"} for unit in ("micros", "millis"))


def of_schema(fields: dict[str, object], event: dict[str, Any]) -> tuple[dict[str, object], bytes]:
    """A schema of some fields, and an event of it."""
    made: dict[str, object] = {"type": "record", "name": "e"}
    made["fields"] = [{"name": name, "type": kind} for name, kind in fields.items()]
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(made), event)
    return made, b"\0\0\0\0\7" + body.getvalue()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"at": MICROS, "made": MICROS}, {"made": MICROS, "at": MICROS}),
        ({"at": MILLIS, "made": MICROS}, {"at": MICROS, "made": MICROS}),
        ({"at": "string", "made": "string"}, {"made": "string", "at": "string"}),
    ],
)
def test_a_time_that_a_changed_schema_reads_elsewhere_is_the_same(before: dict[str, object], after: dict[str, object]):
    columns = {"at": "timestamp", "made": "timestamp"}
    times = {"at": datetime(2026, 1, 2, 12, 0, 1, tzinfo=UTC), "made": datetime(2026, 1, 3, tzinfo=UTC)}
    event: dict[str, Any] = times if before["at"] != "string" else {name: of.isoformat() for name, of in times.items()}
    schema, value = of_schema(before, event)
    changed, _ = of_schema(after, event)
    logged = logged_of(avro(columns, schema), value)
    assert not isinstance(EventDecoder(avro(columns, changed)).decode(value), BadEvent)
    assert differing(avro(columns, changed), logged, value) == ""
    if before["at"] != "string":
        other = of_schema(before, {**event, "at": datetime(2026, 1, 2, 12, 0, 2, tzinfo=UTC)})[1]
        assert differing(avro(columns, schema), logged, other) == "at"


def test_days_of_a_changed_schema_are_no_other_topic_either():
    days: dict[str, object] = {name: {"type": "int", "logicalType": "date"} for name in ("at", "made")}
    schema, value = of_schema(days, {"at": date(2026, 1, 2), "made": date(1926, 1, 3)})
    changed, _ = of_schema({"made": days["made"], "at": days["at"]}, {"at": date(2026, 1, 2), "made": date(2026, 1, 3)})
    columns = {"at": "date", "made": "date"}
    logged = logged_of(avro(columns, schema), value)
    assert differing(avro(columns, changed), logged, value) == ""
    other = of_schema(days, {"at": date(2026, 1, 4), "made": date(1926, 1, 3)})[1]
    assert differing(avro(columns, schema), logged, other) == "at"


class SomePartitions:
    """A reader of 3 partitions that have a message each, at offset 7, and notes where it is to go on."""

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.places: dict[int, int] = {}

    def seek(self, partition: int, position: int) -> None:
        self.places[partition] = position

    def take(self, limits: TakeLimits) -> MessageDelivery:
        found = [
            replace(batch, partition=each) for batch in OneMessage(self.value).take(limits).batches for each in range(3)
        ]
        return MessageDelivery(batches=found)


def test_a_registry_that_is_away_is_asked_once_for_all_partitions():
    asked: list[int] = []

    def away(schema_id: int) -> str:
        asked.append(schema_id)
        raise StoreError("the registry is away", code="FC606")

    source, value = avro(AVRO_COLUMNS, SCHEMA, registry="http://127.0.0.1"), written(AVRO_EVENT)
    reader = SomePartitions(value)
    compared = ComparedMessages(cast("Any", reader), source, EventDecoder(source, away), away)
    last = logged_of(source, value).drop("_available_at")
    for partition in range(3):
        compared.begin(
            partition, PartitionReading(name=f"t/{partition}#1", number=partition, position=9, last_logged=last)
        )
    assert reader.places == {0: 7, 1: 7, 2: 7}
    assert compared.take(TakeLimits()).batches == []
    assert (asked, reader.places, compared.is_under_way) == ([7], {0: 9, 1: 9, 2: 9}, False)
