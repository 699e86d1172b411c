"""What a batch of events appends to the lists of several views is what each view's records are one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest

from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression
from featurectl.online.stream_state.base import Generation, GenerationCut, ListAppend
from featurectl.online.stream_state.record import pack_record
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.read_events import appends_of
from featurectl.streaming.view_records import StampedEvent, ViewRecords
from tests.definitions import expression
from tests.streaming.test_view_records import SOURCE, VIEW

LATE = VIEW.inputs[1]
VIEWS = {
    "as@1": VIEW,
    "same@1": replace(VIEW, where=expression("arr_delay > 0")),
    "all@1": replace(VIEW, where=None),
    "flights@1": replace(VIEW, where=None, entity=Entity(name="f", keys={"f": "int64"}), join={"f": "flight"}),
    "late@1": replace(VIEW, inputs=(LATE,)),
    "turned@1": replace(VIEW, inputs=(LATE, VIEW.inputs[0])),
    "whole@1": replace(VIEW, inputs=(NamedExpression(name="late", expression=expression("late"), dtype="bool"),)),
    "none@1": replace(VIEW, where=expression("arr_delay > 10000")),
}


class _Records(GenerationRecords):
    """Records of views whose lists keep what the views have."""

    def __init__(self, decoder: EventDecoder) -> None:
        self.made = {name: ViewRecords(view, decoder) for name, view in VIEWS.items()}

    def of(self, generation: Generation) -> ViewRecords:
        return self.made[generation.view]


def random_events(random: Random, decoder: EventDecoder) -> list[StampedEvent]:
    events = []
    for offset in range(random.randrange(30)):
        found = decoder.decode(
            json.dumps({
                "carrier": random.choice(["AA", "BB", None]) if random.random() < 0.3 else "CC",
                "arr_delay": random.choice([-90.0, -5.0, 12.5, None]),
                "flight": random.choice([1, 2, None]) if random.random() < 0.3 else 3,
                "at": "2026-01-01T00:00:00Z",
            }).encode()
        )  # fmt: skip
        assert not isinstance(found, BadEvent)
        events.append(StampedEvent(1, offset, 10 + offset, 20, found))
    return events


@pytest.mark.parametrize("tiebreak", [(), ("flight",)])
@pytest.mark.parametrize("dedup_key", [(), ("flight",)])
def test_the_appends_of_views_are_those_of_each(tiebreak: tuple[str, ...], dedup_key: tuple[str, ...]):
    source = replace(SOURCE, tiebreak=tiebreak, dedup_key=dedup_key)
    decoder, random = EventDecoder(source), Random(1)
    records = _Records(decoder)
    records.made = {name: ViewRecords(replace(view, source=source), decoder) for name, view in VIEWS.items()}
    for _ in range(100):
        events = random_events(random, decoder)
        names = random.sample([*VIEWS], 4)
        generations = [GenerationCut(generation=Generation(view=name, id="a1"), cut=0) for name in names]
        wanted = []
        for of in generations:
            made = records.of(of.generation)
            pairs = [(made.entity(event.row), pack_record(made.record(event), made.layout)) for event in events]
            there = [(key, element) for key, element in pairs if key is not None]
            if there:
                entities, elements = map(list, zip(*there, strict=True))
                wanted.append(ListAppend(generation=of.generation, entities=entities, elements=elements))
        assert appends_of(events, generations, records) == wanted
