"""`stream run` takes events in Avro, and holds their ids to a registry; where it is away the worker waits."""

from __future__ import annotations

import io
import json
import struct
import sys
from datetime import UTC, datetime

import fastavro
import pytest

from featurectl.cli.main import main
from tests.streaming.session.swipes import OBJECTS, Swipes
from tests.streaming.test_avro_events import running

SCHEMA = {
    "type": "record",
    "name": "swipe",
    "fields": [
        {"name": "swipe", "type": "long"},
        {"name": "card", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}


def written(swipe: int, schema_id: int) -> bytes:
    event = {"swipe": swipe, "card": "c1", "amount": 1.0, "at": datetime.now(UTC)}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMA), event)
    return struct.pack(">bI", 0, schema_id) + body.getvalue()


@pytest.fixture
def objects(tmp_path):
    (tmp_path / "swipe.avsc").write_text(json.dumps(SCHEMA))
    return OBJECTS.replace("{topic: swipes}", '{topic: swipes, format: avro, schema: swipe.avsc, registry: "${IDS}"}')


def test_events_of_another_schema_are_rejected_and_those_of_the_file_count(tmp_path, objects, monkeypatch):
    with running() as registry:
        registry.answers = {7: json.dumps(SCHEMA), 8: json.dumps({**SCHEMA, "fields": SCHEMA["fields"][:2]})}
        monkeypatch.setenv("IDS", registry.url)
        swipes = Swipes(root=tmp_path, objects=objects)
        swipes.send_bytes(written(1, 7), written(2, 8), written(3, 7), b"{}")
        assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    assert swipes.values() == {"amount_sum_1h": 102.0, "amount_count_1h": 3}
    reasons = sorted(swipes.rejected()["_rejected"])
    assert [reason[:40] for reason in reasons] == [
        "no Avro with the header of a schema regi",
        "schema 8 of the registry is another than",
    ]


def test_a_package_that_is_missing_is_named(tmp_path, objects, monkeypatch, capsys):
    monkeypatch.setenv("IDS", "http://127.0.0.1:1")
    Swipes(root=tmp_path, objects=objects)
    for name in ("featurectl.streaming.avro_events", "featurectl.streaming.schema_ids", "fastavro"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "fastavro", None)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 64
    said = capsys.readouterr().err
    assert "source swipes: events in Avro need the package fastavro\n  = pip install 'featurectl[avro]'" in said
