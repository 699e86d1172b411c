"""Events in Avro are read by the schema of the file, and the ids of a registry are held to it."""

from __future__ import annotations

import io
import json
import random
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import fastavro
import pytest

from featurectl.core.errors import StoreError, UsageError
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import Stream
from featurectl.streaming import schema_ids
from featurectl.streaming.avro_events import AvroEvents
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.schema_ids import SchemaIds, id_problem_of

LONG = {"type": "long", "logicalType": "timestamp-micros"}
FIELDS: list[dict[str, Any]] = [
    {"name": "s", "type": "string"},
    {"name": "i", "type": ["null", "long"], "default": None},
    {"name": "f", "type": "double"},
    {"name": "b", "type": "boolean"},
    {"name": "at", "type": LONG},
    {"name": "ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "here", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "d", "type": {"type": "int", "logicalType": "date"}},
    {"name": "m", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
    {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["chip", "tap"]}},
    {"name": "l", "type": {"type": "array", "items": "string"}},
    {"name": "more", "type": {"type": "record", "name": "more", "fields": [{"name": "x", "type": "int"}]}},
]
SCHEMA = {"type": "record", "name": "swipe", "namespace": "shop", "fields": FIELDS}
COLUMNS = {
    "s": "string", "i": "int64", "f": "float64", "b": "bool", "at": "timestamp", "ms": "timestamp", "here": "timestamp",
    "d": "date", "m": "decimal(6,2)", "u": "string", "kind": "string", "l": "list(string)",
}  # fmt: skip
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
EVENT = {
    "s": "é", "i": None, "f": 0.5, "b": True, "at": NOON, "ms": NOON, "here": datetime(2026, 1, 2, 13),  # noqa: DTZ001
    "d": date(1970, 1, 3), "m": Decimal("12.50"), "u": UUID(int=7), "kind": "tap", "l": ["a"], "more": {"x": 1},
}  # fmt: skip


def source_of(registry: str = "") -> Source:
    of = Stream(topic="t", format="avro", schema=json.dumps(SCHEMA), schema_path="a.avsc", registry=registry)
    return Source(
        name="swipes", format="stream", stream=of, columns=COLUMNS, event_time="at", timezone="Europe/Amsterdam"
    )


def written(event: dict[str, Any], schema_id: int = 7) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMA), event)
    return struct.pack(">bI", 0, schema_id) + body.getvalue()


def test_fields_become_the_columns_of_their_names():
    row = EventDecoder(source_of()).decode(written(EVENT))
    noon = 1_767_355_200_000_000
    assert row == ("é", None, 0.5, True, noon, noon, noon, 2, "12.50", str(UUID(int=7)), "tap", ["a"])


def test_bytes_that_are_no_event_of_the_schema_are_rejected_with_a_reason():
    decoder = EventDecoder(source_of())
    whole = written(EVENT)
    for value in (b"", b"{}", whole[5:], b"\x01" + whole[1:], whole[:-1], whole + b"\x00", whole[:9]):
        assert isinstance(decoder.decode(value), BadEvent), value
    left = decoder.decode(whole + b"\x00")
    assert isinstance(left, BadEvent)
    assert left.reason == "no Avro of the schema: 1 bytes are left over"
    rng = random.Random(3)
    for _ in range(500):
        changed = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        decoder.decode(bytes(changed[: rng.randrange(len(changed) + 1)]))  # no exception, whatever it is


def test_a_text_that_is_no_schema_is_said():
    with pytest.raises(UsageError, match=r"a\.avsc is no Avro schema"):
        AvroEvents('{"type": "record", "name": "e", "fields": [{"name": "a", "type": "log"}]}', "a.avsc")


@dataclass
class Registry:
    """A registry of schemas: what it answers by id, a text or a status."""

    answers: dict[int, str | int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def running() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append((self.path, self.headers["authorization"]))
            found = registry.answers.get(int(self.path.rpartition("/")[2]), 404)
            status, text = (200, json.dumps({"schema": found})) if isinstance(found, str) else (found, "{}")
            if isinstance(found, str) and "schemaType" in found:
                text = json.dumps({"schema": "syntax", **json.loads(found)})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def test_an_id_is_asked_about_once_and_is_of_the_same_schema():
    documented = {**SCHEMA, "doc": "A swipe.", "fields": [{**each, "doc": "x"} for each in FIELDS]}
    in_seconds = [
        {**each, "type": {**LONG, "logicalType": "timestamp-millis"}} for each in FIELDS if each["name"] == "at"
    ]
    other = {**SCHEMA, "fields": [in_seconds[0] if each["name"] == "at" else each for each in FIELDS]}
    with running() as registry:
        registry.answers = {7: json.dumps(documented), 8: json.dumps(other)}
        source = source_of(registry=registry.url.replace("//", "//ana:${SECRET}@"))
        decoder = EventDecoder(source, id_problem_of(source, {"SECRET": "p%40ss"}))
        for _ in range(3):
            assert not isinstance(decoder.decode(written(EVENT)), BadEvent)
            assert decoder.decode(written(EVENT, 8)) == BadEvent("schema 8 of the registry is another than a.avsc")
            assert decoder.decode(written(EVENT, 9)) == BadEvent("schema 9 is not in the registry")
    assert [path for path, _ in registry.asked] == [f"/schemas/ids/{number}" for number in (7, 8, 9)]
    assert {login for _, login in registry.asked} == {"Basic YW5hOnBAc3M="}


def test_an_id_of_what_is_no_schema_for_us_rejects_its_events():
    """One of Protobuf, of JSON, or one that refers to others by their names: a bad event never stops a worker."""
    refers = {"type": "record", "name": "e", "fields": [{"name": "a", "type": "shop.Other"}]}
    with running() as registry:
        registry.answers = {1: json.dumps({"schemaType": "PROTOBUF"}), 2: json.dumps(refers), 3: "no JSON"}
        ids = SchemaIds(registry.url, "here", json.dumps(SCHEMA), "a.avsc")
        assert [ids.problem(number) for number in (1, 2, 3)] == [
            f"schema {number} of the registry is another than a.avsc" for number in (1, 2, 3)
        ]


def test_an_id_that_was_not_there_is_asked_about_again_later():
    with running() as registry:
        now = [0.0]
        ids = SchemaIds(registry.url, "here", json.dumps(SCHEMA), "a.avsc", clock=lambda: now[0])
        assert ids.problem(7) == "schema 7 is not in the registry"
        registry.answers = {7: json.dumps(SCHEMA)}
        assert ids.problem(7) == "schema 7 is not in the registry"
        now[0] = 6.0
        assert ids.problem(7) == ""


def test_a_registry_that_fails_is_an_error_of_the_store_and_no_rejection(monkeypatch):
    monkeypatch.setattr(schema_ids, "TIMEOUT_S", 0.3)
    with running() as registry:
        ids = SchemaIds(registry.url, "${REGISTRY}", json.dumps(SCHEMA), "a.avsc")
        for answer, reason in ((500, "it answers 500"), (401, "it answers 401")):
            registry.answers = {7: answer}
            with pytest.raises(StoreError, match=rf"the schema registry \$\{{REGISTRY\}} can't be asked: {reason}"):
                ids.problem(7)
    with pytest.raises(StoreError, match=r"can.t be asked: .*refused"):
        ids.problem(7)
    with pytest.raises(UsageError, match="is no http or https URL"):
        SchemaIds("ftp://host", "${REGISTRY}", json.dumps(SCHEMA), "a.avsc")
