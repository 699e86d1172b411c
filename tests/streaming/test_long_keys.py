"""An event that a store can't take is rejected, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from json import dumps
from pathlib import Path
from random import Random
from string import ascii_letters

import polars as pl
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.dtypes import MOST_KEY_BYTES
from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import from_us
from featurectl.engines.row_keys import key_fits
from featurectl.language.definitions.source import Source
from featurectl.offline.event_log import REJECTED, STAMP
from featurectl.online.codec import pack_key
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.entity_keys import LongKeys
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding
from tests.seeds import examples
from tests.streaming.conveyor import BEGIN, COLUMNS, SOURCE, VIEWS
from tests.streaming.test_worker_failures import Stage

LONG = "".join(Random(0).choices(ascii_letters, k=12_000))  # which PostgreSQL can't compress into an index
TYPES = {"card": "string", "shop": "string", "number": "int64", "is_new": "bool", "day": "date"}
TEXTS = st.tuples(st.sampled_from(["x", "é", "✓", "🙂"]), st.integers(0, 1_100)).map(lambda of: of[0] * of[1])
VALUES = {
    "string": st.none() | TEXTS,
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "date": st.integers(-700_000, 700_000),
}


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), st.lists(st.sampled_from([*TYPES]), min_size=1, max_size=5, unique=True))
def test_files_and_events_leave_out_the_keys_that_are_too_long(data: st.DataObject, names: list[str]):
    types = [TYPES[name] for name in names]
    values = [data.draw(VALUES[dtype]) for dtype in types]
    whole = [value for value in values if value is not None]
    is_long = len(whole) == len(values) and len(pack_key(whole, types)) > MOST_KEY_BYTES
    source = Source(name="swipes", format="stream", event_time="at", columns={**TYPES, "at": "timestamp"})
    row = tuple(dict(zip(names, values, strict=True)).get(name) for name in source.columns or {})
    found = LongKeys([tuple(zip(names, types, strict=True))], EventDecoder(source)).find([row])
    assert bool(found) == is_long
    frame = pl.DataFrame({name: [value] for name, value in zip(names, values, strict=True)}, strict=False)
    frame = frame.select(pl.col(name).cast(polars_dtype(TYPES[name])) for name in names)
    fits = key_fits(names, types)
    assert (fits is not None and frame.select(fits).item() is False) == is_long


@pytest.fixture
def stage_at(tmp_path: Path, redis_url: str, postgres_url: str) -> Iterator[Callable[[str], Stage]]:
    """A worker with an online store of a kind, which has lists of one view that are read."""
    made: list[Stage] = []

    def make(store: str) -> Stage:
        url = {"redis": redis_url, "postgres": postgres_url}.get(store, "")
        stage = Stage(folder=tmp_path, store_url=url, place=StreamSource(project="long", env=store, source="swipes"))
        made.append(stage)
        stage.step()
        stage.seeded("spend@1")
        return stage

    yield make
    for each in made:
        each.worker.close()
        each.state.close()
        each.broker.close()


def sent(stage: Stage, *cards: str) -> None:
    at = from_us(stage.clock_us).isoformat()
    with closing(stage.broker.open_writer("swipes")) as writer:
        for number, card in enumerate(cards):
            event = {"swipe": number, "card": card, "shop": "s1", "arr_delay": 1.0, "at": at}
            writer.send([(None, dumps(event).encode())])
        writer.flush()


def rejected(stage: Stage) -> list[tuple[object, ...]]:
    rows = stage.rejected.read_rows(stage.rejected.open(), [REJECTED, "column"])
    return pl.concat(rows).select(REJECTED, "column").rows()


@pytest.mark.parametrize("store", ["sqlite", "redis", "postgres"])
def test_a_key_that_is_too_long_is_rejected_and_stops_no_other(stage_at: Callable[[str], Stage], store: str):
    stage = stage_at(store)
    sent(stage, "c1", LONG, "y" * 1_018, "c1", "z" * 1_019)
    assert stage.step() == 5
    stage.step(seconds=9)
    assert (stage.worker.counts.logged, stage.worker.counts.reasons) == (5, {"value": 2})
    why = "the key of its entity takes {} bytes in a store, 1,024 are allowed"
    assert rejected(stage) == [(why.format("12,007"), "card"), (why.format("1,025"), "card")]
    assert stage.elements("spend@1") == 2
    assert stage.elements("spend@1", b"s1018:" + b"y" * 1_018) == 1


def test_new_lists_have_no_row_of_a_history_whose_key_is_too_long(stage_at: Callable[[str], Stage]):
    stage, at = stage_at("postgres"), from_us(BEGIN - 1)
    cards = ["c1", LONG]
    types = {name: polars_dtype(dtype) for name, dtype in {**COLUMNS, STAMP: "timestamp"}.items()}
    rows = [
        {"swipe": n, "card": card, "shop": "s1", "arr_delay": 1.0, "at": at, STAMP: at} for n, card in enumerate(cards)
    ]
    history = pl.DataFrame(rows, schema=pl.Schema(types))
    seeded = SeededView(name="newest@2", view=VIEWS["newest@2"], source=SOURCE, earlier=lambda: iter([history]))
    connection = stage.worker.connection
    assert Seeding(seeded, connection, stage.log).step(connection) == "done"
    assert stage.elements("newest@2") == 1


def test_an_event_that_the_store_refuses_is_rejected_and_stops_no_other(
    stage_at: Callable[[str], Stage], postgres_url: str
):
    stage = stage_at("postgres")
    table = "alter table featurectl_online.stream_elements"
    with psycopg.connect(postgres_url, autocommit=True) as database:
        database.execute(f"{table} add constraint short check (octet_length(entity) < 100)")
        try:
            sent(stage, *["c1"] * 3, "x" * 200, *["c1"] * 4, "y" * 200, "c2")
            assert stage.step() == 10
        finally:
            database.execute(f"{table} drop constraint short")
    stage.step(seconds=9)
    assert (stage.worker.counts.logged, stage.worker.counts.reasons) == (10, {"store": 2})
    [(first, column), (second, _)] = rejected(stage)
    assert "violates check constraint" in str(first)
    assert (str(first)[:29], column, first) == ("the online store refuses it: ", "", second)
    assert [stage.elements("spend@1", entity) for entity in (b"s2:c1", b"s2:c2")] == [7, 1]
