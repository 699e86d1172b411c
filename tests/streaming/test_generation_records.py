"""Lists of before a view got a feature are written as before; those of after have what it needs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.language.definitions.source import NamedExpression
from featurectl.language.definitions.view import FeatureView
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.layout import layout_document, layout_of
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.generation_records import GenerationRecords
from featurectl.streaming.view_records import StampedEvent
from tests.definitions import expression
from tests.streaming.conveyor import SOURCE, VIEWS

PLACE = StreamSource(project="shop", env="dev", source="swipes")
OLD, NEW = Generation(view="spend@1", id="a1"), Generation(view="spend@1", id="b2")
VIEW = VIEWS["spend@1"]
MINUTES = NamedExpression(name="minutes", expression=expression("arr_delay / 60"), dtype="float64")
WIDER = replace(VIEW, inputs=(MINUTES, *VIEW.inputs))


@pytest.fixture
def store(tmp_path: Path):
    with closing(open_stream_state(f"sqlite:///{tmp_path / 'online.db'}")) as state:
        with closing(state.connect(PLACE)) as connection:
            connection.generations.add(OLD, layout_document(layout_of(VIEW)))
            assert connection.lists.make_ready(OLD, connection.lists.seed(OLD, []), {})
            assert connection.generations.switch(OLD)
            connection.generations.add(NEW, layout_document(layout_of(WIDER)))
        yield state


def records_of(store, view: FeatureView) -> GenerationRecords:
    return GenerationRecords(PLACE, store, {"spend@1": view}, EventDecoder(SOURCE))


def test_each_generation_gets_what_its_lists_keep(store):
    row = EventDecoder(SOURCE).decode(b'{"card": "c1", "arr_delay": 30.0, "at": "2026-01-01"}')
    assert not isinstance(row, BadEvent)
    event, records = StampedEvent(0, 0, 0, 0, row), records_of(store, WIDER)
    assert records.of(OLD).record(event).values == (30.0,)
    assert records.of(NEW).record(event).values == (0.5, 30.0)
    assert records.layout(OLD) == layout_of(VIEW)


def test_a_worker_that_is_older_than_what_was_applied_says_so(store):
    with pytest.raises(StoreError, match="lists of spend@1 keep minutes, which its definition lacks"):
        records_of(store, VIEW).of(NEW)
    with pytest.raises(StoreError, match="it does not know the feature view visits@1"):
        records_of(store, VIEW).of(Generation(view="visits@1", id="a1"))
