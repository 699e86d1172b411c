"""Rows that each ask as of their own instant, of lists in real stores: as training sets with `known_at` have them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from featurectl.core.units import from_us
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.view import Derived
from featurectl.online.all_stores import open_async_stream_reader, open_online
from featurectl.online.base import OnlineView
from featurectl.online.client.feature_columns import FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns, read_columns_async
from featurectl.online.client.read_view import ReadView
from featurectl.online.codec import pack_key
from featurectl.online.stream_state.base import Generation, KnownStamps, ListAppend
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.known_instants import RowInstant, UnknownInstantError
from featurectl.online.stream_state.layout import layout_document, layout_of
from featurectl.online.stream_state.record import pack_record
from tests.online.compared import every_input
from tests.online.stream_state.events import SECOND, Stream, compacted, random_view
from tests.online.stream_state.test_two_clocks import random_instants

GENERATION = Generation(view="spend@1", id="a1")
PARTITIONS, END = 3, 1_000  # of streams, and behind all offsets
CARDS, ROWS = tuple("ABCDEFGHIJ"), 40
SEEDS = [4, 6, *(pytest.param(seed, marks=pytest.mark.long) for seed in (3, 5, 8, 11, 14, 16))]
QUICK = [
    "sqlite",
    "redis_url",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("redis_cluster_url", "postgres_url")),
]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASOF = Derived(name="when", expression=type_expression("asof", {"asof": "timestamp"}), dtype="timestamp")


def typed_view(seed: int) -> Any:
    """A view with what is derived of the instant of each answer."""
    return replace(random_view(Random(seed)), derived=(ASOF,))


def streams_of(seed: int, max_age_us: int) -> list[Stream]:
    view = typed_view(seed)
    return [Stream(Random(seed * 10 + i), layout_of(view, max_age_us), view) for i in range(len(CARDS))]


def elements_of(stream: Stream, number: int) -> list[bytes]:
    """What a stream becomes in a list; the last has none."""
    elements: list[bytes] = []
    for _ in range(60 if number < len(CARDS) - 1 else 0):
        dice = stream.random.random()
        if dice < 0.5:
            elements += [pack_record(stream.record(event), stream.layout) for event in stream.claim()]
        elif dice < 0.9 or not elements:
            stream.apply()
        else:
            applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
            elements = compacted(compact(elements, stream.layout, applied))
    return elements


class Written:
    """Streams of some entities in a store, all of whose events are applied."""

    def __init__(self, opened: Any, source: Any, streams: Sequence[Stream]) -> None:
        self.streams, view = dict(zip(CARDS, streams, strict=True)), streams[0].view
        elements = [elements_of(stream, i) for i, stream in enumerate(streams)]
        self.asof_us = max(stream.clock_us for stream in streams)
        online = OnlineView(
            project=source.project, env="dev", view="spend", version=1, keys={"carrier": "string"},
            features={feature.name: feature.dtype or "" for feature in view.features},
            versioned_by="event" if view.kind == "state" else "computed",
        )  # fmt: skip
        self.reader = FeatureReader(every_input(view), {view.name: ReadView(view=view, online=online)})
        self.state = opened(lambda: self.asof_us)
        with closing(self.state.connect(source)) as connection:
            for partition in range(PARTITIONS):
                connection.register.add_partition(f"p{partition}")
            cuts = connection.generations.add(GENERATION, layout_document(streams[0].layout)).cuts
            assert connection.lists.make_ready(GENERATION, connection.lists.seed(GENERATION, []), cuts)
            assert connection.generations.switch(GENERATION)
            claims = [connection.register.claim(part, 0, END, KnownStamps()) for part in range(PARTITIONS)]
            for card, some in zip(CARDS, elements, strict=True):
                key = pack_key([card], ("string",))
                connection.lists.append([ListAppend(generation=GENERATION, entities=[key] * len(some), elements=some)])
            for part, claim in enumerate(claims):
                assert connection.lists.mark(part, 0, END, claim.generations)
                assert connection.register.finish(part, 0, END, [GENERATION])

    def rows(self, cards: Sequence[str | None]) -> KeyRows:
        instants = [random_instants(self.streams[card or "A"], self.asof_us + 3)[0] for card in cards]
        return KeyRows(keys={"carrier": cards}, count=len(cards), now=NOW, latest=NOW, instants=instants)

    def read(self, url: str, rows: KeyRows) -> tuple[FeatureColumns, list[int]]:
        """Return what those rows say that are known, and the places of the others."""
        with closing(open_online(url)) as store:
            try:
                return read_columns(store, self.reader, Pushes(), rows, lambda: self.state), []
            except UnknownInstantError as error:
                known = [row for row in range(rows.count) if row not in error.messages]
                found = read_columns(store, self.reader, Pushes(), some_of(rows, known), lambda: self.state)
                return found, sorted(error.messages)

    def check(self, rows: KeyRows, found: FeatureColumns, places: Sequence[int]) -> None:
        assert rows.instants is not None
        assert found.instants == [rows.instants[row].before(self.asof_us) for row in places]
        for i, (row, at) in enumerate(zip(places, found.instants, strict=True)):
            card = rows.keys["carrier"][row]
            truth = self.streams[str(card)].truth(at.known_us, at.time_us) if card is not None else None
            assert found.columns["when"].values[i] == from_us(at.time_us)
            assert found.columns["when"].computed_us[i] == at.known_us
            for feature in self.streams["A"].view.features:
                value = found.columns[feature.name].values[i]
                wanted = None if truth is None else truth[feature.name]
                assert value == (pytest.approx(wanted, 1e-9, 1e-6) if isinstance(wanted, float) else wanted)


def some_of(rows: KeyRows, places: Sequence[int]) -> KeyRows:
    assert rows.instants is not None
    keys = {name: [values[row] for row in places] for name, values in rows.keys.items()}
    return replace(rows, keys=keys, count=len(places), instants=[rows.instants[row] for row in places])


@pytest.mark.parametrize("url", QUICK, indirect=True)
@pytest.mark.parametrize(
    "seed", [4, 6, *(pytest.param(seed, marks=pytest.mark.long) for seed in (3, 5, 8, 11, 14, 16))]
)
def test_rows_are_answered_as_of_their_own_instants(url, opened, source, seed):
    written = Written(opened, source, streams_of(seed, 2 * SECOND))
    random = Random(seed)
    for cards in (CARDS, [random.choice([*CARDS, None]) for _ in range(ROWS)]):  # each once, and several times
        rows = written.rows(cards)
        found, refused = written.read(url, rows)
        known = [row for row in range(rows.count) if row not in refused]
        assert len(known) > len(cards) // 4
        written.check(rows, found, known)

    async def read() -> FeatureColumns:
        reader = open_async_stream_reader(url, url, 10.0)
        try:
            return await read_columns_async(reader, written.reader, Pushes(), some_of(rows, known))
        finally:
            await reader.close()

    assert repr(asyncio.run(read()).columns) == repr(found.columns)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_rows_that_are_not_known_any_more_are_named(url, opened, source):
    written = Written(opened, source, streams_of(4, 0))
    long_ago = RowInstant(written.asof_us - 3_600 * SECOND, written.asof_us)
    latest = RowInstant(written.asof_us, written.asof_us)
    rows = KeyRows(
        keys={"carrier": ["A", "B", "C", None]}, count=4, now=NOW, latest=NOW,
        instants=[long_ago, latest, long_ago, long_ago],
    )  # fmt: skip
    with closing(open_online(url)) as store, pytest.raises(UnknownInstantError) as told:
        read_columns(store, written.reader, Pushes(), rows, lambda: written.state)
    assert {row: why.partition(":")[0] for row, why in told.value.messages.items()} == {
        0: "spend@1 carrier=A",
        2: "spend@1 carrier=C",
    }
    assert told.value.code == "FC550"
    assert "spend@1 carrier=A: the online store does not know any more what was at " in told.value.message
    assert told.value.message.endswith(", nor for 1 more row")
    found, refused = written.read(url, rows)
    assert refused == [0, 2]
    written.check(rows, found, [1, 3])
