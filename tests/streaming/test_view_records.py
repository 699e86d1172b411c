"""What a view keeps of an event, and of which events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.online.stream_state.record import pack_record, unpack_record
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.view_records import NullKeys, StampedEvent, ViewRecords
from tests.definitions import COLUMNS, expression

SOURCE = Source(
    name="arrivals",
    format="stream",
    event_time="at",
    columns={"carrier": "string", "arr_delay": "float64", "flight": "int64", "at": "timestamp"},
    select=(NamedExpression(name="late", expression=expression("arr_delay > 15"), dtype="bool"),),
    tiebreak=("flight",),
    dedup_key=("carrier", "flight"),
)
VIEW = FeatureView(
    name="delays",
    kind="event",
    entity=Entity(name="line", keys={"line": "string"}),
    source=SOURCE,
    join={"line": "carrier"},
    where=expression("arr_delay > -60"),
    inputs=(
        NamedExpression(name="hours", expression=expression("arr_delay / 60"), dtype="float64"),
        NamedExpression(name="late", expression=expression("late"), dtype="bool"),
    ),
    features=(Feature(name="late_1d", op="mean", column="late", dtype="float64", window_us=86_400_000_000),),
)
EVENT = {"carrier": "AA", "arr_delay": 30.0, "flight": 7, "at": "1970-01-01T00:00:01Z"}


def stamped(offset: int = 5, changes: Mapping[str, object] = EVENT) -> StampedEvent:
    decoder = EventDecoder(SOURCE)
    row = decoder.decode(json.dumps({**EVENT, **changes}).encode())
    assert not isinstance(row, BadEvent)
    return StampedEvent(3, offset, decoder.event_us(row), 2_000_000, row)


@pytest.fixture
def records() -> ViewRecords:
    assert "late" not in COLUMNS
    return ViewRecords(VIEW, EventDecoder(SOURCE))


def test_a_record_has_its_place_its_instants_and_the_inputs(records: ViewRecords):
    found = unpack_record(records.element(stamped()), records.layout)
    assert found[:4] == (3, 5, 1_000_000, 2_000_000)
    assert (found.ties, found.values) == ((7,), (0.5, True))


def test_an_event_belongs_to_the_entity_of_its_key(records: ViewRecords):
    assert records.entity(stamped().row) == b"s2:AA"


@pytest.mark.parametrize("changes", [{"arr_delay": None}, {"arr_delay": -90.0}, {"carrier": None}])
def test_a_view_has_no_event_that_where_leaves_out_or_without_a_key(records: ViewRecords, changes: dict[str, object]):
    assert records.entity(stamped(changes=changes).row) is None


def test_events_without_a_key_are_counted_by_view():
    other = Entity(name="pair", keys={"carrier": "string", "flight": "int64"})
    views = {
        "delays@1": VIEW,
        "all@1": replace(VIEW, where=None),
        "pairs@2": replace(VIEW, entity=other, join={"carrier": "carrier", "flight": "flight"}, where=None),
        "whole@1": replace(VIEW, entity=None, join={}),
    }
    changes = [{}, {"carrier": None}, {"flight": None}, {"carrier": None, "flight": None}]
    changes += [{"carrier": None, "arr_delay": -90.0}, {"carrier": None, "arr_delay": None}]
    rows = [stamped(changes=each).row for each in changes]
    counts = NullKeys(views, EventDecoder(SOURCE)).count(rows)
    assert counts == {"delays@1": 2, "all@1": 4, "pairs@2": 5}
    for name, view in views.items():  # what a view takes without a key would be taken with one
        records, keyed = ViewRecords(view, EventDecoder(SOURCE)), [{**each} for each in changes]
        whole = [stamped(changes={**each, "carrier": "AA", "flight": 1}).row for each in keyed]
        lacking = [
            records.entity(a) is None and records.entity(b) is not None for a, b in zip(rows, whole, strict=True)
        ]
        assert sum(lacking) == counts[name]


def test_copies_have_one_name_and_other_events_another(records: ViewRecords):
    names = [
        records.record(event).name_hash
        for event in (stamped(), stamped(9, {"arr_delay": 1.0}), stamped(changes={"flight": 8}))
    ]
    assert names[0] == names[1] != names[2]


def test_a_null_in_the_name_of_an_event_equals_nothing(records: ViewRecords):
    names = {records.record(stamped(offset, {"flight": None})).name_hash for offset in range(4)}
    assert len(names) == 4


def test_a_view_without_an_entity_has_one_list():
    records = ViewRecords(replace(VIEW, entity=None, join={}), EventDecoder(SOURCE))
    assert records.entity(stamped().row) == b""


@pytest.mark.parametrize("dedup_key", [(), ("flight",)])
@pytest.mark.parametrize("tiebreak", [(), ("flight",)])
def test_the_bytes_of_an_event_are_those_of_its_record(dedup_key: tuple[str, ...], tiebreak: tuple[str, ...]):
    source = replace(SOURCE, dedup_key=dedup_key, tiebreak=tiebreak)
    records = ViewRecords(replace(VIEW, source=source), EventDecoder(source))
    for offset in (0, 2**53 - 1):
        event = stamped(offset)
        assert records.element(event) == pack_record(records.record(event), records.layout)
